"""What pytest needs to know of notebooks (--nbval): a cell that is cut off at the time limit has failed.

nbval interrupts the kernel then. A cell that takes the interrupt and ends well, as one that calls `training.fit` does,
would pass, and nbval would mark all cells behind it as expected to fail; hence also --runxfail in the Makefile.
"""

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    before = getattr(item.parent, "timed_out", False)  # of an nbval notebook: was one of its cells cut off?
    result = yield
    if getattr(item.parent, "timed_out", False) and not before:
        pytest.fail(f"cut off after {item.config.option.nbval_cell_timeout:g} seconds")
    return result

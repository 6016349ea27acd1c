"""Out of memory: the same work again, with half as many examples at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from lmtutor.runtime import CourseError
from lmtutor.training.history import Progress

Result = TypeVar("Result")


def halving(
    work: Callable[[], Result], progress: Progress, *, processes: int, batch: int, forget: Callable[[], None]
) -> Result:
    """The result of `work`, repeated with half of `progress.micro_batch` for as long as memory runs out.

    Args:
        work: takes `progress.micro_batch` examples through the model at once.
        progress: of the run.
        processes: with several, nothing is repeated.
        batch: examples of a step, for what is told.
        forget: gives memory back that the broken-off work holds.

    Raises:
        CourseError: it does not go with a single example, or there are several processes.
    """
    from accelerate.utils.memory import clear_device_cache

    while True:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if progress.micro_batch == 1 or processes > 1:  # other processes would wait for this one's repetition
                way_out = "shorten them, or take a smaller model" if processes == 1 else (
                    "start again with half the batch_size and twice the accumulate"
                )  # fmt: skip
                raise CourseError(
                    f"Out of memory at step {progress.step + 1} with {progress.micro_batch} examples at once; "
                    f"{way_out}."
                ) from error
        # No longer within `except`, so the error does not hold the tensors of the broken-off work.
        progress.micro_batch //= 2
        forget()
        clear_device_cache(garbage_collection=True)
        print(
            f"Out of memory at step {progress.step + 1}: going on with {progress.micro_batch} examples at once; "
            f"each update still sees {batch}."
        )


@contextmanager
def or_as_before(module: torch.nn.Module, steps: int, *, first: bool) -> Iterator[None]:
    """An update; if memory runs out in the first one, in which the optimizer takes its own, the weights stay.

    Args:
        module: whose weights.
        steps: done before.
        first: whether it is the first update; later ones keep no copy.

    Raises:
        CourseError: memory has run out. To take fewer examples at once would not help, as they are no longer there.
    """
    before = None
    try:
        if first:
            before = {name: value.to("cpu", copy=True) for name, value in module.state_dict().items()}
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if before:
            module.load_state_dict(before)
        kept = "has its weights of before" if before else "may have half of it"
        raise CourseError(
            f"Out of memory in the update of step {steps + 1}, and the model {kept}: take a smaller one, or an "
            f"optimizer that keeps less, such as torch.optim.SGD."
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, the computer's or a GPU's, does not suffice."""
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or should_reduce_batch_size(error)

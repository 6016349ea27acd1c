"""What a function says when it is used wrongly."""

import pytest

from lmtutor.runtime import CourseError


def complaint(function, *arguments, **named) -> str:
    """The sentence of the CourseError that the function raises; it is one line."""
    with pytest.raises(CourseError) as error:
        function(*arguments, **named)
    assert "\n" not in str(error.value)
    return str(error.value)

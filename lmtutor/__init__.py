"""lmtutor: what the notebooks of the course share.

`import lmtutor as lm` costs what importing torch costs; everything heavier is imported on first use.
"""

from importlib import import_module

from lmtutor.runtime import CourseError, setup

# Name -> where it lives. Resolved on first use, so that a notebook pays only for what it uses.
_FUNCTIONS = {
    "load": "lmtutor.data",
    "check": "lmtutor.exercises",
    "hint": "lmtutor.exercises",
    "progress": "lmtutor.exercises",
}
_MODULES = (
    "text",
    "batches",
    "results",
    "models",
    "data",
    "pretrained",
    "tagging",
    "answering",
    "summaries",
    "training",
    "decoding",
    "metrics",
    "pretraining",
    "extraction",
    "plots",
    "doctor",
    "finetuning",
    "widgets",
    "exercises",
)

__all__ = ["CourseError", "setup", *_FUNCTIONS, *_MODULES]


def __getattr__(name: str):
    if name in _FUNCTIONS:
        return getattr(import_module(_FUNCTIONS[name]), name)
    if name in _MODULES:
        return import_module(f"lmtutor.{name}")
    raise AttributeError(f"module 'lmtutor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

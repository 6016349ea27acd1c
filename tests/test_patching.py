"""Patching and induction: hooks leave no trace, all patched is the clean run, planted heads are found."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lmtutor.models import llama, positions
from lmtutor.runtime import CourseError
from lmtutor.trust import induction, patching


def close(ours, theirs, within):
    """The two agree; in float64."""
    ours, theirs = (torch.as_tensor(np.asarray(x.detach() if hasattr(x, "detach") else x), dtype=torch.float64)
                    for x in (ours, theirs))  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=0, atol=within)


SIZES = {"hidden_size": 16, "num_heads": 4, "num_kv_heads": 2, "num_layers": 3, "inner_size": 24}


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = llama.Llama(30, **SIZES).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made.eval()


def ids(seed, batch=1, time=7):
    return torch.randint(30, (batch, time), generator=torch.Generator().manual_seed(seed))


LAYERS = [f"layers.{number}" for number in range(3)]


# --- recording and putting in -----------------------------------------------------------------------------------------


@pytest.mark.proof("16", "every place of one layer patched", "the clean run", "a random Llama, each layer")
@pytest.mark.parametrize("site", ["embedding", *LAYERS, "norm", "layers.2:input"])
def test_patching_every_place_restores_the_clean_logits(model, site):
    clean, found = patching.record(model, [site], ids(1))
    with patching.changed(model, {site: patching.put(found[site])}), torch.no_grad():
        patched = model(ids(2))
    close(patched, clean, within=1e-12)
    assert not torch.equal(model(ids(2)), clean)


def test_afterwards_all_is_as_before(model):
    before = model(ids(1))
    with pytest.raises(ZeroDivisionError), patching.changed(model, dict.fromkeys(LAYERS, lambda x: 0 * x)):
        assert not torch.equal(model(ids(1)), before)
        raise ZeroDivisionError
    assert torch.equal(model(ids(1)), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_recording_changes_nothing_and_gives_what_transformers_calls_hidden_states(model):
    out, found = patching.record(model, [*LAYERS, "layers.0:input"], ids(1))
    assert torch.equal(out, model(ids(1)))
    assert torch.equal(found["layers.0:input"], model.embedding(ids(1)))
    close(model.head(model.norm(found["layers.2"])), out, within=1e-12)  # the last row of the logit lens


@pytest.mark.proof("16", "a map of patches", "one run for each site and place", "a random Llama")
def test_a_map_is_one_run_for_each_site_and_place(model):
    score = lambda logits: logits[:, -1, 3] - logits[:, -1, 5]  # noqa: E731
    _, source = patching.record(model, LAYERS, ids(1))
    found = patching.patch_map(model, LAYERS, source, ids(2), score)
    assert found.shape == (3, 7)
    for row, site in enumerate(LAYERS):
        for place in range(7):
            with patching.changed(model, {site: patching.put(source[site], [place])}), torch.no_grad():
                assert found[row, place] == pytest.approx(score(model(ids(2))).item(), abs=1e-10)


def test_before_the_texts_differ_a_patch_changes_nothing(model):
    first, second = ids(1), ids(1).clone()
    second[0, 3:] = ids(2)[0, 3:]
    _, source = patching.record(model, LAYERS, first)
    score = lambda logits: logits[:, -1, 3]  # noqa: E731
    found = patching.patch_map(model, LAYERS, source, second, score)
    close(found[:, :3], score(model(second)).expand(3, 3), within=1e-12)
    close(found[2, -1], score(model(first))[0], within=1e-12)  # the last layer's last place decides alone


def test_a_change_may_leave_what_it_sees_and_handles_tuples():
    lstm = torch.nn.LSTM(3, 4, batch_first=True)
    x = torch.randn(1, 2, 3)
    model = torch.nn.Sequential(lstm)
    with patching.changed(model, {"0": lambda hidden: 0 * hidden}):
        out, state = model(x)
    assert not out.any() and state[0].any()
    with patching.changed(model, {"0": lambda hidden: None}):
        assert torch.equal(model(x)[0], lstm(x)[0])


@pytest.mark.parametrize(
    "work, said",
    [
        (lambda m: patching.record(m, ["layers.7"], ids(1)), "'layers.7'"),
        (lambda m: patching.record(m, ["layer.1"], ids(1)), "did you mean"),
        (lambda m: patching.record(m, "layers.1", ids(1)), "list"),
        (lambda m: patching.patch_map(m, LAYERS, {}, ids(1), torch.sum), "recorded site"),
        (
            lambda m: patching.patch_map(m, LAYERS[:1], {"layers.0": torch.zeros(1, 5, 16)}, ids(1), torch.sum),
            "equally many tokens",
        ),
        (lambda m: patching.put(torch.zeros(1, 5, 16))(torch.zeros(1, 7, 16)), "equally many tokens"),
    ],
)
def test_bad_input_gets_one_clear_sentence(model, work, said):
    with pytest.raises(CourseError, match=said):
        work(model)


# --- induction --------------------------------------------------------------------------------------------------------


@pytest.mark.proof("16", "weights of a fast attention, times the values", "what the attention gives", "a random Llama")
def test_the_weights_are_those_of_the_fast_attention(model):
    weights = induction.attention_weights(model, ids(1, batch=2))
    assert weights.shape == (3, 2, 4, 7, 7)
    attention, x = model.layers[0].attention, model.layers[0].attention_norm(model.embedding(ids(1, batch=2)))
    value = attention.value(x).unflatten(-1, (-1, attention.size)).transpose(1, 2).repeat_interleave(2, 1)
    context = attention.output((weights[0] @ value).transpose(1, 2).flatten(2))
    rotation = tuple(part.double() for part in positions.rotation(0, 7, attention.size))
    close(context, attention(x, rotation), within=1e-12)
    assert not model.layers[0].attention._forward_pre_hooks


def test_a_planted_head_is_found():
    weights = torch.full((2, 1, 3, 12, 12), 0.01)
    weights[1, 0, 2, range(4, 12), range(1, 9)] = 0.9  # period 4: looks 3 back
    weights[0, 0, 1, range(1, 12), range(11)] = 0.8
    found = induction.prefix_matching(weights, 4)
    assert found.argmax() == 5 and found[1, 2] == pytest.approx(0.9)
    assert induction.previous_token(weights)[0, 1] == pytest.approx(0.8)


def test_sequences_repeat_with_their_period():
    found, period = induction.repeating(50, 20, [4, 7], range(3, 13), seed=1)
    assert set(period.tolist()) == {4, 7} and found.min() >= 3 and found.max() <= 12
    for row, p in zip(found, period, strict=True):
        assert len(set(row[:p].tolist())) == p and torch.equal(row[p:], row[:-p])


def test_losses_are_split_where_the_repetition_begins():
    sequences, period = induction.repeating(6, 12, [4], range(9))
    sure = 50.0 * F.one_hot(sequences.roll(-1, 1), 9).float()
    sure[:, :4] = 0.0  # what predicts tokens 1 to 4 knows nothing
    new, repeated = induction.loss_by_part(sure, sequences, period)
    assert new.item() == pytest.approx(torch.tensor(9.0).log().item()) and repeated.item() < 1e-6


def test_ablated_heads_tell_nothing_apart_and_others_stay(model):
    changes = induction.without_heads([(0, 1), (0, 3), (2, 0)], 4)
    assert list(changes) == ["layers.0.attention.output:input", "layers.2.attention.output:input"]
    x = torch.randn(2, 5, 16)
    out = changes["layers.0.attention.output:input"](x).unflatten(-1, (4, 4))
    assert torch.equal(out[:, :, [0, 2]], x.unflatten(-1, (4, 4))[:, :, [0, 2]])
    assert torch.equal(out[:, :, 1], out[:1, :1, 1].expand(2, 5, 4))
    with patching.changed(model, changes), torch.no_grad():
        assert not torch.equal(model(ids(1)), model.head(model.norm(model.embedding(ids(1)))))


def test_no_later_token_is_seen():
    torch.manual_seed(0)
    small = induction.AttentionOnly(20, hidden_size=16, num_heads=2)
    first = ids(1) % 20
    second = first.clone()
    second[0, 4:] = (second[0, 4:] + 1) % 20
    assert torch.allclose(small(first)[:, :4], small(second)[:, :4])


@pytest.mark.parametrize(
    "work, said",
    [
        (lambda: induction.repeating(1, 6, [9], range(20)), "Periods must lie between 1 and 6"),
        (lambda: induction.repeating(1, 60, [9], range(5)), "Periods must lie between 1 and 5"),
        (lambda: induction.repeating(1, 6, [], range(5)), "Periods must lie"),
        (lambda: induction.prefix_matching(torch.zeros(1, 1, 1, 8, 8), 8), "between 1 and 7, not at 8"),
    ],
)
def test_bad_sequences_get_one_clear_sentence(work, said):
    with pytest.raises(CourseError, match=said):
        work()

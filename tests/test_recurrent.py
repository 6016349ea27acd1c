"""Networks that read in time: equal to PyTorch's, causal, and honest about carried states."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from notebook_code import definitions
from torch import nn

import lmtutor as lm
from lmtutor import batches, metrics, text, training
from lmtutor.exercises import recurrent as exercises
from lmtutor.models import recurrent
from lmtutor.runtime import CourseError

SENTENCES = [
    line.split()
    for line in ("the lamp is lit", "a b", "the lamp is a b lit out", "x", "the lamp is lit the lamp is lit")
]
VOCABULARY = text.Vocabulary(SENTENCES)
CELLS = ["window", "rnn", "gru", "lstm"]


def make(cell: str, seed: int = 0, layers: int = 1, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(seed)
    sizes = {"embedding_size": 6, "hidden_size": 9, "dropout": dropout}
    if cell == "window":
        return recurrent.WindowLanguageModel(len(VOCABULARY), window=4, **sizes)
    return recurrent.RecurrentLanguageModel(len(VOCABULARY), cell=cell, num_layers=layers, **sizes)


def fit(model, blocks, **options):
    given = {"loss": recurrent.carried_loss(), "batch_size": 1, "shuffle": False, "collate": lambda b: b[0]}
    return training.fit(model, blocks, progress=False, **(given | options))


# --- what chapter 03 builds -------------------------------------------------------------------------------------------


@pytest.mark.proof("03", "RNN, LSTM, GRU", "nn.RNN, nn.LSTM, nn.GRU", "random inputs, same weights")
@pytest.mark.parametrize("seed", range(3))
def test_the_chapter_s_cells_are_those_of_torch(seed):
    built = definitions("03", "run_rnn", "run_lstm", "run_gru")
    torch.manual_seed(seed)
    batch, time, inputs, hidden = torch.randint(1, 9, (4,)).tolist()
    x = torch.randn(batch, time, inputs).double()
    for kind, run in ((nn.RNN, built.run_rnn), (nn.LSTM, built.run_lstm), (nn.GRU, built.run_gru)):
        theirs = kind(inputs, hidden, batch_first=True).double()
        ours = run(x, list(theirs.parameters()))
        output, state = theirs(x)
        if kind is nn.LSTM:
            ours, cell = ours
            torch.testing.assert_close(cell, state[1][0], rtol=0, atol=1e-12)
        torch.testing.assert_close(ours, output, rtol=0, atol=1e-12)


@pytest.mark.proof("03", "back-propagation through time by hand", "autograd", "random inputs")
@pytest.mark.parametrize("seed", range(3))
def test_back_propagation_through_time_by_hand_is_autograd(seed):
    backward_rnn = definitions("03", "backward_rnn").backward_rnn
    torch.manual_seed(seed)
    net = nn.RNN(4, 6, batch_first=True).double()
    x = torch.randn(3, 12, 4).double()
    states, _ = net(x)
    (states.sin() * torch.arange(12).view(1, 12, 1)).sum().backward()  # any loss
    slope = states.detach().cos() * torch.arange(12).view(1, 12, 1)
    by_hand = backward_rnn(x, states.detach(), slope, net.weight_hh_l0.detach())
    for ours, theirs in zip(by_hand, (net.weight_ih_l0.grad, net.weight_hh_l0.grad, net.bias_hh_l0.grad), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.proof("03", "scalar automatic differentiation", "autograd", "random expressions")
@pytest.mark.parametrize("seed", range(5))
def test_the_chapter_s_scalars_find_the_slopes_of_autograd(seed):
    Value = definitions("03", "Value").Value
    draw = np.random.default_rng(seed)
    numbers = draw.normal(size=4)
    ours, theirs = [Value(x) for x in numbers], [torch.tensor(x, requires_grad=True) for x in numbers]
    left, right = list(ours), list(theirs)
    for _ in range(12):  # numbers are used again and again, so their slopes must add up
        i, j, what = draw.integers(len(left)), draw.integers(len(left)), draw.integers(3)
        for values in (left, right):
            a, b = values[i], values[j]
            values.append(a + b if what == 0 else a * b if what == 1 else a.tanh())
    total, expected = left[0], right[0]
    for a, b in zip(left[1:], right[1:], strict=True):
        total, expected = total + a.tanh(), expected + b.tanh()
    total.backward()
    expected.backward()
    slopes = [0.0 if t.grad is None else t.grad.item() for t in theirs]
    np.testing.assert_allclose([v.grad for v in ours], slopes, rtol=1e-9, atol=1e-9)


@pytest.mark.proof("03", "gradients of two layers by hand", "autograd", "random inputs")
@given(st.lists(st.integers(1, 6), min_size=4, max_size=4), st.integers(0, 99))
def test_two_layers_by_hand_are_autograd(sizes, seed):
    batch, inputs, hidden, classes = sizes
    torch.manual_seed(seed)
    x, y = torch.randn(batch, inputs).double(), torch.randint(classes, (batch,))
    shapes = [(inputs, hidden), (hidden,), (hidden, classes), (classes,)]
    parameters = [torch.randn(shape).double().requires_grad_() for shape in shapes]
    W1, b1, W2, b2 = parameters
    nn.functional.cross_entropy(torch.tanh(x @ W1 + b1) @ W2 + b2, y).backward()
    by_hand = exercises.two_layer(x, y, *(p.detach() for p in parameters))
    for ours, parameter in zip(by_hand, parameters, strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=0, atol=1e-12)


@pytest.mark.proof("03", "gradients of the window network by hand", "autograd", "random ids")
@pytest.mark.parametrize("seed", range(3))
def test_the_window_network_by_hand_is_autograd(seed):
    built = definitions("03", "window_gradients", "logits_of")
    torch.manual_seed(seed)
    shapes = [(9, 3), (4 * 3, 5), (5,), (5, 9), (9,)]
    parameters = [torch.randn(shape).double().requires_grad_() for shape in shapes]
    X, Y = torch.randint(9, (7, 4)), torch.randint(9, (7,))
    nn.functional.cross_entropy(built.logits_of(parameters, X), Y).backward()
    by_hand = built.window_gradients([p.detach() for p in parameters], X, Y)
    for ours, parameter in zip(by_hand, parameters, strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=0, atol=1e-12)


@pytest.mark.proof("03", "AdamW", "torch.optim.AdamW", "random gradients, several betas and decays")
@pytest.mark.parametrize(("betas", "decay"), [((0.9, 0.999), 0.01), ((0.5, 0.9), 0.3), ((0.0, 0.99), 0.0)])
def test_adamw_is_that_of_torch(betas, decay):
    torch.manual_seed(0)
    target = torch.randn(4, 3).double()
    run_adamw = definitions("03", "run_adamw").run_adamw
    start = torch.randn(4, 3).double()
    ours = run_adamw(start, lambda w: 4 * (w - target) ** 3, 50, 0.05, betas=betas, decay=decay)
    theirs = start.clone().requires_grad_()
    optimizer = torch.optim.AdamW([theirs], lr=0.05, betas=betas, weight_decay=decay)
    w, m, v = start, torch.zeros_like(start), torch.zeros_like(start)
    for t in range(1, 51):
        optimizer.zero_grad()
        ((theirs - target) ** 4).sum().backward()
        optimizer.step()
        w, m, v = exercises.adamw_step(w, 4 * (w - target) ** 3, m, v, t, 0.05, betas=betas, decay=decay)
    torch.testing.assert_close(ours, theirs.detach(), rtol=0, atol=1e-10)
    torch.testing.assert_close(w, theirs.detach(), rtol=0, atol=1e-10)


@pytest.mark.proof("03", "loss of the next token, padding left out", "a loop over the tokens", "random logits")
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_of_the_next_token_counts_each_token_once(seed):
    torch.manual_seed(seed)
    lengths, pad = torch.randint(2, 7, (3,)).tolist(), 4
    ids = torch.full((3, max(lengths)), pad)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.randint(4, (length,))
    logits = torch.randn(3, max(lengths), 5).double()
    pairs = [(b, t) for b, length in enumerate(lengths) for t in range(1, length)]
    expected = -torch.stack([logits[b, t - 1].log_softmax(-1)[ids[b, t]] for b, t in pairs]).mean()
    torch.testing.assert_close(exercises.next_token_loss(logits, ids, pad), expected, rtol=0, atol=1e-12)


@pytest.mark.proof("03", "the training loop in the open", "training.fit", "a small window model, 20 steps")
def test_the_loop_in_the_open_is_that_of_fit():
    built = definitions("03", "train_in_the_open", "one_cycle", "rows_loss")
    rows = torch.randint(len(VOCABULARY), (20 * 4, 9), generator=torch.Generator().manual_seed(0))
    ours = built.train_in_the_open(make("window"), rows, 20, rate=1e-2, batch_size=4)
    theirs = []
    training.fit(
        make("window"),
        rows,
        loss=built.rows_loss,
        steps=20,
        batch_size=4,
        shuffle=False,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-2),
        scheduler=built.one_cycle,
        on_step=lambda step, loss: theirs.append(float(loss)),
        progress=False,
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


@pytest.mark.proof("03", "loss with a carried state, in the chapter", "recurrent.carried_loss", "an LSTM, blocks")
def test_the_chapter_s_carried_loss_is_that_of_the_package():
    theirs = recurrent.carried_loss()
    ours = definitions("03", "CarriedLoss").CarriedLoss()
    model = make("lstm").double().eval()
    for block in batches.streams(text.stream(SENTENCES * 4, VOCABULARY), 2, 5):
        (a, n), (b, m) = ours(model, block), theirs(model, block)
        assert n == m
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.proof("03", "gradient of softmax and cross-entropy", "autograd", "any logits")
@given(st.lists(st.floats(-20, 20), min_size=1, max_size=8), st.data())
def test_the_gradient_of_softmax_and_cross_entropy_is_that_of_autograd(z, data):
    y = data.draw(st.integers(0, len(z) - 1))
    logits = torch.tensor(z, dtype=torch.float64, requires_grad=True)
    nn.functional.cross_entropy(logits, torch.tensor(y)).backward()
    assert np.allclose(exercises.softmax_gradient(z, y), logits.grad.numpy(), atol=1e-9)


@pytest.mark.proof("03", "gradient of softmax and cross-entropy", "finite differences", "random logits")
def test_the_gradient_of_softmax_and_cross_entropy_is_that_of_finite_differences():
    z, y, step = np.random.default_rng(0).normal(size=6), 2, 1e-5

    def loss(z):
        return np.log(np.exp(z).sum()) - z[y]

    moved = [(loss(z + step * e) - loss(z - step * e)) / (2 * step) for e in np.eye(6)]
    assert np.allclose(exercises.softmax_gradient(z.tolist(), y), moved, atol=1e-8)


@pytest.mark.proof("03", "clipping the gradient", "torch clip_grad_norm_ (adds 1e-6 to the norm)", "any gradients")
@given(st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=1, max_size=4), st.floats(0.1, 20))
def test_clipping_is_that_of_torch(arrays, limit):
    parameters = [nn.Parameter(torch.zeros(3, dtype=torch.float64)) for _ in arrays]
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.grad = torch.tensor(array, dtype=torch.float64)
    nn.utils.clip_grad_norm_(parameters, limit)
    ours = exercises.clip([np.array(a) for a in arrays], limit)
    for mine, parameter in zip(ours, parameters, strict=True):
        assert np.allclose(mine, parameter.grad.numpy(), atol=1e-5 * limit)  # torch adds 1e-6 to the norm


@pytest.mark.proof("03", "number of an LSTM's parameters, by formula", "nn.LSTM, counted", "three sizes", exact=True)
@pytest.mark.parametrize(("inputs", "hidden"), [(1, 1), (3, 5), (64, 256)])
def test_the_number_of_an_lstm_s_parameters(inputs, hidden):
    counted = sum(p.numel() for p in nn.LSTM(inputs, hidden).parameters())
    assert exercises.lstm_parameters(inputs, hidden) == counted


# --- the models -------------------------------------------------------------------------------------------------------


@pytest.mark.proof("03", "logits, a later token changed", "the logits before", "random ids, all networks", exact=True)
@pytest.mark.parametrize("cell", CELLS)
def test_a_later_token_changes_no_earlier_logit(cell):
    model = make(cell).eval()
    ids = torch.randint(len(VOCABULARY), (2, 10))
    changed = ids.clone()
    changed[:, 6] = (changed[:, 6] + 1) % len(VOCABULARY)
    before, after = model(ids)[0], model(changed)[0]
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6], after[:, 6])


@pytest.mark.proof("03", "reading in blocks, the state carried on", "reading at once", "random ids, all networks")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("cuts", [(4, 8), (1, 2), (11,)])
def test_reading_in_blocks_with_a_carried_state_is_reading_at_once(cell, cuts):
    model = make(cell, layers=2 if cell != "window" else 1).double().eval()
    ids = torch.randint(len(VOCABULARY), (3, 12))
    state, parts = None, []
    for part in torch.tensor_split(ids, cuts, dim=1):
        logits, state = model(part, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids)[0], rtol=0, atol=1e-12)


def test_the_window_sees_its_tokens_and_no_more():
    model = make("window").eval()
    ids = torch.randint(len(VOCABULARY), (1, 9))
    for back in range(6):
        changed = ids.clone()
        changed[0, 8 - back] = (changed[0, 8 - back] + 1) % len(VOCABULARY)
        same = torch.equal(model(ids)[0][0, 8], model(changed)[0][0, 8])
        assert same == (back >= model.window)


@pytest.mark.parametrize("cell", CELLS)
def test_input_and_output_share_one_matrix(cell):
    model = make(cell)
    assert model.output.weight is model.embedding.weight


def test_an_unknown_cell_is_told():
    with pytest.raises(CourseError, match="gru"):
        recurrent.RecurrentLanguageModel(5, cell="gur", embedding_size=3, hidden_size=3)


@pytest.mark.parametrize("cell", CELLS)
def test_probabilities_sum_to_one_and_agree_in_every_way_of_asking(cell):
    model = make(cell).double()
    read = recurrent.next_distribution(model, VOCABULARY)
    one_by_one, in_one_go = [], recurrent.probabilities(model, SENTENCES, VOCABULARY, carry=False)
    for sentence in SENTENCES:
        for i, word in enumerate([*sentence, "</s>"]):
            p = read(["<s>", *sentence[:i]])
            assert math.isclose(p.sum(), 1, abs_tol=1e-9) and (p > 0).all()
            one_by_one.append(p[VOCABULARY.ids[word]])
    metrics.agree(one_by_one, in_one_go, within=1e-12)
    whole = ["<s>", *(word for s in SENTENCES for word in [*s, "</s>"])]
    carried = [read(whole[:i])[VOCABULARY.ids[whole[i]]] for i in range(1, len(whole))]
    metrics.agree(carried, recurrent.probabilities(model, SENTENCES, VOCABULARY), within=1e-12)


def test_probabilities_count_the_tokens_that_n_grams_count():
    from lmtutor.models.ngram import KneserNey, NgramCounts

    theirs = KneserNey(NgramCounts(SENTENCES, 2, VOCABULARY)).probabilities(SENTENCES)
    assert len(recurrent.probabilities(make("lstm"), SENTENCES, VOCABULARY)) == len(theirs)


def test_probabilities_of_a_text_longer_than_a_block_and_of_an_empty_sentence():
    model = make("gru").double()
    long = [["the", "lamp"] * 700, []]
    p = recurrent.probabilities(model, long, VOCABULARY)
    assert p.shape == (1402,) and ((p > 0) & (p < 1)).all()
    ids = torch.tensor([text.stream(long, VOCABULARY)])
    logits = model.eval()(ids[:, :-1])[0].log_softmax(-1).gather(2, ids[:, 1:, None])[0, :, 0]
    metrics.agree(p, logits.exp(), within=1e-12)


def test_asking_leaves_the_model_in_training_mode():
    model = make("lstm", dropout=0.5).train()
    recurrent.probabilities(model, SENTENCES, VOCABULARY)
    recurrent.next_distribution(model, VOCABULARY)(["<s>", "the"])
    assert model.training


def test_a_history_that_goes_another_way_starts_anew():
    model = make("lstm").double()
    read, fresh = (recurrent.next_distribution(model, VOCABULARY) for _ in range(2))
    for history in (["<s>", "the"], ["<s>", "the", "lamp"], ["<s>", "a"], ["<s>", "a", "b", "x"], ["<s>"], []):
        expected = recurrent.next_distribution(model, VOCABULARY)(history)
        assert np.allclose(read(history), expected, atol=1e-12)
    assert np.allclose(fresh([]), fresh(["<s>"]))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("how", ["step", "load", "data", "one number", "other tensor", "dtype"])
def test_what_the_model_has_learned_since_counts(cell, how):
    """The state of the last history belongs to the weights that made it."""
    model, other = make(cell), make(cell, seed=1)
    read = recurrent.next_distribution(model, VOCABULARY)
    read(["<s>", "the", "lamp"])
    if how == "step":
        model(torch.tensor([[1, 2]]))[0].square().sum().backward()
        torch.optim.AdamW(model.parameters(), lr=0.1).step()
    elif how == "load":
        model.load_state_dict(other.state_dict())
    elif how == "data":
        model.embedding.weight.data += 1  # which no counter of versions sees
    elif how == "one number":
        model.output.bias.data[2] += 1
    elif how == "other tensor":
        model.embedding.weight = model.output.weight = nn.Parameter(other.embedding.weight.detach().clone())
    else:
        model.double()
    for history in (["<s>", "the", "lamp"], ["<s>", "the", "lamp", "is"]):
        expected = recurrent.next_distribution(model, VOCABULARY)(history)
        assert np.allclose(read(history), expected, atol=1e-7, rtol=0)


def test_a_model_that_has_diverged_says_nothing_and_says_so():
    model = make("lstm")
    with torch.no_grad():
        model.output.bias[0] = math.nan
    with pytest.raises(CourseError, match="logits are not finite"):
        recurrent.probabilities(model, SENTENCES, VOCABULARY)
    with pytest.raises(CourseError, match="logits are not finite"):
        recurrent.next_distribution(model, VOCABULARY)(["<s>"])


# --- training with a carried state ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
def test_training_makes_the_text_more_probable(cell):
    model = make(cell)
    blocks = batches.streams(text.stream(SENTENCES * 10, VOCABULARY), 4, 8)
    before = metrics.perplexity(recurrent.probabilities(model, SENTENCES, VOCABULARY))
    fit(model, blocks, epochs=20, optimizer=lambda p: torch.optim.AdamW(p, lr=1e-2))
    assert metrics.perplexity(recurrent.probabilities(model, SENTENCES, VOCABULARY)) < before / 2


def test_the_loss_carries_the_state_over_blocks_and_not_over_epochs():
    model = make("gru").double().eval()
    blocks = batches.streams(text.stream(SENTENCES * 4, VOCABULARY), 2, 5)
    loss = recurrent.carried_loss()
    first = [loss(model, block)[0].item() for block in blocks]
    again = [loss(model, block)[0].item() for block in blocks]
    assert first == again
    alone = [recurrent.carried_loss()(model, block)[0].item() for block in blocks]
    assert alone[0] == first[0] and all(a != f for a, f in zip(alone[1:], first[1:], strict=True))


def test_validation_in_between_does_not_disturb_the_state_of_training():
    blocks = batches.streams(text.stream(SENTENCES * 4, VOCABULARY), 2, 5)
    weights = []
    for validation in (None, blocks[:2]):
        model = make("lstm")
        fit(model, blocks, epochs=3, validation=validation, log_every=1, seed=0)
        weights.append({name: value.clone() for name, value in model.state_dict().items()})
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_no_gradient_flows_into_the_block_before():
    model = make("rnn").double()
    blocks = batches.streams(text.stream(SENTENCES * 4, VOCABULARY), 2, 5)
    loss = recurrent.carried_loss()
    loss(model, blocks[0])
    loss(model, blocks[1])[0].backward()  # would raise if it needed the first block's computation twice
    state = recurrent.detach((torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)))
    assert not any(part.requires_grad for part in state)


def test_a_loss_that_becomes_nan_is_told_with_its_step_and_the_last_good_weights_stay(capsys):
    model, good, calls = make("lstm"), {}, []
    blocks = batches.streams(text.stream(SENTENCES * 10, VOCABULARY), 4, 8)
    usual = recurrent.carried_loss()

    def loss(model, block):
        mean, tokens = usual(model, block)
        calls.append(1)
        return (mean * float("nan") if len(calls) == 5 else mean), tokens

    def remember(step, _):
        good.update({name: value.clone() for name, value in model.state_dict().items()}, step=step)

    history = fit(model, blocks, epochs=3, loss=loss, on_step=remember)
    assert "Stopped at step 5: the loss became nan" in capsys.readouterr().out
    assert history.attrs["stopped"] == "diverged" and good.pop("step") == 4
    for name, value in model.state_dict().items():
        assert torch.equal(value, good[name])


def test_a_sentence_of_ten_thousand_tokens_and_one_of_none():
    long = [["lamp"] * 10_000, []]
    blocks = batches.streams(text.stream(long, VOCABULARY), 2, 500)
    model = make("rnn")
    history = fit(model, blocks, epochs=1)
    assert history["tokens"].iloc[-1] == 10_002 and math.isfinite(history["train_loss"].iloc[-1])
    assert len(recurrent.probabilities(model, long, VOCABULARY, carry=False)) == 10_002


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    block = batches.streams(text.stream(SENTENCES, VOCABULARY), 1, 5)[0]
    with pytest.raises(CourseError, match="one process"):
        recurrent.carried_loss()(make("rnn"), block)


@pytest.mark.slow
def test_a_short_run_on_real_text(realdata, monkeypatch):
    monkeypatch.setenv("LMTUTOR_SOURCE", "local")
    monkeypatch.setenv("LMTUTOR_DATA_DIR", str(realdata))
    cfg = lm.setup("03", quiet=True)
    corpus = lm.load(cfg.corpus)
    train, test = (text.sentences(corpus[s]["text"][:2000], cfg.tokens) for s in ("train", "test"))
    vocabulary = text.Vocabulary(train, 5)
    torch.manual_seed(0)
    model = recurrent.RecurrentLanguageModel(len(vocabulary), cell="lstm", embedding_size=32, hidden_size=64)
    blocks = batches.streams(text.stream(train, vocabulary), cfg.streams, cfg.block)[:150]
    fit(model, blocks, epochs=1, optimizer=lambda p: torch.optim.AdamW(p, lr=1e-2))
    perplexity = metrics.perplexity(recurrent.probabilities(model, test[:200], vocabulary))
    assert perplexity < 0.15 * len(vocabulary)

"""training.fit, on a model so small that a run takes a fraction of a second."""

import json
import math
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import nbformat
import numpy
import pandas
import pytest
import torch
from nbclient import NotebookClient
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from lmtutor import runtime, training
from lmtutor.data.text import Vocabulary
from lmtutor.models.gpt import GPT, initialise, next_token_loss
from lmtutor.runtime import CourseError
from lmtutor.training import checkpoint, loop

VOCABULARY, PADDING = 11, 0
NUMBERS = ["step", "epoch", "train_loss", "validation_loss", "tokens", "learning_rate"]  # columns that are no times


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Sums come out bit for bit the same only on a CPU."""
    monkeypatch.setenv("LMTUTOR_DEVICE", "cpu")
    monkeypatch.setattr(runtime, "_current", None)


class TinyLM(nn.Module):
    """Predicts each token from the one before."""

    def __init__(self, dropout=0.0, size=8, vocabulary=VOCABULARY):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(size, vocabulary)

    def forward(self, tokens):
        return self.output(self.dropout(self.embedding(tokens)))


def tiny_lm(**arguments):
    torch.manual_seed(0)
    return TinyLM(**arguments)


def sentences(count, seed=1):
    """Token lists of very unequal length, so that a mean of means is not the mean."""
    generator = random.Random(seed)
    return [[generator.randrange(1, VOCABULARY) for _ in range(generator.randint(2, 12))] for _ in range(count)]


def pad(examples):
    return nn.utils.rnn.pad_sequence([torch.tensor(example) for example in examples], batch_first=True)


def token_loss(model, batch):
    labels = batch[:, 1:]
    logits = model(batch[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=PADDING), (labels != PADDING).sum()


SGD = partial(torch.optim.SGD, lr=0.5)
TRAIN, VALIDATION = sentences(20), sentences(9, seed=2)
fit = partial(training.fit, train=TRAIN, loss=token_loss, collate=pad, batch_size=4, progress=False)


def assert_same_weights(one, other, **tolerance):
    for (name, value), expected in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(value, expected, **tolerance, msg=lambda message, name=name: f"{name}: {message}")


def assert_same_history(one, other):
    columns = [name for name in NUMBERS if name in one]
    assert one[columns].to_dict() == other[columns].to_dict()


def exactly():
    return {"rtol": 0, "atol": 0}


def stop_at(step):
    def on_step(done, loss):
        if done == step:
            raise KeyboardInterrupt

    return on_step


# What a run does and tells


def test_learns_and_returns_a_history_with_a_row_an_epoch():
    model = tiny_lm()
    history = fit(model, epochs=4, validation=VALIDATION)
    assert list(history.columns) == [
        "step", "epoch", "train_loss", "validation_loss", "tokens", "tokens_per_second", "seconds", "learning_rate",
    ]  # fmt: skip
    assert history.step.tolist() == [5, 10, 15, 20]
    assert history.epoch.tolist() == [1, 2, 3, 4]
    tokens_per_epoch = sum(len(sentence) - 1 for sentence in TRAIN)
    assert history.tokens.tolist() == [tokens_per_epoch * epoch for epoch in (1, 2, 3, 4)]
    assert history.train_loss.is_monotonic_decreasing
    assert history.seconds.is_monotonic_increasing
    assert (history.tokens_per_second > 0).all()
    assert history.attrs["stopped"] == "finished"
    with torch.no_grad():
        expected, _ = token_loss(model.eval(), pad(VALIDATION))
    assert history.validation_loss.iloc[-1] == pytest.approx(expected.item(), rel=1e-6)


def test_steps_that_end_within_an_epoch_and_rows_of_their_own_length():
    history = fit(tiny_lm(), steps=7, log_every=3)
    assert history.step.tolist() == [3, 6, 7]
    assert history.epoch.iloc[-1] == 7 / 5
    assert "validation_loss" not in history


@pytest.mark.proof("10", "training.fit: weights after training", "a loop in plain PyTorch", "the same batches")
def test_equals_a_loop_in_plain_pytorch():
    model, plain = tiny_lm(), tiny_lm()
    seen = []
    fit(model, epochs=2, collate=lambda examples: seen.append(examples) or pad(examples), clip_norm=0.1)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-3)
    for examples in seen:
        optimizer.zero_grad()
        token_loss(plain, pad(examples))[0].backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.1)
        optimizer.step()
    assert_same_weights(model, plain, **exactly())


def test_each_epoch_sees_every_example_once_in_an_order_of_its_own():
    def order(seed, **arguments):
        seen = []

        def collate(examples):
            seen.extend(map(tuple, examples))
            return pad(examples)

        fit(tiny_lm(), epochs=2, seed=seed, collate=collate, **arguments)
        return seen[: len(TRAIN)], seen[len(TRAIN) :]

    everything = [tuple(sentence) for sentence in TRAIN]
    first, second = order(0)
    assert sorted(first) == sorted(second) == sorted(everything)
    assert first != second
    assert order(0) == (first, second)
    assert order(1)[0] != first
    assert order(0, batch_size=2, accumulate=3)[0] == first  # neither batch size nor accumulation change it
    assert order(0, shuffle=False) == (everything, everything)


@pytest.mark.proof("12", "batches whose gradients are added up", "one large batch", "texts of unequal length")
@pytest.mark.parametrize("clip_norm", [None, 0.05])
def test_accumulation_gives_the_numbers_of_the_large_batch(clip_norm):
    large, accumulated = tiny_lm(), tiny_lm()
    arguments = {"epochs": 3, "optimizer": SGD, "clip_norm": clip_norm}
    one = fit(large, batch_size=8, **arguments)
    other = fit(accumulated, batch_size=4, accumulate=2, **arguments)
    assert_same_weights(large, accumulated, rtol=1e-5, atol=1e-6)
    assert one.train_loss.tolist() == pytest.approx(other.train_loss.tolist(), rel=1e-6)


def test_dropout_depends_on_the_seed_and_leaves_the_callers_random_numbers_alone():
    def final(seed):
        model = tiny_lm(dropout=0.5)
        fit(model, steps=5, seed=seed, shuffle=False)
        return model.output.weight.sum().item()

    def draw():
        return torch.rand(1).item(), random.random(), numpy.random.rand()

    runtime.seed_everything(3)
    expected = draw()
    model = tiny_lm(dropout=0.5)
    runtime.seed_everything(3)
    fit(model, steps=3)
    assert draw() == expected
    assert final(0) == final(0)
    assert final(0) != final(1)


def test_modes_are_train_for_steps_eval_for_validation_and_afterwards_as_before():
    model = tiny_lm()
    model.train()
    model.output.eval()
    modes = set()

    def loss(model, batch):
        modes.add((model.training, torch.is_grad_enabled()))
        return token_loss(model, batch)

    fit(model, steps=2, loss=loss, validation=VALIDATION, log_every=1)
    assert modes == {(True, True), (False, False)}
    assert (model.training, model.embedding.training, model.output.training) == (True, True, False)


def test_schedule_advances_once_an_update_and_knows_the_length_of_the_run():
    schedule = partial(torch.optim.lr_scheduler.LinearLR, start_factor=1.0, end_factor=0.0)
    history = fit(
        tiny_lm(), epochs=2, accumulate=2, log_every=1, optimizer=SGD, scheduler=lambda o, n: schedule(o, total_iters=n)
    )
    assert history.learning_rate.tolist() == pytest.approx([0.5 * (1 - step / 6) for step in range(6)])


def test_mixed_precision_is_the_runtimes_and_leaves_no_trace_on_the_model(monkeypatch):
    seen = set()

    def loss(model, batch):
        hidden = []
        hook = model.output.register_forward_hook(lambda module, inputs, output: hidden.append(output.dtype))
        result = token_loss(model, batch)
        hook.remove()
        seen.update(hidden)
        return result

    model = tiny_lm()
    before = set(vars(model))
    use_precision(monkeypatch, "bf16")
    fit(model, steps=3, loss=loss)
    assert seen == {torch.bfloat16}
    assert set(vars(model)) == before
    assert model(torch.tensor([[1]])).dtype == torch.float32
    monkeypatch.setattr(runtime, "_current", None)  # another precision in the same process, the same model again
    seen.clear()
    fit(model, steps=3, loss=loss)
    assert seen == {torch.float32}


@pytest.fixture
def loss_scaling(monkeypatch):
    """fp16 with loss scaling, on a CPU: the scaler that is in use.

    Accelerate switches it on for GPUs only, so here a test does. What follows is what runs on a GPU: PyTorch's autocast
    and scaler, Accelerate's unscaling and skipping.
    """
    scaler = torch.amp.GradScaler("cpu")
    plain = loop.make_accelerator

    def accelerator(*arguments):
        made = plain(*arguments)
        made.native_amp, made.scaler = True, scaler
        return made

    monkeypatch.setattr(loop, "make_accelerator", accelerator)
    use_precision(monkeypatch, "fp16")
    return scaler


def use_precision(monkeypatch, precision):
    settings = runtime.Runtime(torch.device("cpu"), precision, "quick", "embedded", None, seed=0)
    monkeypatch.setattr(runtime, "_current", settings)


def train_gpt(**options):
    """Chapter 08's model, small, on a text that repeats itself but for some noise."""
    torch.manual_seed(0)
    ids = torch.arange(400) % 7
    ids[torch.randint(400, (60,))] = 7
    model = GPT(8, hidden_size=16, num_heads=2, num_layers=2, max_length=16)
    initialise(model, 0.1)
    options = {"steps": 80, "batch_size": 8, "log_every": 20, "optimizer": SGD, **options}
    history = training.fit(model, ids.unfold(0, 17, 1), loss=next_token_loss, progress=False, **options)
    return model, history


# Unclipped, a rate of 0.5 is at the edge of what this model bears, where rounding moves the losses of a seed by up to
# 22 %. With a calm rate they stay within 0.05 % of float32's, for each of 6 to 12 seeds; the band is ten times that.
CALM = partial(torch.optim.SGD, lr=0.1)


@pytest.mark.parametrize(
    "options",
    [{"optimizer": CALM}, {"optimizer": CALM, "clip_norm": None}, {"clip_norm": 0.2, "accumulate": 2, "batch_size": 4}],
    ids=["clipped", "not clipped", "accumulated"],
)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_both_mixed_precisions_train_as_well_as_float32(precision, options, monkeypatch, request):
    """With SGD, to which the size of a gradient matters: one left scaled would be clipped to nothing, or not at all."""
    _, expected = train_gpt(**options)
    if precision == "fp16":
        scaler = request.getfixturevalue("loss_scaling")
    else:
        use_precision(monkeypatch, precision)
    _, history = train_gpt(**options)
    assert expected.train_loss.iloc[-1] < 0.7 * expected.train_loss.iloc[0]
    assert history.train_loss.tolist() == pytest.approx(expected.train_loss.tolist(), rel=0.005)
    assert history.train_loss.tolist() != expected.train_loss.tolist()
    if precision == "fp16":
        assert scaler.get_scale() > 1


def test_an_update_that_overflows_is_skipped_and_the_schedule_waits(loss_scaling):
    weights, steps = {}, {}

    def loss(model, batch):
        mean, count = token_loss(model, batch)
        if len(weights) == 3:  # in the fourth step
            mean = mean + 1e10 * (mean - mean.detach())  # the same loss, and a gradient that fp16 cannot hold
        return mean, count

    def on_step(done, _):
        weights[done] = [parameter.clone() for parameter in model.parameters()]
        steps[done] = optimizer.state[model.output.weight]["step"].item()
        scales[done] = loss_scaling.get_scale()

    def adam(parameters):
        nonlocal optimizer
        optimizer = torch.optim.Adam(parameters, lr=0.1)
        return optimizer

    model, optimizer, scales = tiny_lm(), None, {}
    schedule = partial(torch.optim.lr_scheduler.LinearLR, start_factor=1.0, end_factor=0.0)
    history = fit(
        model, steps=6, log_every=1, loss=loss, on_step=on_step, optimizer=adam,
        scheduler=lambda o, n: schedule(o, total_iters=n),
    )  # fmt: skip
    assert history.attrs["stopped"] == "finished"
    assert history.learning_rate.tolist() == pytest.approx([0.1 * (1 - n / 6) for n in (0, 1, 2, 3, 3, 4)])
    assert list(steps.values()) == [1, 2, 3, 3, 4, 5]
    assert [scales[done] / scales[1] for done in (1, 2, 3, 4, 5, 6)] == [1, 1, 1, 0.5, 0.5, 0.5]
    for before, after, later in zip(weights[3], weights[4], weights[5], strict=True):
        torch.testing.assert_close(after, before, **exactly())
        assert not torch.equal(later, after)


def test_a_gradient_that_overflows_at_any_scale_ends_the_run(loss_scaling, capsys):
    def loss(model, batch):
        mean, count = token_loss(model, batch)
        return mean + 1e10 * (mean - mean.detach()), count

    model = tiny_lm()
    before = [parameter.clone() for parameter in model.parameters()]
    history = fit(model, steps=100, loss=loss)
    assert history.attrs["stopped"] == "diverged"
    assert history.step.iloc[-1] == 17  # the scale begins at 2^16; halved so often, it is below 1
    assert "Stopped at step 18: the gradient became" in capsys.readouterr().out
    for parameter, old in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, old, **exactly())


def test_a_run_with_loss_scaling_resumes_to_the_same_numbers(loss_scaling, tmp_path):
    loss_scaling.set_growth_interval(3)  # so that the scale changes under way
    expected, _ = train_gpt(steps=20)
    at_the_end = loss_scaling.state_dict()
    loss_scaling.load_state_dict(torch.amp.GradScaler("cpu", growth_interval=3).state_dict())
    train_gpt(steps=20, checkpoint=tmp_path, on_step=stop_at(11))
    loss_scaling.load_state_dict(torch.amp.GradScaler("cpu").state_dict())
    resumed, _ = train_gpt(steps=20, checkpoint=tmp_path)
    assert loss_scaling.state_dict() == at_the_end
    assert_same_weights(resumed, expected, **exactly())


def test_trackers_get_each_row():
    from accelerate.tracking import GeneralTracker

    class Notebook(GeneralTracker):
        name, requires_logging_directory = "notebook", False
        rows, finished = {}, False

        def __init__(self):
            super().__init__(_blank=True)

        @property
        def tracker(self):
            return self

        def store_init_configuration(self, values):
            pass

        def log(self, values, step=None, **kwargs):
            self.rows[step] = values

        def finish(self):
            self.finished = True

    notebook = Notebook()
    history = fit(tiny_lm(), epochs=2, validation=VALIDATION, log_with=notebook)
    assert {step: row["validation_loss"] for step, row in notebook.rows.items()} == dict(
        zip(history.step, history.validation_loss, strict=True)
    )
    assert notebook.finished


def test_progress_bar_shows_loss_and_speed_and_can_be_silent(capsys):
    fit(tiny_lm(), epochs=2)
    assert capsys.readouterr() == ("", "")
    fit(tiny_lm(), epochs=2, progress=True, on_step=lambda step, loss: time.sleep(0.03))
    out, err = capsys.readouterr()
    assert out == ""
    assert "loss" in err and "tokens/s" in err and "<" in err  # the time left follows the "<"


def test_early_stopping_ends_with_the_best_weights():
    model = tiny_lm()
    noise = sentences(9, seed=5)
    history = fit(
        model, epochs=200, validation=noise, patience=3, optimizer=partial(torch.optim.AdamW, lr=0.1), clip_norm=None
    )
    assert history.attrs["stopped"] == "early stopping"
    assert len(history) < 200
    assert history.validation_loss.idxmin() == len(history) - 4
    with torch.no_grad():
        best, _ = token_loss(model, pad(noise))
    assert best.item() == pytest.approx(history.validation_loss.min(), rel=1e-6)


# Checkpoints


@pytest.mark.parametrize("stop", [5, 8], ids=["at a row", "within an epoch and a row"])
def test_resumed_run_equals_the_unbroken_one_bit_for_bit(tmp_path, stop):
    arguments = {
        "epochs": 4,
        "accumulate": 2,
        "batch_size": 2,
        "validation": VALIDATION,
        "patience": 100,
        "scheduler": torch.optim.lr_scheduler.CosineAnnealingLR,
    }
    unbroken, broken, resumed = tiny_lm(dropout=0.3), tiny_lm(dropout=0.3), TinyLM(dropout=0.3)
    expected = fit(unbroken, **arguments)
    fit(broken, checkpoint=tmp_path, on_step=stop_at(stop), **arguments)
    random.seed(99), torch.manual_seed(99)
    history = fit(resumed, checkpoint=tmp_path, **arguments)
    assert_same_weights(resumed, unbroken, **exactly())
    assert_same_history(history, expected)


def test_resuming_a_finished_run_only_loads_it_and_more_epochs_go_on(tmp_path):
    model, again, longer = tiny_lm(), TinyLM(), tiny_lm()
    expected = fit(model, epochs=2, checkpoint=tmp_path)
    history = fit(again, epochs=2, checkpoint=tmp_path, on_step=stop_at(1))
    assert_same_history(history, expected)
    assert_same_weights(again, model, **exactly())
    assert fit(again, epochs=3, checkpoint=tmp_path).step.tolist() == [5, 10, 15]
    fit(longer, epochs=3)
    assert_same_weights(again, longer, **exactly())
    assert fit(tiny_lm(), epochs=1, checkpoint=tmp_path, resume=False).step.tolist() == [5]


def test_early_stopping_remembers_the_best_weights_across_a_break(tmp_path):
    arguments = {"epochs": 200, "validation": sentences(9, seed=5), "patience": 3, "clip_norm": None}
    arguments["optimizer"] = partial(torch.optim.AdamW, lr=0.1)
    unbroken, resumed, loaded = tiny_lm(), TinyLM(), TinyLM()
    expected = fit(unbroken, **arguments)
    after_the_best = int(expected.step.iloc[-3])
    fit(tiny_lm(), checkpoint=tmp_path, on_step=stop_at(after_the_best + 1), **arguments)
    assert_same_history(fit(resumed, checkpoint=tmp_path, **arguments), expected)
    assert_same_weights(resumed, unbroken, **exactly())
    training.load_weights(loaded, tmp_path)
    assert_same_weights(loaded, unbroken, **exactly())


def test_checkpoint_is_one_save_of_safetensors_and_a_harmless_pickle(tmp_path):
    (tmp_path / "mine.txt").write_text("not a checkpoint", encoding="utf-8")
    model = tiny_lm()
    fit(model, epochs=2, checkpoint=tmp_path)
    (save,) = tmp_path.glob("save-*")
    assert {file.name for file in save.iterdir()} == {"model.safetensors", "training.pt"}
    assert load_file(save / "model.safetensors").keys() == model.state_dict().keys()
    assert torch.load(save / "training.pt", weights_only=True)["progress"]["step"] == 10
    assert {file.name for file in tmp_path.iterdir()} == {save.name, "mine.txt", ".lock"}


def test_tied_weights_can_be_saved_and_stay_tied(tmp_path):
    def tied():
        model = tiny_lm()
        model.output.weight = model.embedding.weight
        return model

    model, resumed = tied(), tied()
    fit(model, epochs=2, checkpoint=tmp_path)
    training.load_weights(resumed, tmp_path)
    assert_same_weights(resumed, model, **exactly())
    assert resumed.output.weight is resumed.embedding.weight


@pytest.mark.parametrize("writer", ["safetensors.torch.save_file", "torch.save", "os.replace"])
def test_full_disk_leaves_the_old_checkpoint_and_the_run(tmp_path, monkeypatch, capsys, writer):
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def full(*arguments, **_):
        for argument in arguments:  # a part is written, then there is no room
            if isinstance(argument, Path):
                argument.parent.mkdir(exist_ok=True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, full)
    model, expected = tiny_lm(), tiny_lm()
    history = fit(model, epochs=3, checkpoint=tmp_path)
    monkeypatch.undo()
    assert capsys.readouterr().out.count("No space left on device") == 2
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    assert history.attrs["stopped"] == "finished"
    fit(expected, epochs=3)
    assert_same_weights(model, expected, **exactly())
    resumed = TinyLM()
    fit(resumed, epochs=3, checkpoint=tmp_path)
    assert_same_weights(resumed, expected, **exactly())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
@pytest.mark.parametrize("size, limit", [(64, 2000), (8, 3000)], ids=["the weights", "the optimizer"])
def test_disk_that_really_refuses_leaves_the_old_checkpoint(tmp_path, capsys, size, limit):
    import resource

    fit(tiny_lm(size=size), epochs=1, checkpoint=tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        fit(tiny_lm(size=size), epochs=2, checkpoint=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "could not be written" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("name", ["model.safetensors", "best.safetensors", "training.pt"])
def test_checkpoint_cut_short_is_told_in_one_sentence(tmp_path, name):
    arguments = {"validation": VALIDATION, "patience": 5, "checkpoint": tmp_path}
    fit(tiny_lm(), epochs=2, **arguments)
    (file,) = tmp_path.glob(f"save-*/{name}")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(training.CheckpointError, match=rf"{name} is cut short or damaged .*; remove .*\.$"):
        fit(tiny_lm(), epochs=3, **arguments)


def test_checkpoint_of_another_model_names_the_first_weight_that_does_not_fit(tmp_path):
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path)
    with pytest.raises(training.CheckpointError, match=r"'embedding\.weight' has shape \(11, 8\) there and \(12, 8\)"):
        fit(tiny_lm(vocabulary=12), epochs=2, checkpoint=tmp_path)
    deeper = tiny_lm()
    deeper.norm = nn.LayerNorm(8)
    with pytest.raises(training.CheckpointError, match=r"'norm\.weight' of this model is missing there"):
        training.load_weights(deeper, tmp_path)
    smaller = tiny_lm()
    smaller.output = nn.Linear(8, VOCABULARY, bias=False)
    with pytest.raises(training.CheckpointError, match=r"'output\.bias' there is unknown to this model"):
        training.load_weights(smaller, tmp_path)


def test_checkpoint_of_another_run_is_refused(tmp_path):
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path, seed=1)
    again = partial(fit, tiny_lm(), epochs=2, checkpoint=tmp_path)
    with pytest.raises(training.CheckpointError, match="with seed 1, and this one has 2"):
        again(seed=2)
    with pytest.raises(training.CheckpointError, match="with effective batch size 4, and this one has 8"):
        again(seed=1, accumulate=2)
    with pytest.raises(training.CheckpointError, match="with optimizer AdamW, and this one has SGD"):
        again(seed=1, optimizer=SGD)
    with pytest.raises(training.CheckpointError, match="no checkpoint in"):
        training.load_weights(tiny_lm(), tmp_path / "elsewhere")


def word_model(words):
    """A vocabulary, and a model with a row for each of its words."""
    vocabulary = Vocabulary([words])
    return vocabulary, tiny_lm(vocabulary=len(vocabulary))


WORDS = ["the", "harbour", "lay", "still", "and", "grey", "in", "morning", "light"]  # and three special ones


def test_weights_of_a_larger_vocabulary_ask_for_the_vocabulary(tmp_path):
    _, model = word_model(WORDS)
    fit(model, epochs=1, checkpoint=tmp_path)
    _, smaller = word_model(WORDS[:-1])
    with pytest.raises(training.CheckpointError) as caught:
        training.load_weights(smaller, tmp_path)
    assert str(caught.value).endswith(
        "model.safetensors is of another model: 'embedding.weight' has shape (12, 8) there and (11, 8) in this model; "
        "was the model made with another vocabulary?"
    )
    with pytest.raises(training.CheckpointError, match=r"\(11, 8\) .* was the model made with another vocabulary\?$"):
        fit(smaller, epochs=2, checkpoint=tmp_path)
    smaller.embedding = smaller._modules.pop("embedding")  # the output layer now comes first
    with pytest.raises(training.CheckpointError, match=r"'output\.weight' has .* another vocabulary\?$"):
        training.load_weights(smaller, tmp_path)


@pytest.mark.parametrize("what", ["width", "classes", "positions"])
def test_other_sizes_do_not_ask_for_the_vocabulary(tmp_path, what):
    def model(width, classes, positions):
        made = tiny_lm(size=width)
        made.positions = nn.Embedding(positions, width)
        made.classes = nn.Linear(width, classes)
        return made

    sizes = {"width": 8, "classes": 2, "positions": 16}
    fit(model(**sizes), epochs=1, checkpoint=tmp_path)
    with pytest.raises(training.CheckpointError, match=r"has shape .* in this model\.$"):
        training.load_weights(model(**{**sizes, what: sizes[what] + 1}), tmp_path)


def test_another_vocabulary_of_the_same_size_is_told(tmp_path):
    vocabulary, model = word_model(WORDS)
    fit(model, epochs=1, checkpoint=tmp_path, vocabulary=vocabulary)
    other, loaded = word_model(["gull" if word == "light" else word for word in WORDS])
    before = [parameter.clone() for parameter in loaded.parameters()]
    with pytest.raises(training.CheckpointError) as caught:
        training.load_weights(loaded, tmp_path, other)
    assert str(caught.value) == (
        f"The checkpoint in {tmp_path} was made with another vocabulary (fingerprint {vocabulary.fingerprint}, and "
        f"this one has {other.fingerprint}): load the one that was saved with it."
    )
    assert all(torch.equal(one, two) for one, two in zip(before, loaded.parameters(), strict=True))
    vocabulary.save(tmp_path / "vocabulary.json")
    training.load_weights(loaded, tmp_path, Vocabulary.load(tmp_path / "vocabulary.json"))
    assert_same_weights(loaded, model, **exactly())
    with pytest.raises(training.CheckpointError, match=f"with vocabulary {vocabulary.fingerprint}, and this one has"):
        fit(model, epochs=2, checkpoint=tmp_path, vocabulary=other)


def test_a_vocabulary_once_given_stays_known_and_one_never_given_is_told(tmp_path):
    vocabulary, model = word_model(WORDS)
    fit(model, epochs=1, checkpoint=tmp_path / "given", vocabulary=vocabulary)
    fit(model, epochs=2, checkpoint=tmp_path / "given")  # resumed without
    training.load_weights(model, tmp_path / "given", vocabulary)
    fit(model, epochs=1, checkpoint=tmp_path / "never")
    with pytest.raises(training.CheckpointError, match="does not say which vocabulary it was made with: give fit"):
        training.load_weights(model, tmp_path / "never", vocabulary)
    training.load_weights(model, tmp_path / "never")


# Things that go wrong


def test_ctrl_c_keeps_history_model_and_checkpoint(tmp_path, capsys):
    model = tiny_lm()
    handler = signal.getsignal(signal.SIGINT)

    def on_step(step, loss):
        assert math.isfinite(loss)
        if step == 7:
            os.kill(os.getpid(), signal.SIGINT)  # as the terminal and Jupyter's stop button do

    history = fit(model, epochs=100, checkpoint=tmp_path, on_step=on_step)
    assert history.attrs["stopped"] == "interrupted"
    assert history.step.tolist() == [5, 8]  # the step under way is finished
    assert capsys.readouterr().out == (
        f"Interrupted after step 8: the model and the history are kept, and the run is saved in {tmp_path}.\n"
    )
    assert signal.getsignal(signal.SIGINT) is handler
    expected, saved = tiny_lm(), TinyLM()
    fit(expected, steps=8)
    training.load_weights(saved, tmp_path)
    assert_same_weights(model, expected, **exactly())
    assert_same_weights(saved, expected, **exactly())


def test_second_ctrl_c_stops_at_once_and_replaces_no_checkpoint(tmp_path, capsys):
    class Slow(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            if self.steps == 6:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
            self.steps += 1

        steps = 0

    history = fit(tiny_lm(), epochs=100, checkpoint=tmp_path, optimizer=lambda parameters: Slow(parameters, lr=0.1))
    assert history.attrs["stopped"] == "interrupted"
    assert "saved" not in capsys.readouterr().out
    (file,) = tmp_path.glob("save-*/training.pt")
    assert torch.load(file, weights_only=True)["progress"]["step"] == 5


def test_ctrl_c_within_validation_loses_no_row(tmp_path):
    arguments = {"epochs": 3, "validation": VALIDATION, "checkpoint": tmp_path}
    expected = fit(tiny_lm(), **{**arguments, "checkpoint": None})
    times = []

    def loss(model, batch):
        times.append(model.training)
        if times.count(False) == 4 and not model.training:
            raise KeyboardInterrupt
        return token_loss(model, batch)

    assert fit(tiny_lm(), loss=loss, **arguments).attrs["stopped"] == "interrupted"
    assert_same_history(fit(TinyLM(), **arguments), expected)


def hungry(limit, error):
    """A loss that runs out of memory with more than `limit` examples, after the forward pass."""

    def loss(model, batch):
        result = token_loss(model, batch)
        if len(batch) > limit:
            raise error
        return result

    return loss


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.05 GB)"),
        MemoryError(),
    ],
)
def test_out_of_memory_halves_the_batch_and_keeps_the_result(capsys, error):
    model, expected = tiny_lm(), tiny_lm()
    arguments = {"epochs": 3, "batch_size": 10, "validation": sentences(13), "optimizer": SGD}
    history = fit(model, loss=hungry(3, error), **arguments)
    assert capsys.readouterr().out == (
        "Out of memory at step 1: going on with 5 examples at once; each update still sees 10.\n"
        "Out of memory at step 1: going on with 2 examples at once; each update still sees 10.\n"
    )
    plain = fit(expected, **arguments)
    assert_same_weights(model, expected, rtol=1e-5, atol=1e-6)
    assert history.train_loss.tolist() == pytest.approx(plain.train_loss.tolist(), rel=1e-6)
    assert history.validation_loss.tolist() == pytest.approx(plain.validation_loss.tolist(), rel=1e-6)


def test_out_of_memory_repeats_the_step_with_the_same_random_numbers(capsys):
    draws = []

    def collate(examples):
        draws.append((len(examples), torch.rand(1).item(), random.random(), numpy.random.rand()))
        return pad(examples)

    fit(tiny_lm(), steps=1, batch_size=2, collate=collate, loss=hungry(1, torch.OutOfMemoryError()))
    assert [draw[0] for draw in draws] == [2, 1, 1]
    assert draws[0][1:] == draws[1][1:]


def test_out_of_memory_with_single_examples_is_told_in_one_sentence(capsys):
    with pytest.raises(CourseError, match=r"^Out of memory at step 1 with 1 examples at once; shorten .*\.$"):
        fit(tiny_lm(), steps=1, loss=hungry(0, torch.OutOfMemoryError()))


def poisoned(step, value=math.nan, gradient=False):
    """A loss that is not finite (or has a gradient that is not) at one step."""
    count = 0

    def loss(model, batch):
        nonlocal count
        count += model.training
        mean, tokens = token_loss(model, batch)
        if count == step and model.training:
            mean = mean + (model.output.weight * 0).sum().sqrt() if gradient else mean * value
        return mean, tokens

    return loss


@pytest.mark.parametrize("clip_norm", [1.0, None])
@pytest.mark.parametrize(
    "loss, what", [(poisoned(8), "loss became nan"), (poisoned(8, math.inf), "loss became inf"),
                   (poisoned(8, gradient=True), "gradient became nan")],
)  # fmt: skip
def test_what_is_not_finite_stops_the_run_with_the_last_good_weights(tmp_path, capsys, loss, what, clip_norm):
    loss = poisoned(8, math.inf if "inf" in what else math.nan, gradient="gradient" in what)
    model, expected = tiny_lm(), tiny_lm()
    history = fit(model, epochs=4, loss=loss, checkpoint=tmp_path, clip_norm=clip_norm)
    assert history.attrs["stopped"] == "diverged"
    assert history.step.tolist() == [5, 7]
    assert capsys.readouterr().out == (
        f"Stopped at step 8: the {what}, and the model has its last good weights; a lower learning rate may help.\n"
    )
    fit(expected, steps=7, clip_norm=clip_norm)
    assert_same_weights(model, expected, **exactly())
    assert len(list(tmp_path.glob("save-*"))) == 1


def test_losses_read_late_as_on_a_gpu_give_the_same_run_and_also_catch_a_nan(monkeypatch, capsys, tmp_path):
    """On a GPU the loop reads its losses every few steps; here a CPU does."""

    def read_late(run, *arguments):
        plain(run, *arguments)
        run.parts.readings.every = 3

    expected, model = tiny_lm(dropout=0.2), tiny_lm(dropout=0.2)
    history = fit(expected, epochs=2, log_every=4)
    plain = loop._Run.__init__
    monkeypatch.setattr(loop._Run, "__init__", read_late)
    assert fit(model, epochs=2, log_every=4).train_loss.tolist() == pytest.approx(history.train_loss.tolist(), rel=1e-6)
    assert_same_weights(model, expected, **exactly())
    fit(tiny_lm(dropout=0.2), epochs=2, log_every=4, checkpoint=tmp_path, on_step=stop_at(7))
    resumed = TinyLM(dropout=0.2)
    fit(resumed, epochs=2, log_every=4, checkpoint=tmp_path)
    assert_same_weights(resumed, expected, **exactly())

    diverged, good = tiny_lm(), tiny_lm()
    history = fit(diverged, epochs=4, loss=poisoned(8))
    assert history.attrs["stopped"] == "diverged"
    assert "loss became nan within 3 steps" in capsys.readouterr().out
    fit(good, steps=5)  # the last read before step 8 was within step 6, before its update
    assert_same_weights(diverged, good, **exactly())


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({}, "Give either epochs or steps, and not both."),
        ({"epochs": 1, "steps": 1}, "Give either epochs or steps, and not both."),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0."),
        ({"steps": 1.5}, "steps must be a whole number of at least 1, not 1.5."),
        ({"epochs": 1, "batch_size": 0}, "batch_size must be a whole number of at least 1, not 0."),
        ({"epochs": 1, "accumulate": -1}, "accumulate must be a whole number of at least 1, not -1."),
        ({"epochs": 1, "train": []}, "train holds no examples."),
        ({"epochs": 1, "train": {1}}, "train must have a length and an index, as a list has; set has not."),
        ({"epochs": 1, "validation": []}, "validation holds no examples."),
        ({"epochs": 1, "patience": 2}, "patience needs validation examples to measure the loss on."),
        ({"epochs": 1, "vocabulary": ["a", "b"]}, "vocabulary must be a Vocabulary, not list."),
    ],
)
def test_arguments_that_make_no_sense(wrong, sentence):
    model = tiny_lm()
    with pytest.raises(ValueError) as caught:
        fit(model, **wrong)
    assert isinstance(caught.value, CourseError)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "labels, message",
    [
        (["good", "bad", "good", "bad"], "TypeError: .*must be Tensor"),
        ([0, 7, 1, 0], "IndexError: Target 7 is out of bounds"),
        ([0.5, 0.5, 1.0, 0.0], "RuntimeError: "),
        ([None, 1, 0, 1], "[A-Z].*NoneType"),
    ],
    ids=["strings", "too large", "fractions", "missing"],
)
def test_labels_that_the_loss_cannot_take(labels, message):
    def loss(model, batch):
        return F.cross_entropy(model(batch["x"]), batch["label"]), len(batch["x"])

    data = [{"x": torch.randn(3), "label": label} for label in labels]
    with pytest.raises(ValueError, match=rf"^The batch of step 1 or its loss failed.*\({message}") as caught:
        training.fit(nn.Linear(3, 2), data, loss=loss, epochs=1, progress=False)
    assert isinstance(caught.value, CourseError)
    assert "\n" not in str(caught.value)
    if labels[0] is not None:
        assert "in `return F.cross_entropy(model(batch[" in str(caught.value)


# What a resumed run takes over, compares and tells


def test_resuming_says_so(tmp_path, capsys):
    again = partial(fit, checkpoint=tmp_path)
    again(tiny_lm(), epochs=2, on_step=stop_at(7))
    capsys.readouterr()
    again(tiny_lm(), epochs=2)
    assert capsys.readouterr().out == f"Resuming at step 7 of 10 from {tmp_path}.\n"
    again(tiny_lm(), epochs=2)
    assert capsys.readouterr().out == (
        f"The run in {tmp_path} is finished (step 10 of 10): model and history are taken from there.\n"
    )
    again(tiny_lm(), epochs=2, resume=False)
    assert capsys.readouterr().out == ""


def test_resuming_a_run_that_stopped_early_says_so(tmp_path, capsys):
    arguments = {"epochs": 200, "validation": sentences(9, seed=5), "patience": 3, "checkpoint": tmp_path}
    arguments["optimizer"] = partial(torch.optim.AdamW, lr=0.1)
    history = fit(tiny_lm(), **arguments)
    assert_same_history(fit(tiny_lm(), **arguments), history)
    step = history.step.iloc[-1]
    assert capsys.readouterr().out == (
        f"The run in {tmp_path} stopped early (step {step} of 1000): model and history are taken from there.\n"
    )


def cosine(lowest=0.0, kind=torch.optim.lr_scheduler.CosineAnnealingLR):
    return lambda optimizer, steps: kind(optimizer, steps, eta_min=lowest)


def two_groups(first, second):
    return lambda p: torch.optim.SGD([{"params": p[:1], "lr": first}, {"params": p[1:], "lr": second}], lr=1.0)


def half(value):
    return lambda optimizer, steps: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: value**done)


CHANGES = [
    ({"optimizer": partial(torch.optim.AdamW, lr=0.1)}, "learning rate 0.001, and this one has 0.1"),
    ({"optimizer": partial(torch.optim.AdamW, weight_decay=0.3)}, "weight_decay 0.01, and this one has 0.3"),
    ({"optimizer": partial(torch.optim.AdamW, betas=(0.8, 0.9))}, r"betas \(0.9, 0.999\), and this one has \(0.8, "),
    ({"optimizer": torch.optim.RAdam}, "optimizer AdamW, and this one has RAdam"),
    ({"clip_norm": None}, "clip_norm 1.0, and this one has None"),
    ({"scheduler": cosine()}, "schedule None, and this one has CosineAnnealingLR"),
    ({"seed": 1}, "seed 0, and this one has 1"),
    ({"shuffle": False}, "shuffle True, and this one has False"),
    ({"train": sentences(20, seed=3)}, "training examples [0-9a-f]{12}, and this one has [0-9a-f]{12}"),
    ({"train": TRAIN[:19]}, "number of examples 20, and this one has 19"),
    ({"validation": sentences(9, seed=3)}, "validation examples [0-9a-f]{12}, and this one has [0-9a-f]{12}"),
    ({"batch_size": 8}, "effective batch size 4, and this one has 8"),
    ({"model": tiny_lm(dropout=0.5)}, r"dropout \[0.0\], and this one has \[0.5\]"),
    ({"precision": "bf16"}, "precision float32, and this one has bf16"),
    ({"frozen": True}, "parameters that learn [0-9a-f]{12}, and this one has [0-9a-f]{12}"),
]  # fmt: skip


@pytest.mark.parametrize("change, sentence", CHANGES)
def test_a_setting_that_changes_the_numbers_is_not_taken_over_in_silence(change, sentence, tmp_path, monkeypatch):
    fit(tiny_lm(), epochs=1, validation=VALIDATION, checkpoint=tmp_path, seed=0)
    (file,) = tmp_path.glob("save-*/training.pt")
    model = change.get("model") or tiny_lm()
    if change.get("frozen"):
        model.embedding.requires_grad_(False)
    if "precision" in change:
        use_precision(monkeypatch, change["precision"])
    changed = {name: value for name, value in change.items() if name not in ("model", "frozen", "precision")}
    before = [parameter.clone() for parameter in model.parameters()]
    for epochs in (1, 2):  # a finished run, and one that goes on
        arguments = {"epochs": epochs, "validation": VALIDATION, "seed": 0, "checkpoint": tmp_path, **changed}
        with pytest.raises(training.CheckpointError, match=f"of a run with {sentence}.*; call fit as before, or"):
            fit(model, **arguments)
    assert all(torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))
    assert file.exists()


@pytest.mark.parametrize(
    "first, second",
    [
        ({"optimizer": two_groups(0.1, 0.2)}, {"optimizer": two_groups(0.1, 0.3)}),
        ({"scheduler": cosine(0.0)}, {"scheduler": cosine(0.1)}),
        ({"scheduler": half(0.9)}, {"scheduler": half(0.8)}),
        ({"scheduler": training.rise_and_fall}, {"scheduler": partial(training.rise_and_fall, share=0.5)}),
        ({"scheduler": training.rise_and_fall}, {"scheduler": None}),
        ({"scheduler": training.rise_and_fall}, {"scheduler": training.inverse_root}),
    ],
    ids=["a group's rate", "lowest rate", "a function's factor", "share of warm-up", "none", "another function"],
)
@pytest.mark.parametrize("epochs", [2, 4])
def test_another_schedule_or_group_is_told_also_where_a_run_gets_longer(first, second, epochs, tmp_path):
    fit(tiny_lm(), epochs=2, checkpoint=tmp_path, on_step=stop_at(7), **first)
    with pytest.raises(training.CheckpointError, match=r"(learning rate|schedule) .*, and this one has .*; call fit"):
        fit(tiny_lm(), epochs=epochs, checkpoint=tmp_path, **second)


def test_settings_without_an_effect_on_the_numbers_may_change(tmp_path):
    fit(tiny_lm(), epochs=2, checkpoint=tmp_path, on_step=stop_at(7))
    model, expected = tiny_lm(), tiny_lm()
    same = {"epochs": 2, "validation": VALIDATION, "patience": 3, "log_every": 2, "checkpoint": tmp_path}
    history = fit(model, batch_size=2, accumulate=2, optimizer=partial(torch.optim.AdamW, foreach=False), **same)
    assert history.step.tolist() == [5, 8, 10]
    fit(expected, epochs=2)
    assert_same_weights(model, expected, rtol=1e-5, atol=1e-6)


def test_a_smaller_batch_is_kept_on_resuming_with_the_same_effective_one(tmp_path):
    sizes = []
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path)
    fit(tiny_lm(), epochs=2, checkpoint=tmp_path, batch_size=1, accumulate=4,
        collate=lambda examples: sizes.append(len(examples)) or pad(examples))  # fmt: skip
    assert set(sizes) == {1}


def test_examples_that_are_drawn_anew_each_time_do_not_hinder_resuming(tmp_path):
    class Noisy(list):
        def __getitem__(self, index):
            return [*super().__getitem__(index), random.randrange(1, VOCABULARY)]

    unbroken, resumed = tiny_lm(), tiny_lm()
    fit(unbroken, train=Noisy(TRAIN), epochs=2)
    fit(tiny_lm(), train=Noisy(TRAIN), epochs=2, checkpoint=tmp_path, on_step=stop_at(7))
    fit(resumed, train=Noisy(TRAIN), epochs=2, checkpoint=tmp_path)
    assert_same_weights(resumed, unbroken, **exactly())


@pytest.mark.parametrize(
    "scheduler",
    [cosine(), training.rise_and_fall, training.inverse_root, half(0.9),
     lambda o, n: torch.optim.lr_scheduler.OneCycleLR(o, 0.5, total_steps=n + 1)],
    ids=["cosine", "rise and fall", "inverse root", "constant factor", "one cycle"],
)  # fmt: skip
@pytest.mark.parametrize("stop", [None, 7])
def test_more_epochs_go_on_with_the_schedule_of_a_run_of_that_length(scheduler, stop, tmp_path):
    arguments = {"optimizer": partial(torch.optim.AdamW, lr=3e-3), "scheduler": scheduler, "log_every": 1}
    expected = fit(tiny_lm(), epochs=4, **arguments)
    on_step = stop_at(stop) if stop else None
    done = len(fit(tiny_lm(), epochs=2, checkpoint=tmp_path, on_step=on_step, **arguments))
    history = fit(tiny_lm(), epochs=4, checkpoint=tmp_path, on_step=stop_at(13), **arguments)
    history = fit(tiny_lm(), epochs=4, checkpoint=tmp_path, **arguments)  # broken off once more
    assert history.step.tolist() == list(range(1, 21))
    assert history.learning_rate[done:].tolist() == expected.learning_rate[done:].tolist()


def test_a_step_beyond_the_end_is_told(tmp_path):
    fit(tiny_lm(), epochs=2, checkpoint=tmp_path)
    with pytest.raises(training.CheckpointError, match="is of step 10, and this run ends at step 5: let it be longer"):
        fit(tiny_lm(), epochs=1, checkpoint=tmp_path)


# What is in a checkpoint folder


NUMPY = [
    {"optimizer": partial(torch.optim.SGD, lr=numpy.float64(0.5), momentum=numpy.float32(0.9))},
    {"optimizer": partial(torch.optim.AdamW, lr=0.1, betas=(numpy.float64(0.9), numpy.float64(0.99)))},
    {"scheduler": lambda o, n: torch.optim.lr_scheduler.LambdaLR(o, lambda t: numpy.cos(t / n))},
    {"scheduler": lambda o, n: torch.optim.lr_scheduler.StepLR(o, numpy.int64(3), gamma=numpy.float64(0.5))},
    {"scheduler": lambda o, n: torch.optim.lr_scheduler.MultiStepLR(o, numpy.array([3, 8]))},
    {"seed": numpy.int64(3), "log_every": numpy.int64(2), "patience": numpy.int32(50), "validation": VALIDATION},
    {"clip_norm": numpy.float64(0.5), "batch_size": numpy.int64(2), "accumulate": numpy.uint8(2)},
]


@pytest.mark.parametrize("arguments", NUMPY)
def test_a_run_with_numpys_numbers_resumes_to_the_same_numbers(arguments, tmp_path):
    unbroken, resumed = tiny_lm(), tiny_lm()
    expected = fit(unbroken, epochs=numpy.int64(3), **arguments)
    fit(tiny_lm(), epochs=3, checkpoint=tmp_path, on_step=stop_at(7), **arguments)
    (file,) = tmp_path.glob("save-*/training.pt")
    assert torch.load(file, weights_only=True)["progress"]["step"] == 7
    assert_same_history(fit(resumed, epochs=3, checkpoint=tmp_path, **arguments), expected)
    assert_same_weights(resumed, unbroken, **exactly())


@pytest.mark.parametrize("seed", [numpy.int64(3), numpy.uint8(3), torch.tensor(3)])
def test_a_seed_is_the_same_in_every_kind_of_number(seed):
    one, other = tiny_lm(dropout=0.5), tiny_lm(dropout=0.5)
    fit(one, epochs=1, seed=3)
    fit(other, epochs=1, seed=seed)
    assert_same_weights(one, other, **exactly())


def test_what_could_not_be_read_again_is_not_written(tmp_path, capsys):
    class Odd(torch.optim.SGD):
        def state_dict(self):
            return super().state_dict() | {"odd": Path("odd")}

    fit(tiny_lm(), epochs=1, checkpoint=tmp_path, optimizer=SGD)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    history = fit(tiny_lm(), epochs=1, checkpoint=tmp_path, resume=False, optimizer=lambda p: Odd(p, lr=0.5))
    assert history.attrs["stopped"] == "finished"
    assert "holds something else than numbers, text and tensors" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


FOREIGN = ["save-best", "save-000004 (1)", "save-0001", "save-000004.zip", "save-0000004", "save-٠٠٠٠٠٤", "unfinished"]


@pytest.mark.parametrize("kind", ["copy", "file", "empty"])
@pytest.mark.parametrize("name", FOREIGN)
def test_what_lies_beside_a_save_is_neither_taken_nor_removed(name, kind, tmp_path):
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path)
    (save,) = tmp_path.glob("save-*")
    if kind == "copy":
        shutil.copytree(save, tmp_path / name)
    elif kind == "file":
        (tmp_path / name).write_text("mine", encoding="utf-8")
    else:
        (tmp_path / name).mkdir()
    resumed, expected = tiny_lm(), tiny_lm()
    assert fit(resumed, epochs=3, checkpoint=tmp_path).step.tolist() == [5, 10, 15]
    fit(expected, epochs=3)
    assert_same_weights(resumed, expected, **exactly())
    loaded = tiny_lm()
    training.load_weights(loaded, tmp_path)
    assert_same_weights(loaded, expected, **exactly())
    assert {path.name for path in tmp_path.iterdir()} == {"save-000003", name, ".lock"}
    assert (tmp_path / name).is_file() == (kind == "file")


def test_saves_are_counted_as_numbers(tmp_path):
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path)
    (save,) = tmp_path.glob("save-*")
    shutil.copytree(save, tmp_path / "save-999999")
    fit(tiny_lm(), epochs=2, checkpoint=tmp_path)
    assert [path.name for path in tmp_path.glob("save-*")] == ["save-1000000"]
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path / "other")
    shutil.move(tmp_path / "other" / "save-000001", tmp_path / "save-999999")
    assert fit(tiny_lm(), epochs=2, checkpoint=tmp_path).step.tolist() == [5, 10]


def rewrite(save, change):
    state = torch.load(save / "training.pt", weights_only=True)
    state = change(state) or state
    torch.save(state, save / "training.pt")


@pytest.mark.parametrize(
    "change",
    [
        lambda state: [state],
        lambda state: {"weights": state},
        lambda state: state.pop("made_with") and None,
        lambda state: state.pop("total_steps") and None,
        lambda state: state["progress"].pop("rows") and None,
        lambda state: state["progress"].update(extra=1),
        lambda state: state["progress"].update(micro_batch=0),
        lambda state: state["progress"].update(micro_batch="4"),
        lambda state: state["progress"].update(step=-1),
        lambda state: state["progress"].update(step=2.5),
        lambda state: state["progress"].update(tokens=None),
        lambda state: state["progress"].update(rows={}),
        lambda state: state["progress"].update(rows=[{"step": 1}]),
        lambda state: state["progress"].update(step=400),
    ],
)
def test_a_state_that_fit_cannot_have_written_is_told_in_one_sentence(change, tmp_path):
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path)
    (save,) = tmp_path.glob("save-*")
    rewrite(save, change)
    with pytest.raises(training.CheckpointError, match=r"training.pt is cut short or damaged \(.*\); remove .*\.$"):
        fit(tiny_lm(), steps=1000, checkpoint=tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "best.safetensors", "training.pt"])
@pytest.mark.parametrize("load", [False, True], ids=["fit", "load_weights"])
def test_a_flipped_bit_is_told(name, load, tmp_path):
    arguments = {"validation": VALIDATION, "patience": 5, "checkpoint": tmp_path}
    fit(tiny_lm(), epochs=2, **arguments)
    (file,) = tmp_path.glob(f"save-*/{name}")
    found = bytearray(file.read_bytes())
    # In the weights the last byte; in the state a number of the optimizer's.
    place = len(found) - 1
    if name == "training.pt":
        state = torch.load(file, weights_only=True)
        place = found.index(state["optimizer"]["state"][0]["exp_avg"].numpy().tobytes())
    found[place] ^= 1
    file.write_bytes(found)
    model = tiny_lm()
    before = [parameter.clone() for parameter in model.parameters()]
    if load and name == "model.safetensors":
        training.load_weights(model, tmp_path)  # it takes the best ones
        return
    with pytest.raises(training.CheckpointError, match=rf"{name} is cut short or damaged \(.*checksum.*\); remove"):
        training.load_weights(model, tmp_path) if load else fit(model, epochs=3, **arguments)
    assert all(torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_all_files_of_a_save_have_the_permissions_that_others_have(umask, tmp_path):
    before = os.umask(umask)
    try:
        fit(tiny_lm(), epochs=1, validation=VALIDATION, patience=1, checkpoint=tmp_path)
    finally:
        os.umask(before)
    files = [file for file in tmp_path.glob("save-*/*")]
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o666 & ~umask}


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir(), here.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.chdir(here)
    model, loaded = tiny_lm(), TinyLM()
    fit(model, epochs=1, checkpoint="~/runs/one")
    training.load_weights(loaded, "~/runs/one")
    assert_same_weights(loaded, model, **exactly())
    assert list(here.iterdir()) == [] and (home / "runs" / "one" / "save-000001").is_dir()


# Two runs and one folder


def test_a_second_run_in_the_same_folder_is_refused(tmp_path):
    def second(done, loss):
        if done == 3:
            for resume in (True, False):
                with pytest.raises(training.CheckpointError, match=f"^Another run is writing here: {tmp_path}. Wait"):
                    fit(tiny_lm(), epochs=1, checkpoint=tmp_path, resume=resume)
            fit(tiny_lm(), epochs=1, checkpoint=tmp_path / "own")

    history = fit(tiny_lm(), epochs=2, checkpoint=tmp_path, on_step=second)
    assert history.attrs["stopped"] == "finished"
    assert fit(tiny_lm(), epochs=3, checkpoint=tmp_path).step.tolist() == [5, 10, 15]  # the lock is gone with its run


WRITER = """
import sys
import test_training as t

def tell(step, loss):
    print(step, flush=True)


epochs, seed, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
t.fit(t.tiny_lm(), epochs=epochs, seed=seed, checkpoint=folder, resume=False, on_step=tell)
"""


def start_writer(folder, seed, epochs=100_000):
    command = [sys.executable, "-c", WRITER, str(epochs), str(seed), str(folder)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(runtime.PACKAGE.parent), str(Path(__file__).parent)]),
        "LMTUTOR_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


@pytest.mark.slow
def test_a_killed_run_leaves_no_lock_and_a_reader_sees_one_runs_save(tmp_path):
    writer = start_writer(tmp_path, seed=0)
    while writer.stdout.readline() != "11\n":
        assert writer.poll() is None, writer.stderr.read()
    with pytest.raises(training.CheckpointError, match="^Another run is writing here"):
        fit(tiny_lm(), epochs=1, checkpoint=tmp_path)
    for _ in range(50):  # while it saves after every few steps
        training.load_weights(tiny_lm(), tmp_path)
    writer.kill()
    writer.communicate()
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path, resume=False)


@pytest.mark.parametrize(
    "error", [OSError(37, "No locks available"), NotImplementedError("flock"), PermissionError(13, "no")]
)
def test_a_folder_that_cannot_be_locked_is_told_and_the_run_goes_on(error, tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    model, expected = tiny_lm(), tiny_lm()
    history = fit(model, epochs=2, checkpoint=tmp_path)
    assert history.attrs["stopped"] == "finished"
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"The checkpoint folder {tmp_path} could not be locked ({type(error).__name__}")
    assert line.endswith("): see that no other run writes to it.")
    fit(expected, epochs=2)
    assert_same_weights(model, expected, **exactly())


def test_load_weights_looks_again_where_a_run_replaces_its_save_meanwhile(tmp_path, monkeypatch):
    model, loaded = tiny_lm(), TinyLM()
    fit(tiny_lm(), epochs=1, checkpoint=tmp_path)
    plain, replaced = checkpoint.read_state, []

    def read_state(save):
        state = plain(save)
        if not replaced:
            replaced.append(save)
            fit(model, epochs=2, checkpoint=tmp_path)
        return state

    monkeypatch.setattr(checkpoint, "read_state", read_state)
    training.load_weights(loaded, tmp_path)
    assert not replaced[0].exists()
    assert_same_weights(loaded, model, **exactly())


# Interrupts and memory, once more


@pytest.mark.parametrize("presses", [1, 2, 5])
def test_ctrl_c_during_the_save_of_an_interrupt_loses_neither_history_nor_the_save_before(
    presses, tmp_path, monkeypatch, capsys
):
    plain = torch.save

    def slow(*arguments):
        for _ in range(presses if interrupted else 0):
            os.kill(os.getpid(), signal.SIGINT)
        plain(*arguments)

    def on_step(step, loss):
        if step == 7:
            interrupted.append(step)
            os.kill(os.getpid(), signal.SIGINT)

    interrupted, model, expected = [], tiny_lm(), tiny_lm()
    monkeypatch.setattr(torch, "save", slow)
    history = fit(model, epochs=100, checkpoint=tmp_path, on_step=on_step)
    monkeypatch.undo()
    assert history.attrs["stopped"] == "interrupted"
    assert history.step.tolist() == [5, 8]
    assert capsys.readouterr().out == "Interrupted after step 8: the model and the history are kept.\n"
    fit(expected, steps=8)
    assert_same_weights(model, expected, **exactly())
    (save,) = tmp_path.glob("save-*")
    assert torch.load(save / "training.pt", weights_only=True)["progress"]["step"] == 5
    assert {path.name for path in tmp_path.iterdir()} == {save.name, ".lock"}


class Full(torch.optim.SGD):
    """Memory runs out within an update, after some of it was made."""

    def __init__(self, parameters, at):
        super().__init__(parameters, lr=0.5)
        self.at = at

    def step(self, closure=None):
        self.at -= 1
        if self.at == 0:
            with torch.no_grad():
                self.param_groups[0]["params"][0].add_(1)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        super().step()


def test_out_of_memory_in_the_first_update_leaves_the_weights(tmp_path):
    model, expected = tiny_lm(), tiny_lm()
    with pytest.raises(CourseError) as caught:
        fit(model, epochs=1, optimizer=partial(Full, at=1))
    assert str(caught.value) == (
        "Out of memory in the update of step 1, and the model has its weights of before: take a smaller one, or an "
        "optimizer that keeps less, such as torch.optim.SGD."
    )
    assert_same_weights(model, expected, **exactly())
    with pytest.raises(CourseError, match="in the update of step 3, and the model may have half of it"):
        fit(model, epochs=1, optimizer=partial(Full, at=3))


# Batches with nothing to learn


def labelled(first=0):
    """A loss that knows only the labels of sentences that begin with no token below `first`."""

    def loss(model, batch):
        labels = batch[:, 1:].masked_fill(batch[:, :1] < first, PADDING)
        logits = model(batch[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=PADDING), (labels != PADDING).sum()

    return loss


def divided(model, batch):
    """The same as labelled(6), but with a gradient that is NaN where there is nothing to divide by."""
    labels = batch[:, 1:].masked_fill(batch[:, :1] < 6, PADDING)
    known = labels != PADDING
    each = F.cross_entropy(model(batch[:, :-1]).transpose(1, 2), labels, reduction="none")
    return (each * known).sum() / known.sum(), int(known.sum())


@pytest.mark.parametrize("loss", [labelled(6), divided])
@pytest.mark.parametrize("batch_size, accumulate", [(1, 1), (1, 4), (2, 2)])
def test_a_batch_with_nothing_to_learn_is_no_nan(loss, batch_size, accumulate, capsys):
    """Some of the batches, and of the micro-batches, have no label; one that is none of several changes nothing."""
    model = tiny_lm()
    arguments = {"epochs": 3, "optimizer": SGD, "loss": loss}
    history = fit(model, batch_size=batch_size, accumulate=accumulate, validation=VALIDATION, **arguments)
    assert history.attrs["stopped"] == "finished"
    assert capsys.readouterr().out == ""
    counted = sum(len(sentence) - 1 for sentence in TRAIN if sentence[0] >= 6)
    assert history.tokens.tolist() == [counted, 2 * counted, 3 * counted]
    expected = tiny_lm()
    one = fit(expected, batch_size=batch_size * accumulate, validation=VALIDATION, **arguments)
    assert_same_weights(model, expected, rtol=1e-5, atol=1e-6)
    assert history.train_loss.tolist() == pytest.approx(one.train_loss.tolist(), rel=1e-5)
    with torch.no_grad():
        mean, _ = labelled(6)(model.eval(), pad(VALIDATION))
    assert history.validation_loss.iloc[-1] == pytest.approx(mean.item(), rel=1e-5)


def test_a_step_with_nothing_to_learn_moves_no_weight_of_sgd_and_shows_no_loss():
    weights, losses = {}, {}

    def on_step(step, loss):
        weights[step], losses[step] = model.output.weight.clone(), loss.item()

    model, train = tiny_lm(), [[7, 3, 4], [2, 3, 4], [8, 1, 2]]
    arguments = {"steps": 3, "batch_size": 1, "shuffle": False, "log_every": 1, "optimizer": SGD, "on_step": on_step}
    history = fit(model, train=train, loss=labelled(6), **arguments)
    assert torch.equal(weights[1], weights[2]) and not torch.equal(weights[2], weights[3])
    assert math.isnan(losses[2]) and math.isfinite(losses[1]) and math.isfinite(losses[3])
    assert history.tokens.tolist() == [2, 2, 4]
    assert math.isnan(history.train_loss[1])


def test_nothing_to_learn_at_all_is_told_in_one_sentence():
    with pytest.raises(
        training.InputError, match="^There was nothing to learn in 5 steps: in every batch the loss was"
    ):
        fit(tiny_lm(), epochs=100, loss=labelled(99), log_every=3 * 5 // 3)
    with pytest.raises(training.InputError, match="^There was nothing to learn in 2 steps: "):
        fit(tiny_lm(), steps=2, loss=labelled(99))

    def loss(model, batch):
        return labelled(0 if model.training else 99)(model, batch)

    with pytest.raises(training.InputError, match="^The validation loss is the mean of 0 tokens or examples"):
        fit(tiny_lm(), epochs=1, loss=loss, validation=VALIDATION)


# Several processes, as CONTRIBUTING.md shows them

PAGE = Path(__file__).parents[1].joinpath("CONTRIBUTING.md").read_text(encoding="utf-8")
PAGE = PAGE.partition("## Several processes")[2].partition("\n## ")[0]
(CHAPTER_08,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
UNEVEN = """
import json, sys
import torch
import test_training as t
from accelerate import PartialState

model = t.tiny_lm()
history = t.fit(model, epochs=3, batch_size=4, validation=t.VALIDATION, optimizer=t.SGD,
                checkpoint="checkpoint", train=t.TRAIN[:17])
if PartialState().is_main_process:
    numbers = {"processes": PartialState().num_processes, "train_loss": history.train_loss.tolist(),
               "validation_loss": history.validation_loss.tolist(), "tokens": history.tokens.tolist(),
               "weights": torch.cat([p.flatten() for p in model.parameters()]).tolist()}
    open("result.json", "w").write(json.dumps(numbers))
"""


EMPTY = """
import json
import test_training as t
from accelerate import PartialState

model = t.tiny_lm()
arguments = {"loss": t.labelled(6), "optimizer": t.SGD, "shuffle": False, "checkpoint": "checkpoint", "train": t.SPARSE}
history = t.fit(model, epochs=2, batch_size=2, accumulate=2, **arguments)
try:
    t.fit(t.tiny_lm(), epochs=1, batch_size=2, loss=t.labelled(99))
    nothing = None
except t.training.InputError as error:
    nothing = str(error)
if PartialState().is_main_process:
    weights = [p.flatten().tolist() for p in model.parameters()]
    numbers = {"tokens": history.tokens.tolist(), "weights": sum(weights, []), "nothing": nothing}
    open("result.json", "w", encoding="utf-8").write(json.dumps(numbers))
"""
SPARSE = [[7, 3, 4], [2, 3, 4], [1, 5], [2, 5, 6], [3, 1], [4, 2], [8, 2, 2], [1, 2, 9], [2, 2], [3, 3], [4, 4]]
BUSY = """
import sys
import test_training as t

try:
    t.fit(t.tiny_lm(), epochs=1, batch_size=2, checkpoint=sys.argv[1])
except t.training.CheckpointError as error:
    assert str(error).startswith("Another run is writing here"), error
else:
    raise AssertionError("not refused")
"""


def run_script(folder, script, *commands):
    """Write the script to train.py and start the commands, all at once."""
    folder.joinpath("train.py").write_text(script, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LMTUTOR_")} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(runtime.PACKAGE.parent), str(Path(__file__).parent)]),
        "OMP_NUM_THREADS": "1",
        "LMTUTOR_DEVICE": "cpu",
    }
    options = {"shell": True, "cwd": folder, "env": environment, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **options) for command in commands]
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]


def shown(pattern):
    """The one command of the page that fits."""
    (command,) = re.findall(pattern, PAGE)
    return command


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_two_machines_give_the_numbers_of_one(tmp_path):
    """With 17 examples and a global batch of 8, the last batch of an epoch has one example for two processes.

    Both machines are this one, with a process each.
    """
    command = shown(r"`(accelerate launch .*--machine_rank 0 .*? train\.py)`")
    for there, here in (("10.0.0.1", "127.0.0.1"), ("29500", str(free_port())), ("_processes 8", "_processes 2")):
        assert there in command
        command = command.replace(there, here)
    run_script(tmp_path, UNEVEN, command, command.replace("--machine_rank 0", "--machine_rank 1"))
    two = json.loads(tmp_path.joinpath("result.json").read_text(encoding="utf-8"))
    assert two["processes"] == 2
    model = tiny_lm()
    one = fit(model, epochs=3, batch_size=8, validation=VALIDATION, optimizer=SGD, train=TRAIN[:17])
    assert two["tokens"] == one.tokens.tolist()
    assert two["train_loss"] == pytest.approx(one.train_loss.tolist(), rel=1e-5)
    assert two["validation_loss"] == pytest.approx(one.validation_loss.tolist(), rel=1e-5)
    weights = torch.cat([parameter.flatten() for parameter in model.parameters()])
    torch.testing.assert_close(torch.tensor(two["weights"]), weights.detach(), rtol=1e-4, atol=1e-6)


def two_processes():
    """The page's command for two processes on a CPU, on a port of its own."""
    return shown(r"`(LMTUTOR_DEVICE=cpu .*? train\.py)`").replace("launch", f"launch --main_process_port {free_port()}")


def test_two_processes_with_nothing_to_learn_in_one_of_them_give_the_numbers_of_one(tmp_path):
    run_script(tmp_path, EMPTY, two_processes())
    two = json.loads(tmp_path.joinpath("result.json").read_text(encoding="utf-8"))
    model = tiny_lm()
    one = fit(model, epochs=2, batch_size=8, loss=labelled(6), optimizer=SGD, shuffle=False, train=SPARSE)
    assert two["tokens"] == one.tokens.tolist() == [4, 8]
    weights = torch.cat([parameter.flatten() for parameter in model.parameters()])
    torch.testing.assert_close(torch.tensor(two["weights"]), weights.detach(), rtol=1e-4, atol=1e-6)
    assert two["nothing"].startswith("There was nothing to learn in 5 steps")


def test_two_processes_of_a_second_run_are_both_refused(tmp_path):
    def second(done, loss):
        if done == 1:
            run_script(tmp_path, BUSY, f"{two_processes()} {tmp_path / 'checkpoint'}")

    fit(tiny_lm(), steps=1, checkpoint=tmp_path / "checkpoint", on_step=second)


def by_the_launcher(folder):
    run_script(folder, CHAPTER_08, shown(r"`(LMTUTOR_DEVICE=cpu .*? train\.py)`") + " 6")


def in_a_notebook(folder):
    folder.joinpath("train.py").write_text(CHAPTER_08, encoding="utf-8")
    code = "\n".join(re.findall(r"`([^`]+)`", shown(r"\| a notebook \| (.*) \|")))
    assert "num_processes=2" in code
    code = code.replace("num_processes=2", f"args=(6,), num_processes=2, use_port={free_port()}")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    run_script(folder, CHAPTER_08, shown("`(python train.py)`") + " 6")
    return written(folder)


def written(folder):
    (weights,) = folder.glob("gpt/save-*/model.safetensors")
    return pandas.read_csv(folder / "history.csv"), load_file(weights)


@pytest.mark.parametrize("start", [by_the_launcher, in_a_notebook])
def test_chapter_08_in_two_processes_gives_the_numbers_of_one(start, one_process, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    start(tmp_path)
    (history, weights), (expected, expected_weights) = written(tmp_path), one_process
    assert (history.processes == 2).all() and (expected.processes == 1).all()
    assert history.step.tolist() == [2, 4, 6]
    assert history.tokens.tolist() == expected.tokens.tolist()
    assert history.train_loss.tolist() == pytest.approx(expected.train_loss.tolist(), rel=1e-5)
    for name, value in expected_weights.items():
        # Adam divides a gradient by its own size, also one that is nothing but rounding; the rate is 1e-2.
        torch.testing.assert_close(weights[name], value, rtol=0, atol=1e-3, msg=name)


def test_no_warnings(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(tiny_lm(), epochs=1, checkpoint=tmp_path, validation=VALIDATION, patience=2,
            scheduler=torch.optim.lr_scheduler.CosineAnnealingLR)  # fmt: skip


def test_the_rate_rises_for_a_tenth_and_falls_to_0():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule, rates = training.rise_and_fall(optimizer, 40), []
    for _ in range(41):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:4] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert rates[4:] == pytest.approx([2.0 * (40 - t) / 36 for t in range(4, 41)])
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    training.rise_and_fall(optimizer, 1)  # a single step divides nothing by 0
    assert optimizer.param_groups[0]["lr"] == 2.0


@pytest.mark.proof("07", "inverse_root", "the paper's formula, scaled to a top of 1", "400 steps")
def test_the_inverse_root_schedule_is_that_of_the_paper():
    """Section 5.3 of Vaswani et al. (2017), scaled to a top of 1, with 40 of 400 steps of warm-up."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule, rates = training.inverse_root(optimizer, 400), []
    for _ in range(400):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    paper = [(128 * 40) ** 0.5 * 128**-0.5 * min((t + 1) ** -0.5, (t + 1) * 40**-1.5) for t in range(400)]
    assert rates == pytest.approx(paper, abs=1e-12) and max(rates) == rates[39] == 1.0

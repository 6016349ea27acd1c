"""lmtutor.trust of chapter 15: attacks, adversarial training, certificates, outliers, behaviour."""

import random
import re

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import adversarial, attacks, behaviour, certificates, outliers
from lmtutor.models import classifier
from lmtutor.runtime import CourseError
from lmtutor.tasks import classifying

REVIEWS = [
    {
        "text": "The soup was good.", "domain": "cafe",
        "spans": [{"start": 13, "end": 17, "text": "good", "aspect": "food", "polarity": 1, "negated": False}],
    },
    {
        "text": "The soup was nice.", "domain": "cafe",
        "spans": [{"start": 13, "end": 17, "text": "nice", "aspect": "food", "polarity": 1, "negated": False}],
    },
    {
        "text": "The soup was very bad.", "domain": "cafe",
        "spans": [{"start": 13, "end": 21, "text": "very bad", "aspect": "food", "polarity": -1, "negated": False}],
    },
    {
        "text": "The soup was not fine.", "domain": "cafe",
        "spans": [{"start": 17, "end": 21, "text": "fine", "aspect": "food", "polarity": 1, "negated": True}],
    },
]  # fmt: skip


def tiny(seed=0, double=True, words=20):
    torch.manual_seed(seed)
    model = classifier.CNNClassifier(words, embedding_size=6, channels=5, widths=(1, 2)).eval()
    return model.double() if double else model


def agree(ours, theirs, within):
    ours, theirs = (x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x) for x in (ours, theirs))
    assert ours.shape == theirs.shape or not theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=within)


def drawn(seed=0, texts=8, length=5, words=20):
    draw = random.Random(seed)
    rows = [[draw.randrange(3, words) for _ in range(draw.randint(2, length))] for _ in range(texts)]
    return adversarial.with_labels(rows, [draw.randrange(2) for _ in rows])


# --- letters and words ------------------------------------------------------------------------------------------------


def test_slips_keep_the_first_letter_and_leave_short_words_alone():
    made = attacks.slips("good")
    assert {"giod", "god", "goood", "godo"} <= set(made) and "good" not in made
    assert all(one[0] == "g" for one in made) and len(set(made)) == len(made)
    assert attacks.slips("not") == attacks.slips("don't") == ()


@pytest.mark.parametrize("letter", "abcdefghijklmnopqrstuvwxyz")
def test_keyboard_neighbours_are_mutual(letter):
    near = attacks.keyboard_neighbours(letter)
    assert 2 <= len(near) <= 6 and all(letter in attacks.keyboard_neighbours(one) for one in near)


def test_so_many_words_are_mistyped_as_were_asked_for():
    words = ["the", "lentil", "soup", "was", "good", "and", "cheap"]
    for count in (0, 1, 3, 9):
        typed = attacks.with_typos(words, count, random.Random(0))
        assert sum(a != b for a, b in zip(words, typed, strict=True)) == min(count, 4)


def test_single_edits_are_those_of_norvig():
    word, letters = "not", "abcdefghijklmnopqrstuvwxyz"
    made = {word[:i] + word[i + 1 :] for i in range(3)} | {"ont", "nto"}
    made |= {word[:i] + c + word[i + 1 :] for i in range(3) for c in letters}
    made |= {word[:i] + c + word[i:] for i in range(4) for c in letters}
    assert attacks.single_edits(word) == made - {word}


def test_the_lexicon_knows_what_may_be_exchanged():
    lexicon = attacks.Lexicon.of(REVIEWS)
    assert lexicon.keeps_opinion("good", "nice") and lexicon.turns_opinion("good", "bad")
    assert not lexicon.keeps_opinion("good", "fine")  # that one goes with a plain "not"
    assert lexicon.polarity("soup") == 0 and not lexicon.keeps_opinion("soup", "good")
    vectors = {word: np.eye(4)[i] for i, word in enumerate(("good", "nice", "bad", "fine"))}
    assert attacks.synonyms(lexicon, vectors, vectors) == {"good": ["nice"], "nice": ["good"]}


def test_a_word_of_both_polarities_is_never_exchanged():
    other = {**REVIEWS[1], "spans": [{**REVIEWS[1]["spans"][0], "polarity": -1}]}
    assert attacks.Lexicon.of([*REVIEWS, other]).polarity("nice") == 0


@pytest.mark.parametrize(("choice", "said"), [("bad", "says the contrary"), ("soup", "is not known to say the same")])
def test_a_choice_that_may_change_the_label_is_told(choice, said):
    with pytest.raises(CourseError, match=f"{choice!r} must not stand for 'good': it {said}"):
        attacks.check_choices({"good": ["nice", choice]}, attacks.Lexicon.of(REVIEWS))


# --- searches ---------------------------------------------------------------------------------------------------------

CHOICES = {"a": ["b", "c"], "d": ["e"]}


def ask(texts):
    return np.array([sum({"a": 1.0, "b": 0.5, "c": -0.2, "d": 0.7, "e": -0.5}[word] for word in one) for one in texts])


def test_searches_find_the_worst_and_count_their_queries():
    everything = attacks.exhaustive(ask, attacks.combinations(["a", "d"], CHOICES))
    assert everything.words == ["c", "e"] and everything.queries == 6 and everything.broken
    assert attacks.number_of_combinations(["a", "d"], CHOICES) == 6
    assert attacks.greedy(ask, ["a", "d"], CHOICES) == attacks.Found(["c", "e"], pytest.approx(-0.7), 5)
    assert attacks.greedy(ask, ["a", "d"], CHOICES, budget=4).queries == 4
    assert attacks.at_random(ask, ["a", "d"], CHOICES, 50, random.Random(0)).queries == 50


@pytest.mark.parametrize("budget", [0, -3, 1.5])
def test_a_budget_of_nothing_is_told(budget):
    for attack in (
        lambda: attacks.greedy(ask, ["a"], CHOICES, budget),
        lambda: attacks.exhaustive(ask, [["a"]], budget),
        lambda: attacks.at_random(ask, ["a"], CHOICES, budget, random.Random(0)),
    ):
        with pytest.raises(CourseError, match="at least one query"):
            attack()


def test_an_exhaustive_search_that_is_none_is_told():
    with pytest.raises(CourseError, match="There are 6 texts to try and 5 queries"):
        attacks.exhaustive(ask, attacks.combinations(["a", "d"], CHOICES), 5)


def test_rates_do_not_count_what_was_wrong_before():
    assert attacks.rates([True, True, False, False], [True, False, True, False]) == (0.5, 0.25, 0.5)
    assert attacks.rates([False], [True]) == (0.0, 0.0, 0.0)
    with pytest.raises(CourseError, match="Rates need both answers"):
        attacks.rates([], [])


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda: attacks.with_typos(["good"], -1, random.Random(0)), "0 typos or more"),
        (lambda: attacks.Lexicon.of([]), "needs records with `spans`"),
        (lambda: adversarial.fgm(tiny(), drawn(), -0.1), "0 or more, not -0.1"),
        (lambda: adversarial.adversarial_loss(float("nan")), "0 or more, not nan"),
        (lambda: adversarial.virtual_loss(-1.0), "0 or more"),
        (lambda: adversarial.pgd(tiny(), drawn(), 0.1, 0), "at least one step"),
        (lambda: adversarial.margins(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long)), "at least two classes"),
        (lambda: certificates.worst_logits(torch.nn.Linear(2, 2), {}, torch.zeros(1, 1)), "not through a Linear"),
        (lambda: outliers.Mahalanobis(np.zeros((3, 2)), [1, 1, 1]), "at least two, and all have one label"),
        (lambda: outliers.Mahalanobis(np.zeros((3, 2)), [1, 0]), "3 vectors but 2 labels"),
        (lambda: outliers.negative_energy(np.zeros((1, 2)), 0), "above 0"),
        (lambda: outliers.auroc([], [1.0]), "it needs both"),
        (lambda: outliers.let_in([1.0], [1.0], 0), r"share in \(0, 1\]"),
        (lambda: behaviour.expand("{a} was {b}.", a=["it"]), "has places for a, b"),
        (lambda: behaviour.expand("{a}.", a=[]), "words came for nothing"),
        (lambda: behaviour.direction(len, "x", [("a", "b")], 0), "1 .up. or -1 .down."),
        (lambda: behaviour.invariance(len, "x", []), "at least one pair"),
        (lambda: classifying.train(tiny(), [[3], [4]], [1, 1], epochs=1, learning_rate=0.1), "at least two classes"),
    ],
)
def test_a_mistake_of_use_is_told_in_one_sentence(mistake, said):
    with pytest.raises(CourseError, match=said) as told:
        mistake()
    assert not re.search(r"\.\s+[A-Z]", str(told.value)) and str(told.value).endswith(".")


# --- the space of vectors ---------------------------------------------------------------------------------------------


@pytest.mark.proof("15", "the gradient of a linear bag, by hand", "torch.autograd", "random embeddings")
def test_the_gradient_of_a_linear_model():
    torch.manual_seed(0)
    bag, batch = classifier.BagOfEmbeddings(30, embedding_size=8).double().eval(), drawn(1, words=30)
    found = adversarial.gradient(bag, batch, adversarial.no_shift(bag, batch))
    rows = bag.output.weight[batch["labels"]] - bag.output.weight[1 - batch["labels"]]
    p = bag(batch["input_ids"], batch["attention_mask"]).softmax(-1).gather(1, batch["labels"][:, None])
    there = batch["attention_mask"].double()
    by_hand = (-(1 - p) * rows)[:, None] * (there / there.sum(1, keepdim=True))[:, :, None]
    agree(found, by_hand, within=1e-12)


@pytest.mark.proof("15", "the gain of the steepest step", "r times the gradient's length", "random gradients")
def test_the_steepest_step_gains_as_much_as_cauchy_and_schwarz_allow():
    g = torch.randn(6, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gain = (g * adversarial.steepest(g, 0.7)).flatten(1).sum(1)
    agree(gain, 0.7 * g.flatten(1).norm(dim=1), within=1e-12)
    assert not adversarial.steepest(torch.zeros(2, 3, 4), 1.0).any()


@pytest.mark.proof("15", "project", "torch.renorm", "random shifts, inside and outside of the ball")
def test_projection_is_renorm():
    shift = torch.randn(20, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shift = shift * torch.linspace(0, 0.3, 20)[:, None, None]
    agree(adversarial.project(shift, 0.7), shift.renorm(2, 0, 0.7), within=1e-6)


@pytest.mark.proof("15", "PGD, as the chapter builds it", "adversarial.pgd", "a random CNN")
def test_pgd_of_the_chapter_is_that_of_the_package():
    from notebook_code import definitions

    chapters, model, batch = definitions("15", "pgd", "steepest", "project"), tiny(), drawn(2)
    chapters.pgd.__globals__.update(steepest=chapters.steepest, project=chapters.project)
    its = adversarial.pgd(model, batch, 0.2, 4, random_start=False)
    agree(chapters.pgd(model, batch, 0.2, 4), its, within=1e-12)


@pytest.mark.proof("15", "margins under PGD", "margin - r ‖w‖ / √T", "a random linear bag, where it is exact")
def test_pgd_is_exact_on_a_linear_model():
    torch.manual_seed(1)
    bag = classifier.BagOfEmbeddings(50, embedding_size=8).double().eval()
    torch.nn.init.zeros_(bag.output.bias)
    batch = adversarial.with_labels(torch.randint(3, 50, (60, 6)).tolist(), torch.randint(2, (60,)).tolist())
    margin = adversarial.margins(adversarial.logits(bag, batch), batch["labels"])
    w = bag.output.weight[1] - bag.output.weight[0]
    reach = adversarial.radii(bag, batch, 0.1)[:, 0, 0] * w.norm() / 6**0.5
    for random_start in (False, True):
        shift = adversarial.pgd(bag, batch, 0.1, 20, random_start=random_start)
        after = adversarial.margins(adversarial.logits(bag, batch, shift), batch["labels"])
        if random_start:  # it comes near
            assert (after - margin + reach).abs().max() < 1e-3
        else:
            agree(after, margin - reach, within=1e-10)


def test_no_attack_leaves_its_ball_or_touches_padding():
    model, batch = tiny(), drawn(3)
    for attack in (adversarial.fgm, adversarial.pgd, adversarial.virtual_shift):
        shift = attack(model, batch, 0.3)
        assert (adversarial.lengths(shift) <= adversarial.radii(model, batch, 0.3) * (1 + 1e-9)).all()
        assert not shift[batch["attention_mask"] == 0].any()


def test_more_steps_do_not_do_worse_and_none_does_nothing():
    model, batch = tiny(4), drawn(4, texts=40)
    loss = [
        F.cross_entropy(adversarial.logits(model, batch, shift), batch["labels"]).item()
        for shift in (
            None,
            adversarial.fgm(model, batch, 0.3),
            adversarial.pgd(model, batch, 0.3, 20, random_start=False),
        )
    ]
    assert loss[0] < loss[1] <= loss[2] + 1e-3
    assert adversarial.accuracy_under(model, [batch], lambda m, b: adversarial.pgd(m, b, 0.0)) == pytest.approx(
        (adversarial.margins(adversarial.logits(model, batch), batch["labels"]) > 0).double().mean().item()
    )


@pytest.mark.proof("15", "the Hessian of the divergence", "p0 p1 (grad m)(grad m)^T", "a random CNN of two classes")
def test_the_hessian_of_the_divergence_has_rank_one():
    model, batch = tiny(5), adversarial.with_labels([[4, 9, 17]], [1])
    shape, said = adversarial.no_shift(model, batch).shape, adversarial.logits(model, batch).detach()
    H = torch.autograd.functional.hessian(
        lambda flat: adversarial.divergence(said, adversarial.logits(model, batch, flat.view(shape))),
        torch.zeros(shape.numel(), dtype=torch.float64),
    )
    g = adversarial.gradient(model, batch, adversarial.no_shift(model, batch), adversarial.negative_margin).flatten()
    p = said.softmax(-1)[0]
    agree(H, p[0] * p[1] * torch.outer(g, g), within=1e-8)


@pytest.mark.proof("15", "the virtual shift", "the top eigenvector, torch.linalg.eigh", "a random CNN of two classes")
def test_the_virtual_shift_is_the_top_eigenvector():
    model, batch = tiny(6), adversarial.with_labels([[4, 9, 17, 12]], [0])
    shape, said = adversarial.no_shift(model, batch).shape, adversarial.logits(model, batch).detach()
    H = torch.autograd.functional.hessian(
        lambda flat: adversarial.divergence(said, adversarial.logits(model, batch, flat.view(shape))),
        torch.zeros(shape.numel(), dtype=torch.float64),
    )
    torch.manual_seed(0)
    found = adversarial.virtual_shift(model, batch, 0.01, tiny=1e-4).flatten()
    agree((found @ torch.linalg.eigh(H).eigenvectors[:, -1]).abs() / found.norm(), 1.0, within=1e-3)


def learnable(count=240):
    """Texts in which one of two words decides."""
    draw = random.Random(0)
    labels = [i % 2 for i in range(count)]
    return [[*(draw.randrange(8, 20) for _ in range(4)), 3 + 2 * label + draw.randrange(2)] for label in labels], labels


@pytest.mark.parametrize("name", ["fgm", "pgd", "virtual", "certified"])
def test_each_loss_trains(name):
    ids, labels = learnable()
    choices = torch.tensor([[i, {3: 4, 4: 3, 5: 6, 6: 5}.get(i, i)] for i in range(20)])
    loss = {
        "fgm": adversarial.adversarial_loss(0.05),
        "pgd": adversarial.adversarial_loss(0.05, 2),
        "virtual": adversarial.virtual_loss(0.05),
        "certified": certificates.certified_loss(choices, 60),
    }[name]
    model = tiny(double=False)
    classifying.train(model, ids, labels, epochs=10, learning_rate=2e-2, loss=loss)
    right = (classifier.logits(model, ids).argmax(1) == np.array(labels)).mean()
    assert right > 0.95
    if name == "certified":
        assert np.mean(certificates.certified(model, ids, labels, choices)) > 0.9


def test_the_virtual_loss_takes_texts_without_a_label():
    model, batch = tiny(), drawn(7)
    value, count = adversarial.virtual_loss(0.1)(model, {**batch, "labels": torch.full_like(batch["labels"], -100)})
    assert count == len(batch["labels"]) and value.item() >= 0 and torch.isfinite(value)


def test_hotflip_is_the_first_order_change():
    model, batch = tiny(8), adversarial.with_labels([[4, 9, 17, 12]], [1])
    g = adversarial.gradient(model, batch, adversarial.no_shift(model, batch))[0]
    estimate = attacks.hotflip(g, model.embedding.weight, batch["input_ids"][0])
    assert estimate.shape == (4, 20) and not estimate[torch.arange(4), batch["input_ids"][0]].abs().gt(1e-12).any()
    step = 1e-5 * (model.embedding.weight[7] - model.embedding.weight[9])
    shift = adversarial.no_shift(model, batch)
    shift[0, 1] = step
    before, after = (F.cross_entropy(adversarial.logits(model, batch, s), batch["labels"]) for s in (None, shift))
    assert (after - before).item() / 1e-5 == pytest.approx(estimate[1, 7].item(), rel=1e-3)


# --- certificates -----------------------------------------------------------------------------------------------------


@pytest.mark.proof("15", "least outputs by intervals", "the least over all corners", "a random linear layer")
def test_intervals_of_a_linear_layer_are_exact():
    torch.manual_seed(0)
    linear, middle, width = torch.nn.Linear(6, 4).double(), torch.randn(6).double(), torch.rand(6).double()
    low, high = certificates.interval_linear(middle - width, middle + width, F.linear, linear.weight, linear.bias)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 6).double()
    outputs = linear(middle + corners * width)
    agree(low, outputs.amin(0), within=1e-12)
    agree(high, outputs.amax(0), within=1e-12)


@pytest.mark.proof("15", "largest outputs by intervals", "the largest over all corners", "a random convolution")
def test_intervals_of_a_convolution_are_exact():
    torch.manual_seed(0)
    layer, middle, width = (
        torch.nn.Conv1d(2, 3, 2).double(),
        torch.randn(1, 2, 4).double(),
        torch.rand(1, 2, 4).double(),
    )
    _, high = certificates.interval_linear(middle - width, middle + width, F.conv1d, layer.weight, layer.bias)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 8).double().view(-1, 2, 4)
    agree(high[0], layer(middle + corners * width).amax(0), within=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_no_exchange_of_words_breaks_a_certified_text(seed):
    model, batch, draw = tiny(seed), drawn(seed, texts=12), random.Random(seed)
    choices = torch.tensor([[i, *(draw.randrange(3, 20) if i >= 3 else i for _ in range(2))] for i in range(20)])
    with torch.no_grad():
        model.embedding.weight[3:] = model.embedding.weight[3] + 0.3 * model.embedding.weight[3:]
    worst = certificates.worst_logits(model, batch, choices)
    for i, label in enumerate(batch["labels"].tolist()):
        ids = batch["input_ids"][i][batch["attention_mask"][i] == 1]
        texts = torch.cartesian_prod(*choices[ids]).view(-1, len(ids))
        said = model(texts, torch.ones_like(texts))
        assert (said - said[:, [label]]).amax(0)[1 - label] <= worst[i, 1 - label] + 1e-9
    exact = certificates.worst_logits(model, batch, choices, scale=0.0)
    said = model(batch["input_ids"], batch["attention_mask"])
    agree(exact, said - said.gather(1, batch["labels"][:, None]), within=1e-10)


# --- texts from elsewhere ---------------------------------------------------------------------------------------------


@pytest.mark.proof("15", "outliers.auroc", "sklearn.metrics.roc_auc_score", "random scores with ties")
@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    inside, outside = rng.normal(0.5, 1, 30).round(1), rng.normal(0, 1, 20).round(1)
    theirs = roc_auc_score([1] * 30 + [0] * 20, [*inside, *outside])
    agree(outliers.auroc(inside, outside), theirs, within=1e-12)


@pytest.mark.proof("15", "outliers.Mahalanobis", "scipy.spatial.distance.cdist", "random vectors of three classes")
def test_the_distance_is_that_of_scipy():
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(80, 5)), rng.integers(3, size=80)
    ours = outliers.Mahalanobis(vectors, labels)
    theirs = cdist(vectors, ours.means, "mahalanobis", VI=np.linalg.inv(ours.covariance)) ** 2
    agree(ours.squared(vectors), theirs, within=1e-9)
    agree(ours(vectors), -theirs.min(axis=1), within=1e-9)


def test_with_two_opposite_logits_energy_and_probability_order_alike():
    z = np.random.default_rng(0).normal(size=50)
    logits = np.stack([z, -z], axis=1)
    order = [np.argsort(score(logits)) for score in (outliers.max_probability, outliers.negative_energy)]
    assert (order[0] == order[1]).all()


def test_a_threshold_keeps_at_least_what_was_asked_for():
    rng = np.random.default_rng(0)
    inside = rng.normal(size=200)
    assert outliers.let_in(inside, inside, 0.95) == pytest.approx(0.95)
    assert outliers.let_in([4.0, 3.0, 2.0, 1.0], [0.5, 2.5, 3.5], 0.5) == pytest.approx(1 / 3)


# --- behaviour --------------------------------------------------------------------------------------------------------


def test_templates_expand_in_order_and_begin_with_a_capital():
    made = behaviour.expand("{thing} was {word}.", thing=["the soup", "it"], word=["good", "bad"])
    assert made == ["The soup was good.", "The soup was bad.", "It was good.", "It was bad."]


def test_the_three_kinds_of_tests_name_what_fails():
    p = {"good": 0.9, "bad": 0.6, "not good": 0.8, "very good": 0.7}

    def ask(texts):
        return np.array([p[text] for text in texts])

    assert behaviour.minimum_functionality(ask, "complaint", ["bad"], 0).failed == ["bad"]
    assert behaviour.minimum_functionality(ask, "praise", ["good", "bad"], 1).failure_rate == 0
    assert behaviour.invariance(ask, "same", [("good", "bad")]).failed == []
    assert behaviour.direction(ask, "stronger", [("good", "very good")], 1).failed == ["good / very good"]
    assert behaviour.direction(ask, "stronger", [("good", "very good")], 1, tolerance=0.3).failed == []


def test_the_rooms_modules_have_short_names():
    for name in ("attacks", "adversarial", "certificates", "outliers", "behaviour"):
        assert getattr(lm, name).__name__ == f"lmtutor.trust.{name}"

"""Attribution: complete, equal to captum and shap, the axioms hold, bad input gets one sentence."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_code import solutions
from torch import nn

from lmtutor.runtime import CourseError
from lmtutor.trust import attribution


def close(ours, theirs, within):
    """The two agree; in float64."""
    ours, theirs = (torch.as_tensor(np.asarray(x.detach() if hasattr(x, "detach") else x), dtype=torch.float64)
                    for x in (ours, theirs))  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=0, atol=within)


def network(seed=0):
    """A small classifier of [n, time, size], and its score of class 1."""
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Flatten(), nn.Linear(5 * 3, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    return body, lambda x: body(x)[:, 1]


def some_inputs(seed=1, batch=2):
    torch.manual_seed(seed)
    return torch.randn(batch, 5, 3).double()


def random_game(players, seed=0):
    table = np.random.default_rng(seed).normal(size=2**players)
    return lambda masks: table[(np.asarray(masks, dtype=int) * 2 ** np.arange(players)).sum(1)]


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.proof("16", "gradient times input", "captum InputXGradient", "a random network")
def test_gradient_times_input_is_captums():
    captum = pytest.importorskip("captum.attr")
    body, score = network()
    x = some_inputs()
    theirs = captum.InputXGradient(body).attribute(x.clone().requires_grad_(), target=1)
    close(attribution.gradient_times_input(score, x), theirs, within=1e-12)


@pytest.mark.proof("16", "integrated gradients", "captum IntegratedGradients", "a random network, four rules")
@pytest.mark.parametrize("rule, theirs", [("left", "riemann_left"), ("middle", "riemann_middle"),
                                          ("right", "riemann_right"), ("gauss", "gausslegendre")])  # fmt: skip
def test_integrated_gradients_are_captums(rule, theirs):
    captum = pytest.importorskip("captum.attr")
    body, score = network()
    x, baseline = some_inputs(), some_inputs(2)
    found = attribution.integrated_gradients(score, x, baseline, steps=7, rule=rule, at_once=6)
    other = captum.IntegratedGradients(body).attribute(x, baseline, target=1, n_steps=7, method=theirs)
    close(found, other, within=1e-6)  # captum keeps the weights of the rule in float32


@pytest.mark.proof("16", "sum of the integrated gradients", "score(input) - score(baseline)", "a random network")
def test_integrated_gradients_are_complete():
    _, score = network()
    x, baseline = some_inputs(), some_inputs(3)
    found = attribution.integrated_gradients(score, x, baseline, steps=40)
    close(found.sum((1, 2)), score(x) - score(baseline), within=1e-9)


@pytest.mark.proof("16", "gradient methods on a linear model", "weight times difference", "random numbers")
def test_all_methods_agree_on_a_linear_model():
    torch.manual_seed(0)
    weight, x, baseline = (torch.randn(1, 5).double() for _ in range(3))
    wanted = weight * (x - baseline)
    score = lambda x: (x * weight).sum(1)  # noqa: E731
    close(attribution.gradient_times_input(score, x, baseline), wanted, within=1e-12)
    close(attribution.integrated_gradients(score, x, baseline, steps=1, rule="left"), wanted, within=1e-12)
    value = lambda masks: score(torch.where(torch.as_tensor(masks), x, baseline)).numpy()  # noqa: E731
    close(attribution.occlusion(value, 5), wanted[0], within=1e-12)
    close(attribution.shapley(value, 5), wanted[0], within=1e-12)
    close(attribution.shapley_sampling(value, 5, 1)[0], wanted[0], within=1e-12)


@pytest.mark.proof("16", "the chapter's integrated gradients in lists", "the package's", "a product of two numbers")
def test_the_exercise_equals_the_package():
    namespace = {}
    exec(solutions()["explain.integrated"].code, namespace)
    x, baseline = [1.5, -2.0], [0.5, 1.0]
    mine = namespace["integrated"](lambda p: [p[1] ** 2, 2 * p[0] * p[1]], x, baseline, 6)
    score = lambda x: x[:, 0] * x[:, 1] ** 2  # noqa: E731
    theirs = attribution.integrated_gradients(
        score, torch.tensor([x]).double(), torch.tensor(baseline), steps=6, rule="middle"
    )
    close(mine, theirs[0], within=1e-12)


def test_weights_of_each_rule_have_the_sum_one():
    for rule in attribution.RULES:
        places, weights = attribution.line(rule, 9)
        assert weights.sum() == pytest.approx(1) and places.min() >= 0 and places.max() <= 1


# --- games ------------------------------------------------------------------------------------------------------------


@pytest.mark.proof("16", "leaving one word out", "captum FeatureAblation on ids", "a random bag of embeddings")
def test_occlusion_is_captums():
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    embedding = nn.Embedding(20, 3).double()
    score = lambda ids: embedding(ids).sum(1).tanh().prod(1)  # noqa: E731
    ids = torch.tensor([3, 7, 1, 7])
    theirs = captum.FeatureAblation(score).attribute(ids[None], baselines=0)
    found = attribution.occlusion(attribution.word_game(score, ids, 0), 4)
    close(found, theirs[0], within=1e-12)


@pytest.mark.proof("16", "Shapley values by enumeration", "shap Exact", "a random game of six players")
def test_shapley_values_are_shaps():
    shap = pytest.importorskip("shap")
    value = random_game(6)
    explainer = shap.explainers.ExactExplainer(lambda x: value(x > 0.5), np.zeros((1, 6)))
    theirs = explainer(np.ones((1, 6))).values[0]
    close(attribution.shapley(value, 6), theirs, within=1e-12)


@pytest.mark.proof("16", "Shapley values by sampling, the same orders", "shap Permutation", "a random game of six")
def test_sampled_shapley_values_are_shaps():
    shap = pytest.importorskip("shap")
    value, count = random_game(6), 4
    explainer = shap.explainers.PermutationExplainer(lambda x: value(x > 0.5), np.zeros((1, 6)), seed=3)
    theirs = explainer(np.ones((1, 6)), max_evals=count * 13, silent=True).values[0]
    np.random.seed(3)
    order, orders = np.arange(6), []
    for _ in range(count):
        np.random.shuffle(order)
        orders.append(order.tolist())
    close(attribution.shapley_sampling(value, 6, orders)[0], theirs, within=1e-12)


@pytest.mark.proof("16", "Shapley values by enumeration", "the mean over all orders", "random games")
@settings(max_examples=15, deadline=None)
@given(players=st.integers(1, 5), seed=st.integers(0, 1000))
def test_enumeration_is_the_mean_over_all_orders(players, seed):
    value = random_game(players, seed)
    found = attribution.shapley(value, players)
    orders = list(permutations(range(players)))
    for antithetic in (False, True):
        close(found, attribution.shapley_sampling(value, players, orders, antithetic=antithetic)[0], 1e-9)
    everybody = value(np.ones((1, players)))[0] - value(np.zeros((1, players)))[0]
    assert found.sum() == pytest.approx(everybody)  # nothing is lost, nothing invented


@pytest.mark.proof("16", "the chapter's Shapley values", "the package's", "a random game of four")
def test_the_exercise_by_orders_equals_the_package():
    namespace = {}
    exec(solutions()["explain.shapley_values"].imports, namespace)
    exec(solutions()["explain.shapley_values"].code, namespace)
    names, value = ["a", "b", "c", "d"], random_game(4)
    of_team = lambda team: value([[name in team for name in names]])[0]  # noqa: E731
    close(namespace["shapley_values"](of_team, names), attribution.shapley(value, 4), within=1e-12)


def test_the_axioms_hold():
    first, second = random_game(4, 1), random_game(4, 2)
    both = attribution.shapley(lambda masks: first(masks) + 2 * second(masks), 4)
    assert both == pytest.approx(attribution.shapley(first, 4) + 2 * attribution.shapley(second, 4))  # additivity
    idle = attribution.shapley(lambda masks: first(np.array(masks) & [1, 1, 1, 0]), 4)
    assert idle[3] == pytest.approx(0)  # who changes nothing gets nothing
    alike = attribution.shapley(lambda masks: np.asarray(masks)[:, :2].sum(1) ** 2 + np.asarray(masks)[:, 2], 4)
    assert alike[0] == pytest.approx(alike[1])  # who is alike gets alike


def test_sampling_tells_its_error():
    value = random_game(6, 5)
    exact = attribution.shapley(value, 6)
    misses = []
    for seed in range(60):
        found, error = attribution.shapley_sampling(value, 6, 30, seed=seed)
        misses.append((found - exact) / error)
    assert 0.7 < np.std(misses) < 1.4
    assert all(map(math.isnan, attribution.shapley_sampling(value, 6, 1)[1]))


def test_pairs_balance_what_depends_on_two():
    """If at most two players work together, an order and its reverse give the exact values."""
    pairs = np.random.default_rng(0).normal(size=(5, 5))
    value = lambda masks: np.einsum("ni,ij,nj->n", masks, pairs, masks)  # noqa: E731
    found = attribution.shapley_sampling(value, 5, 1)[0]
    close(found, attribution.shapley(value, 5), within=1e-12)


def test_faithfulness_of_a_known_game():
    value = lambda masks: np.asarray(masks, dtype=float) @ [3, 2, 0, 0]  # noqa: E731
    assert attribution.faithfulness(value, [9, 8, 1, 0], [0.25]) == (3, 2)
    assert attribution.faithfulness(value, [9, 8, 1, 0], [0.5]) == (5, 0)
    assert attribution.faithfulness(value, [0, 0, 1, 2], [0.5]) == (0, 5)
    assert attribution.faithfulness(value, [9, 8, 1, 0], [0.01, 1.0]) == (4, 1)  # one word at least


def test_a_game_of_words_replaces_those_who_are_not_there():
    seen = []
    value = attribution.word_game(lambda ids: seen.append(ids.tolist()) or ids.sum(1), torch.tensor([5, 6, 7]), 0, 2)
    assert value([[True, True, True], [True, False, True], [False, False, False]]).tolist() == [18, 12, 0]
    assert seen == [[[5, 6, 7], [5, 0, 7]], [[0, 0, 0]]]
    other = attribution.word_game(lambda ids: ids.sum(1), torch.tensor([5, 6]), [1, 2])
    assert other([[False, False]]).tolist() == [3]


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "work, said",
    [
        (lambda s, x: attribution.integrated_gradients(s, x, torch.zeros(4)), r"baseline has the shape \[4\]"),
        (lambda s, x: attribution.gradient_times_input(s, x, torch.zeros(3, 5, 3)), "baseline has the shape"),
        (lambda s, x: attribution.integrated_gradients(s, x, steps=0), "1 at least, not 0"),
        (lambda s, x: attribution.integrated_gradients(s, x, steps=2.5), "1 at least, not 2.5"),
        (lambda s, x: attribution.integrated_gradients(s, x, rule="middel"), "did you mean"),
        (lambda s, x: attribution.integrated_gradients(s, x[:0]), "an input to explain"),
        (lambda s, x: attribution.gradient_times_input(s, torch.ones(2, 3, dtype=torch.long)), "embed the words"),
        (lambda s, x: attribution.gradient_times_input(lambda x: x.sum(2), x), "choose one class"),
        (lambda s, x: attribution.word_game(s, torch.tensor([], dtype=torch.long), 0), "no words to explain"),
        (lambda s, x: attribution.word_game(s, torch.tensor([1, 2]), [0]), "1 fillers for 2 words"),
        (lambda s, x: attribution.occlusion(s, 0), "no words to explain"),
        (lambda s, x: attribution.shapley(s, 0), "no words to explain"),
        (lambda s, x: attribution.shapley(s, 30), "too many to try each"),
        (lambda s, x: attribution.shapley_sampling(s, 3, 0), "one order or more"),
        (lambda s, x: attribution.shapley_sampling(s, 3, [[0, 1, 1]]), "each with all 3 players once"),
        (lambda s, x: attribution.faithfulness(s, []), "no words to explain"),
        (lambda s, x: attribution.faithfulness(s, [1.0], [0.0]), "above 0"),
    ],
)
def test_bad_input_gets_one_clear_sentence(work, said):
    _, score = network()
    with pytest.raises(CourseError, match=said):
        work(score, some_inputs())

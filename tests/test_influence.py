"""Influence: the optimum is scikit-learn's, derivatives are autograd's, predictions hold against training again."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from lmtutor import influence
from lmtutor.runtime import CourseError


def clouds(seed=0, examples=80, features=6):
    draw = np.random.default_rng(seed)
    labels = draw.integers(2, size=examples)
    x = draw.normal(size=(examples, features)) + 0.8 * (2 * labels - 1)[:, None] * (np.arange(features) < 2)
    return influence.with_ones(x), labels


@pytest.mark.proof("14", "logistic regression by Newton's method", "scikit-learn", "random clouds")
def test_the_optimum_is_scikit_learn_s():
    x, labels = clouds()
    for strength in (0.1, 1.0, 10.0):
        theirs = LogisticRegression(C=1 / strength, fit_intercept=False, tol=1e-12, max_iter=10_000).fit(x, labels)
        np.testing.assert_allclose(influence.fit(x, labels, strength), theirs.coef_[0], atol=1e-6)


@pytest.mark.proof("14", "losses, gradients, Hessian by hand", "torch.func", "random clouds")
def test_derivatives_are_autograd_s():
    x, labels = clouds(examples=12)
    weights, strength = np.random.default_rng(1).normal(size=x.shape[1]), 0.7
    at, xs, ys = torch.tensor(weights), torch.tensor(x), torch.tensor(labels)

    def loss(w, one, label):
        return torch.nn.functional.softplus(-(2 * label - 1) * (one @ w))

    def whole(w):
        return sum(loss(w, one, label) for one, label in zip(xs, ys, strict=True)) + strength / 2 * w @ w

    each = torch.stack([torch.func.grad(loss)(at, one, label) for one, label in zip(xs, ys, strict=True)])
    np.testing.assert_allclose(influence.gradients(x, labels, weights), each.numpy(), atol=1e-12)
    theirs = torch.func.hessian(whole)(at).numpy()
    np.testing.assert_allclose(influence.hessian(x, weights, strength), theirs, atol=1e-12)
    np.testing.assert_allclose(influence.losses(x, labels, weights)[3], loss(at, xs[3], ys[3]).item(), atol=1e-12)


@pytest.mark.proof("14", "influence, with the leverage", "one Newton step without the example", "random clouds")
def test_with_the_leverage_it_is_one_newton_step_on_what_is_left():
    (x, labels), (x_test, labels_test) = clouds(), clouds(1, 20)
    weights = influence.fit(x, labels, 1.0)
    ours = influence.predicted(x, labels, x_test, labels_test, weights, 1.0, leverage=True)
    slopes = influence.gradients(x_test, labels_test, weights)
    for i in range(0, 80, 9):
        left = np.arange(80) != i
        curved = influence.hessian(x[left], weights, 1.0)
        slope = influence.gradients(x[left], labels[left], weights).sum(0) + weights
        np.testing.assert_allclose(ours[:, i], slopes @ -np.linalg.solve(curved, slope), atol=1e-9)


@pytest.mark.proof("14", "influence", "the derivative by a small weight", "random clouds, finite differences")
def test_influence_is_the_derivative_by_the_weight_of_the_example():
    (x, labels), (x_test, labels_test) = clouds(), clouds(1, 20)
    weights = influence.fit(x, labels, 1.0)
    ours = influence.predicted(x, labels, x_test, labels_test, weights, 1.0)
    for i in (0, 40):
        counts = np.ones(80)
        counts[i] = 1 - 1e-3
        rise = influence.losses(x_test, labels_test, influence.fit(x, labels, 1.0, counts=counts))
        rise -= influence.losses(x_test, labels_test, weights)
        np.testing.assert_allclose(ours[:, i], rise / 1e-3, atol=1e-4)


def test_it_agrees_with_leaving_out_and_training_again():
    (x, labels), (x_test, labels_test) = clouds(), clouds(1, 20)
    weights = influence.fit(x, labels, 1.0)
    truth = influence.left_out(x, labels, x_test, labels_test, 1.0)
    plain = influence.predicted(x, labels, x_test, labels_test, weights, 1.0)
    whole = influence.predicted(x, labels, x_test, labels_test, weights, 1.0, leverage=True)
    assert spearmanr(plain.ravel(), truth.ravel()).statistic > 0.95
    assert np.abs(whole - truth).mean() < 0.5 * np.abs(plain - truth).mean()
    pair = influence.left_out(x, labels, x_test, labels_test, 1.0, [[0, 1], [2]])
    assert pair.shape == (20, 2)
    np.testing.assert_allclose(pair[:, 1], truth[:, 2], atol=1e-9)


@pytest.mark.proof("14", "TracIn over all steps of a small rate", "the fall of the test loss", "random clouds")
def test_the_small_steps_of_tracin_add_up_to_what_the_test_loss_fell():
    (x, labels), (x_test, labels_test) = clouds(), clouds(1, 20)
    weights, steps, rate = np.zeros(x.shape[1]), [], 1e-4
    for _ in range(200):
        steps.append((weights, rate))
        weights = weights - rate * influence.gradients(x, labels, weights).sum(0)
    fell = influence.losses(x_test, labels_test, 0 * weights) - influence.losses(x_test, labels_test, weights)
    traced = influence.tracin(steps, x, labels, x_test, labels_test).sum(1)
    np.testing.assert_allclose(traced, fell, atol=0.02 * np.abs(fell).max())


@pytest.mark.parametrize(
    ("labels", "strength", "said"),
    [([0, 1, 1], 1.0, "4 examples, but 3 labels"), ([0, 0, 0, 0], 1.0, "one class"), ([0, 1, 2, 1], 1.0, "0 or 1"),
     ([0, 1, 0, 1], 0.0, "above 0")],
)  # fmt: skip
def test_what_cannot_be_fitted_is_told(labels, strength, said):
    with pytest.raises(CourseError, match=said):
        influence.fit(np.eye(4), labels, strength)


def test_leaving_out_a_whole_class_and_no_checkpoints_are_told():
    x, labels = np.eye(4), np.array([0, 1, 0, 0])
    with pytest.raises(CourseError, match="one class"):
        influence.left_out(x, labels, x, labels, 1.0)
    with pytest.raises(CourseError, match="at least one checkpoint"):
        influence.tracin([], x, labels, x, labels)

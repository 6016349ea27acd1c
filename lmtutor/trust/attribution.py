"""Attribution: how much did each part of an input do for one number of a model? Built in chapter 16.

Methods that use gradients take a `score` of vectors: [n, ...] -> [n]. Methods that leave parts out take a game, which
is a function of masks: `value(masks)` with masks [coalitions, players], True where a player takes part, gives
[coalitions]. `word_game` makes one of a text: the players are its words, and who does not take part is replaced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from lmtutor.runtime import CourseError, choose

Score = Callable[[torch.Tensor], torch.Tensor]
Value = Callable[[np.ndarray], np.ndarray]
RULES = ("left", "middle", "right", "gauss")
MOST_PLAYERS = 20  # of an enumeration: a million coalitions


# --- with gradients ---------------------------------------------------------------------------------------------------


def gradient_times_input(score: Score, inputs: torch.Tensor, baseline: torch.Tensor | float = 0.0) -> torch.Tensor:
    """The gradient at the input times its difference from the baseline: [batch, ...] -> the same shape.

    Args:
        score: [batch, ...] -> [batch]; no example's score may depend on another example.
        inputs: [batch, ...].
        baseline: of the inputs' shape, or one that is repeated along their first dimensions.

    Raises:
        CourseError: the baseline has another shape, or the score is not one number an example.
    """
    baseline = _fitting(baseline, inputs)
    return _gradients(score, inputs.detach()) * (inputs.detach() - baseline)


def integrated_gradients(
    score: Score,
    inputs: torch.Tensor,
    baseline: torch.Tensor | float = 0.0,
    *,
    steps: int = 50,
    rule: str = "gauss",
    at_once: int = 2048,
) -> torch.Tensor:
    """Integrated gradients (Sundararajan, Taly and Yan, 2017, eq. 1): [batch, ...] -> the same shape.

    The gradient's mean on the straight line from the baseline to the input, times the difference of the two. The sum
    over an example is score(input) - score(baseline), up to the error of the rule.

    Args:
        score: [k * batch, ...] -> [k * batch], where the batch stands k times in a row, for k places of the line.
        inputs: [batch, ...].
        baseline: where the line begins; as in `gradient_times_input`.
        steps: places on the line at which the gradient is computed.
        rule: where they are, and what each counts: "left", "middle" or "right" of equal stretches, or "gauss"
            (Gauss-Legendre).
        at_once: examples that the score is handed at once, at most, if the batch is not larger.

    Raises:
        CourseError: as in `gradient_times_input`, there is no step, or the rule is unknown.
    """
    inputs, baseline = inputs.detach(), _fitting(baseline, inputs)
    difference = inputs - baseline
    where, counts = (torch.as_tensor(x, dtype=inputs.dtype, device=inputs.device) for x in line(rule, steps))
    total, group = torch.zeros_like(inputs), max(1, at_once // len(inputs))
    for at, weight in zip(where.split(group), counts.split(group), strict=True):
        shape = (len(at), *[1] * inputs.ndim)
        path = (baseline + at.view(shape) * difference).flatten(0, 1)  # [k * batch, ...]
        gradients = _gradients(score, path).unflatten(0, (len(at), -1))  # [k, batch, ...]
        total += (weight.view(shape) * gradients).sum(0)
    return total * difference


def line(rule: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Places between 0 and 1 and the weight of each, with sum 1, for a mean over the line: two arrays [steps].

    Raises:
        CourseError: there is no step, or the rule is unknown.
    """
    choose(rule, RULES, "The rule")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise CourseError(f"Integrated gradients needs a whole number of steps, 1 at least, not {steps!r}.")
    if rule == "gauss":
        places, weights = np.polynomial.legendre.leggauss(steps)
        return (places + 1) / 2, weights / 2
    shift = {"left": 0.0, "middle": 0.5, "right": 1.0}[rule]
    return (np.arange(steps) + shift) / steps, np.full(steps, 1 / steps)


def _gradients(score: Score, x: torch.Tensor) -> torch.Tensor:
    """The gradient of each example's score: [n, ...] -> the same shape."""
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        scores = score(x)
        if scores.shape != (len(x),):
            raise CourseError(
                f"A score must give one number for each of the {len(x)} examples, but its shape is "
                f"{list(scores.shape)}: choose one class."
            )
        return torch.autograd.grad(scores.sum(), x)[0]


def _fitting(baseline: torch.Tensor | float, inputs: torch.Tensor) -> torch.Tensor:
    """The baseline in the inputs' shape and kind."""
    if len(inputs) == 0 or not inputs.is_floating_point():
        raise CourseError("There must be an input to explain, in decimal numbers: embed the words first.")
    baseline = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device).detach()
    try:
        return baseline.expand(inputs.shape)
    except RuntimeError:
        raise CourseError(
            f"The baseline has the shape {list(baseline.shape)}, which does not fit inputs of shape "
            f"{list(inputs.shape)}: it needs the same shape, or that of one word's vector."
        ) from None


# --- by leaving out ---------------------------------------------------------------------------------------------------


def word_game(score: Score, ids: torch.Tensor, filler: int | Sequence[int], at_once: int = 1024) -> Value:
    """The game of a text: its words are the players; a word that does not take part is replaced.

    Args:
        score: ids [n, time] -> [n]; it is called without gradients.
        ids: of the text, [time].
        filler: the id that stands in for a missing word, or one for each place.
        at_once: texts that the score is handed at once, at most.

    Raises:
        CourseError: the text has no words, or there is another number of fillers than words.
    """
    ids = torch.as_tensor(ids)
    if ids.ndim != 1 or len(ids) == 0:
        raise CourseError("There are no words to explain: give the ids of one text, a row of one number at least.")
    missing = torch.as_tensor(filler, dtype=ids.dtype)
    if missing.ndim and missing.shape != ids.shape:
        raise CourseError(f"There are {len(missing)} fillers for {len(ids)} words; give one, or one for each word.")

    def value(masks: np.ndarray) -> np.ndarray:
        texts = torch.where(torch.as_tensor(masks, dtype=torch.bool), ids, missing)  # [coalitions, time]
        with torch.no_grad():
            return torch.cat([score(some) for some in texts.split(at_once)]).double().cpu().numpy()

    return value


def occlusion(value: Value, players: int) -> np.ndarray:
    """What is lost when one player leaves and all others stay: [players] (Zeiler and Fergus, 2014; Li et al., 2016).

    Raises:
        CourseError: there is no player.
    """
    _checked(players)
    found = value(np.vstack([np.ones((1, players), dtype=bool), ~np.eye(players, dtype=bool)]))
    return found[0] - found[1:]


def shapley(value: Value, players: int) -> np.ndarray:
    """Shapley values by enumeration (Shapley, 1953): [players]. It asks for the value of all 2**players coalitions.

    Raises:
        CourseError: there is no player, or there are more than `MOST_PLAYERS`.
    """
    _checked(players)
    if players > MOST_PLAYERS:
        raise CourseError(
            f"{players} players form {2**players:,} coalitions, too many to try each; `shapley_sampling` draws some."
        )
    number = np.arange(2**players)
    masks = (number[:, None] >> np.arange(players)) & 1 == 1  # [coalitions, players]
    values, sizes = np.asarray(value(masks), dtype=float), masks.sum(1)
    weight = np.array([1 / (players * math.comb(players - 1, size)) for size in range(players)])
    found = np.empty(players)
    for player in range(players):
        without = number[~masks[:, player]]
        found[player] = weight[sizes[without]] @ (values[without | 1 << player] - values[without])
    return found


def shapley_sampling(
    value: Value,
    players: int,
    orders: int | Sequence[Sequence[int]] = 10,
    *,
    antithetic: bool = True,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Shapley values as a mean over random orders (Castro, Gómez and Tejada, 2009), and their standard errors.

    In each order players come in one by one; each gets by how much the value rises when it comes.

    Args:
        value: the game.
        players: how many.
        orders: how many orders are drawn, or the orders themselves.
        antithetic: whether each order is also taken from its end, which often balances errors (Mitchell et al., 2022).
        seed: of the draw.

    Returns:
        Two arrays [players]; the errors are nan if there is one order only.

    Raises:
        CourseError: there is no player, no order, or one that does not hold each player once.
    """
    _checked(players)
    if isinstance(orders, int):
        draw = np.random.default_rng(seed)
        orders = [draw.permutation(players) for _ in range(orders)]
    if len(orders) == 0 or any(sorted(order) != list(range(players)) for order in orders):
        raise CourseError(f"Shapley values need one order or more, each with all {players} players once.")
    # Player p takes part in coalition k of an order if it is among the first k: [orders, players - 1, players].
    place = np.argsort(np.asarray(orders), axis=1)
    partial = place[:, None, :] < np.arange(1, players)[None, :, None]
    ways = np.stack([partial, ~partial[:, ::-1]], axis=1) if antithetic else partial[:, None]
    ends = np.array([np.zeros(players), np.ones(players)], dtype=bool)  # the same in all orders: asked for once
    values = np.asarray(value(np.vstack([ends, ways.reshape(-1, players)])), dtype=float)
    first, last = (np.full((*ways.shape[:2], 1), end) for end in values[:2])
    chain = np.concatenate([first, values[2:].reshape(ways.shape[:3]), last], axis=2)  # [orders, ways, players + 1]
    rise = np.diff(chain, axis=2)  # of the player that comes k-th, [orders, ways, players]
    turns = np.stack([place, players - 1 - place], axis=1) if antithetic else place[:, None]
    gains = np.take_along_axis(rise, turns, axis=2).mean(1)  # [orders, players]
    error = gains.std(0, ddof=1) / math.sqrt(len(gains)) if len(gains) > 1 else np.full(players, np.nan)
    return gains.mean(0), error


def faithfulness(
    value: Value, scores: Sequence[float], shares: Sequence[float] = (0.1, 0.2, 0.5)
) -> tuple[float, float]:
    """Comprehensiveness and sufficiency (DeYoung et al., 2020), as means over the shares.

    Args:
        value: a game whose players are the words; of the model's probability of its own verdict.
        scores: of each word, [players]; the words with the highest ones are taken out, or alone kept.
        shares: of the words; one word at least.

    Returns:
        By how much the value falls without these words (more is better), and with these words alone (less is better).

    Raises:
        CourseError: there is no word, or a share is not between 0 and 1.
    """
    scores = np.asarray(scores, dtype=float)
    _checked(len(scores))
    if not all(0 < share <= 1 for share in shares) or len(shares) == 0:
        raise CourseError(f"Shares of the words must lie above 0 and be 1 at most, not {list(shares)}.")
    rank = np.argsort(np.argsort(-scores, kind="stable"), kind="stable")  # 0 for the highest
    kept = np.array([rank < max(1, round(share * len(scores))) for share in shares])  # [shares, players]
    values = value(np.vstack([np.ones_like(kept[:1]), ~kept, kept]))
    without, alone = values[1 : 1 + len(kept)], values[1 + len(kept) :]
    return float(values[0] - without.mean()), float(values[0] - alone.mean())


def _checked(players: int) -> None:
    if players < 1:
        raise CourseError("There are no words to explain: a game needs one player at least.")

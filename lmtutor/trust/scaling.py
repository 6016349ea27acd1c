"""Learning curves: the error over the number of examples, a power law through it, and where that leads.

Built and explained in chapter 14.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from lmtutor.runtime import CourseError


def power_law(sizes: Sequence[float] | np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """c + a n^-b for each n: [sizes]. c is the error that is left however many examples there are."""
    return c + a * np.asarray(sizes, dtype=float) ** -b


def fit_power_law(
    sizes: Sequence[float] | np.ndarray, errors: Sequence[float] | np.ndarray, floor: float | None = None
) -> tuple[float, float, float]:
    """The (a, b, c) of `power_law` nearest to the errors, by least squares. Cortes et al., 1993; Hestness et al., 2017.

    Args:
        sizes: numbers of examples, at least three different ones (two with a given floor).
        errors: the mean error at each of them, as a share: [sizes].
        floor: c, if it is known, such as 0 or the share of wrong labels; else it is fitted, from 0 up.

    Raises:
        CourseError: there are too few sizes, the two differ in number, or a size is not above 0.
    """
    n, e = np.asarray(sizes, dtype=float), np.asarray(errors, dtype=float)
    free = 3 if floor is None else 2
    if n.shape != e.shape or n.ndim != 1 or len(np.unique(n)) < free:
        raise CourseError(
            f"A power law with {free} numbers to find needs an error at {free} sizes at least, but the shapes are "
            f"{n.shape} and {e.shape}, with {len(np.unique(n))} different sizes."
        )
    if not (n > 0).all():
        raise CourseError("Sizes are numbers of examples, so they lie above 0.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # as many sizes as numbers: no spread, but a fit
        if floor is not None:
            (a, b), _ = curve_fit(lambda n, a, b: power_law(n, a, b, floor), n, e, p0=(1.0, 0.3), maxfev=20_000)
            return float(a), float(b), float(floor)
        start, bounds = (1.0, 0.3, max(0.0, 0.5 * float(e.min()))), ([0, 0, 0], [np.inf, 3, 1])
        (a, b, c), _ = curve_fit(power_law, n, e, p0=start, bounds=bounds, maxfev=20_000)
    return float(a), float(b), float(c)


def extrapolate(
    sizes: Sequence[float] | np.ndarray,
    errors: np.ndarray,
    at: Sequence[float] | np.ndarray,
    *,
    draws: int = 200,
    level: float = 0.9,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the power law through the small sizes says of other sizes, and how sure it is: by the bootstrap over runs.

    Args:
        sizes: numbers of examples at which was measured.
        errors: a row a run (another draw of the examples): [runs, sizes].
        at: sizes to be foretold.
        draws: so many times the runs are drawn with replacement, averaged, and fitted again.
        level: share of the fits that the band holds.

    Returns:
        The fit to the mean, and the lower and upper end of the band, each [at]. The band knows the chance of the
        draws; it does not know whether a power law is right.

    Raises:
        CourseError: there are fewer than three runs, and as in `fit_power_law`.
    """
    errors = np.asarray(errors, dtype=float)
    if errors.ndim != 2 or len(errors) < 3:
        raise CourseError(f"A band needs three runs at least: errors [runs, sizes], but the shape is {errors.shape}.")
    generator, found = np.random.default_rng(seed), []
    for _ in range(draws):
        again = errors[generator.integers(len(errors), size=len(errors))].mean(axis=0)
        found.append(power_law(at, *fit_power_law(sizes, again)))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return power_law(at, *fit_power_law(sizes, errors.mean(axis=0))), low, high

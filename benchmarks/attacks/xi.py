"""The optimality of an attack, as AttackBench measures it (Cina et al., 2025, arXiv:2404.19460).

d_i: the distance of the nearest counterexample that an attack found to image i, infinite where it
found none, 0 where the image is misclassified as it is. d*_i: the nearest that any attack of the
pool found. eps0: the largest finite d*_i. A(d) is the area under the share of images with
d_i > eps, for eps from 0 to eps0; rho0 the accuracy at eps = 0. Then

    xi = 1 - (A(d) - A(d*)) / (rho0 * eps0 - A(d*)),

1 if the attack is the best of the pool at every eps, 0 if it finds nothing below eps0. xi is
relative to its pool: the figures of two pools do not compare.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.float64]  # (n,)
Area = Callable[[Distances, float], float]


def exact(distances: Distances, eps0: float) -> float:
    """Return the area under the curve, which is a staircase: the mean of min(d_i, eps0)."""
    return float(np.minimum(distances, eps0).mean())


def trapezoid(distances: Distances, eps0: float) -> float:
    """Return the area as AttackBench's tables have it: straight lines between the stairs' feet.

    It begins at eps = 0, as theirs does wherever an image of the set is misclassified. Images that
    an attack did not break fall at eps0 along a line, so this form flatters one that breaks few.
    """
    eps, counts = np.unique(np.minimum(distances, eps0), return_counts=True)
    left = 1 - np.cumsum(counts) / len(distances)
    if eps[0] > 0:
        eps, left = np.concatenate([[0.0], eps]), np.concatenate([[1.0], left])
    return float(((left[1:] + left[:-1]) / 2 * np.diff(eps)).sum())


def xi(distances: Distances, nearest: Distances, area: Area = exact) -> float:
    """Return the optimality of distances, given the nearest that anybody found, (n,) both.

    NaN where all attacks together are no better than none.
    """
    found = nearest[np.isfinite(nearest)]
    eps0 = float(found.max()) if len(found) else 0.0
    rho0 = float((nearest > 0).mean())
    best = area(nearest, eps0)
    worst = rho0 * eps0
    if not worst > best:
        return float("nan")
    return 1 - (area(distances, eps0) - best) / (worst - best)

"""The linear model of a network around a point: its boundaries are planes, and one is nearest."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.attacks.core.points import Scored
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm, safe_divide, select
from holdfast.threat import Normed, Region, Trait
from holdfast.tree import positions, take

SURE = 1e-3  # share of a bound by which rounding may change it


def boundaries(
    objective: Objective, region: Region, z: Tensor, at: Rng, top: int
) -> tuple[Scored, Tensor, Tensor]:
    """Score z; return its signed gap to each boundary, (B, C), and (C, B, ...) gradients."""
    z = z.detach().requires_grad_(True)
    with torch.enable_grad():
        x_adv = region.lift(z, at)
        score, gaps, grads = objective.gaps(x_adv, z, at, top)
    point = z.detach()
    shown = point if x_adv is z else x_adv.detach()
    return Scored(point, shown, score, grads.abs().amax(0)), gaps, grads


def project_onto_plane(region: Normed, p: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
    """Return the valid point nearest to p with gap + <normal, point - p> = 0, from either side."""
    peak = norm(normal, torch.inf)
    scale = torch.where(gap > 0, -1.0, 1.0).to(peak.dtype) * torch.where(peak > 0, peak, 1.0)
    goal = (gap / scale).abs().nan_to_num(0.0, 0.0, 0.0)
    return region.reach(p, normal / expand_like(scale, normal), goal)


def nearest_plane(
    region: Normed, z: Tensor, gaps: Tensor, grads: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the point nearest to z on any of the planes gap + <grad, p - z> = 0, and that plane.

    gaps: (B, C); grads: (C, B, ...). A plane that no valid point reaches counts only where that
    holds of all. The plane is its gap (B,) and its gradient. Planes are tried from the one that
    would be nearest without a range, as long as a later one may be nearer; of equals, the first.
    """
    least = _distances(region, gaps, grads)
    order, best = least.argsort(dim=1, stable=True), z
    nearest = torch.full_like(gaps[:, 0], torch.inf)
    chosen = torch.zeros_like(order[:, 0])
    for which in order.unbind(1):
        bound = least.gather(1, which[:, None])[:, 0]
        rows = positions(bound * (1 - SURE) < nearest)
        if not len(rows):
            break
        part = region if len(rows) == len(z) else region.take(rows)
        here, which = take(z, rows), take(which, rows)
        p, size = _project_with_distance(part, here, gaps[rows, which], grads[which, rows])
        before, first = take(nearest, rows), take(chosen, rows)
        nearer = (size < before) | ((size == before) & (which < first))
        best = best.index_copy(0, rows, select(nearer, p, take(best, rows)))
        nearest[rows] = torch.where(nearer, size, before)
        chosen[rows] = torch.where(nearer, which, first)
    everyone = torch.arange(len(z), device=z.device)
    return best, gaps[everyone, chosen], grads[chosen, everyone]


def nearest_crossing(region: Normed, z: Tensor, gaps: Tensor, grads: Tensor) -> Tensor:
    """Return the valid point nearest to z on any of the planes gap + <grad, p - z> = 0 ahead."""
    return nearest_plane(region, z, gaps.clamp_max(0), grads)[0]


def _distances(region: Normed, gaps: Tensor, grads: Tensor) -> Tensor:
    """Return (B, C): a lower bound of the distance to each plane; infinite without a gradient."""
    slopes = region.dual_norm(grads.flatten(0, 1)).reshape(grads.shape[:2]).T
    if Trait.INTEGER in region.traits:  # a place gains its slope for a change of one
        slopes = slopes * (region.range[1] - region.range[0])
    far = (gaps.abs() / torch.where(slopes > 0, slopes, 1.0)).nan_to_num(0.0)
    return torch.where(slopes > 0, far, torch.inf)


def _project_with_distance(
    region: Normed, z: Tensor, gap: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """Project z onto a plane; return the point and its distance, 1e6 more if it is not on it."""
    p, peak = project_onto_plane(region, z, grad, gap), norm(grad, torch.inf)
    gained = dot(safe_divide(grad, peak), p - z).abs() * peak
    size = region.norms(p - z)
    return p, torch.where(gained < gap.abs() * (1 - 1e-3), 1e6 + size, size)


def dot(normal: Tensor, change: Tensor) -> Tensor:
    """Return (B,): the scalar product."""
    return (normal * change).flatten(1).sum(1)

"""The exact least distance of a counterexample on small models, and how near a search comes."""

from __future__ import annotations

from functools import cache

import torch

from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L0, L1, L2, Linf
from holdfast.threat import ThreatModel
from small_nets import linear, tiny

NETS, POINTS = 4, 16

SPACES = {"l0": L0(eps=1), "l1": L1(eps=0.5), "l2": L2(eps=0.2), "linf": Linf(eps=0.1)}


def least(space, weight, room, gap):
    """Return the least norm of a change within `room`, each (d,), that gains `gap`, in float64."""
    if float((weight * room).sum()) < gap:
        return torch.inf
    if isinstance(space, (L0, L1)):
        order = (weight * room if isinstance(space, L0) else weight).argsort(descending=True)
        gains, room = (weight * room)[order], room[order]
        total = gains.cumsum(0)
        last = int((total < gap).sum())
        if isinstance(space, L0):
            return last + 1
        before = float(total[last] - gains[last])
        return float(room[:last].sum()) + (gap - before) / float(weight[order][last])
    push = weight if isinstance(space, L2) else (weight > 0).double()
    low, high = 0.0, 1e6
    for _ in range(200):
        t = (low + high) / 2
        enough = float((weight * torch.minimum(room, t * push)).sum()) >= gap
        low, high = (low, t) if enough else (t, high)
    change = torch.minimum(room, high * push)
    return float(change.norm() if isinstance(space, L2) else change.max())


def closed_form(net, x, y, space):
    """Return (B,): the distance to the nearest class of a linear model, within the range."""
    weight, bias = net[1].weight.detach().double(), net[1].bias.detach().double()
    found = []
    for point, label in zip(x.flatten(1).double(), y.tolist(), strict=True):
        distances = []
        for k in range(len(weight)):
            if k == label:
                continue
            normal = weight[k] - weight[label]
            gap = -float((normal * point).sum() + bias[k] - bias[label])
            room = torch.where(normal > 0, 1 - point, point)
            distances.append(least(space, normal.abs(), room, gap))
        found.append(min(distances))
    return torch.tensor(found)


def run(attack, space, net, x, y):
    objective = Objective(ThreatModel(space), net, x, y)
    return attack(objective, space.around(x), Rng(0, torch.arange(len(x))))


def on_linear(attack, space, classes, d=60, n=20):
    """Return found and least distances; labels are the model's own."""
    net = linear((d,), classes)
    x = Rng(5, torch.arange(n)).uniform((d,))
    x[: n // 2] = (x[: n // 2] > 0.5) * 0.9 + 0.05 * x[: n // 2]  # little room in one direction
    with torch.no_grad():
        y = net(x).argmax(1)
    found = run(attack, space, net, x, y)
    assert bool(found.reached.all())
    assert torch.equal(found.success, found.size <= space.radius)
    return found.size, closed_form(net, x, y, space)


@cache
def problems(name):
    """Return (net, x, y, least distance) of several tiny networks."""
    space = SPACES[name]
    steps = torch.linspace(0, 1, 301)
    grid = torch.cartesian_prod(steps, steps)
    found = []
    for seed in range(NETS):
        net, x = tiny(seed), Rng(seed, torch.arange(POINTS)).uniform((2,))
        with torch.no_grad():
            y, labels = net(x).argmax(1), net(grid).argmax(1)
        distances = [nearest(space, net, grid, labels, *pair) for pair in zip(x, y, strict=True)]
        found.append((net, x, y, torch.stack(distances)))
    return found


def nearest(space, net, grid, labels, point, label):
    """Look at the whole square, then more closely around the best cell."""

    def size(where):
        return space.around(point.expand(len(where), 2)).norms(where - point)

    if isinstance(space, L0):
        line = torch.linspace(0, 1, 20001)
        across = torch.stack([line, point[1].expand(20001)], 1)
        up = torch.stack([point[0].expand(20001), line], 1)
        with torch.no_grad():
            one = bool((net(torch.cat([across, up])).argmax(1) != label).any())
        return torch.tensor(1.0 if one else 2.0 if bool((labels != label).any()) else torch.inf)
    wrong = grid[labels != label]
    if not len(wrong):
        return torch.tensor(torch.inf)
    center, reach = wrong[size(wrong).argmin()], 2 / 300
    for _ in range(3):
        side = torch.linspace(-reach, reach, 101)
        close = (center + torch.cartesian_prod(side, side)).clamp(0, 1)
        with torch.no_grad():
            close = close[net(close).argmax(1) != label]
        center, reach = close[size(close).argmin()], reach / 25
    return size(close).min()


def on_tiny(attack, name):
    """Return (found - least) / least over all examples that can be broken."""
    excess = []
    for net, x, y, exact in problems(name):
        found = run(attack, SPACES[name], net, x, y)
        possible = exact.isfinite()
        excess.append((found.size / exact.clamp_min(1e-3) - 1)[possible])
    return torch.cat(excess)

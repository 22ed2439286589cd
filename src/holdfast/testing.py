"""Conformance checks for components of one's own: what every attack, set and method must hold.

They are for the tests of whoever writes one, take a second, and raise AssertionError with one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.attacks import Attack, Result
from holdfast.components import build, describe, kind_of
from holdfast.data import Batch
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import Linf
from holdfast.threat import LatentAudited, Region, Space, ThreatModel
from holdfast.training import Method

N, CLASSES = 8, 4
SHAPE = (3, 6, 6)  # of an image
SAME = 1e-4  # difference of two harms that rounding makes


@checked
def check_attack(attack: Attack, threat: ThreatModel | None = None) -> None:
    """Run an attack on a small network and check what every attack must hold.

    Its points are in the set, its statuses are what the model says of them, it finds something, it
    repeats itself, no example notices its batch mates, the passes that it counts are made and no
    more than it states, nothing of the model or the global generator moves, and it is its own
    configuration. threat: Linf with eps=0.1 by default; give one that the attack fits. Raises
    Unsupported for one that it does not.
    """
    _check_configuration(attack)
    task = _task(threat or ThreatModel(Linf(eps=0.1)))
    before, drawn = task.weights(), torch.get_rng_state()
    passed: list[int] = []
    hook = task.network.register_forward_hook(lambda _, x, __: passed.append(len(x[0])))
    found = _run(attack, task, torch.arange(N))
    hook.remove()
    _same(task.weights(), before, "the attack changes the model's weights")
    assert torch.equal(torch.get_rng_state(), drawn), "the attack draws from the global generator"
    counted, most = found.cost.forward, attack.passes()[0]
    made = sum(passed)
    assert made == int(counted.sum()), f"{made} forward passes are made, {counted.sum()} counted"
    assert int(counted.max()) <= most, f"passes() states {most} forward, {counted.max()} are made"
    _check_found(found, task)

    again = _run(attack, task, torch.arange(N))
    assert torch.equal(again.x_adv, found.x_adv), "a second call with the same draws differs"
    order = torch.arange(N).flip(0)
    order[0] = 0  # other places, and one mate is another
    moved = _run(attack, task, order)
    assert torch.equal(moved.x_adv, found.x_adv[order]), "an example notices its batch mates"


@checked
def check_space(space: Space) -> None:
    """Check what every set must hold, on images in float32 and float64.

    Every point that the region makes is in the set, by its own audit, and the center is the
    unchanged input; a projection leaves what is in the set alone; no example notices its batch
    mates; a step along the gradient raises what it climbs; the audit refuses what is far outside.
    """
    _check_configuration(space)
    for dtype in (torch.float32, torch.float64):
        task = _task(ThreatModel(space), dtype)
        x, at = task.x, Rng(0, torch.arange(N))
        region = space.around(x)
        assert torch.equal(region.realize(region.center(), at), x), "the center is not the input"
        for z in _points(region, at):
            _check_point(region, z, at, x)
        low, high = space.range
        assert not bool(region.contains(low + high - x + 9 * (high - low)).any()), "all is inside"
        _check_step(region, task.network, at)


@checked
def check_method(method: Method, threat: ThreatModel | None = None) -> None:
    """Take one training step of a method and check what every method must hold.

    Perturbing leaves the model as it was, and the loss is one finite number per example with a
    gradient to the weights, from one call of the model. threat: Linf with eps=0.1 by default.
    """
    _check_configuration(method)
    task = _task(threat or ThreatModel(Linf(eps=0.1)))
    threat, network, x, y = task
    batch, before = Batch(x, y, torch.arange(N)), task.weights()
    found = method.perturb(network, batch, threat, Rng(0, batch.ids))
    _same(task.weights(), before, "perturb changes the model's weights")
    assert all(p.grad is None for p in network.parameters()), "perturb leaves gradients of weights"
    assert found.shape == x.shape, f"perturb returns {tuple(found.shape)}, not {tuple(x.shape)}"
    assert not found.requires_grad, "perturb returns inputs that ask for gradients: detach them"
    calls = _Counted(network)
    loss = method.loss(calls, batch, found, threat)
    assert loss.shape == (N,), f"the loss must be one number per example, got {tuple(loss.shape)}"
    assert bool(loss.isfinite().all()), "the loss is not finite"
    assert calls.count == 1, f"the loss must call the model once, not {calls.count} times"
    loss.mean().backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in network.parameters()), (
        "the loss has no gradient to the weights"
    )


class _Task(NamedTuple):
    """A small network, and images that it gets right."""

    threat: ThreatModel
    network: nn.Module
    x: Tensor
    y: Tensor

    def weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.network.state_dict().items()}


class _Counted:
    """A network as the training loop lends it to a method."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.count = network, 0

    def __call__(self, x: Tensor) -> Tensor:
        self.count += 1
        logits: Tensor = self.network(x)
        return logits


def _task(threat: ThreatModel, dtype: torch.dtype = torch.float32) -> _Task:
    low, high = threat.space.range
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (nn.Linear(prod(SHAPE), 24), nn.ReLU(), nn.Linear(24, CLASSES))
        x = torch.rand(N, *SHAPE, dtype=dtype) * (high - low) + low
    network = nn.Sequential(nn.Flatten(), *layers).to(dtype).eval()
    with torch.no_grad():
        return _Task(threat, network, x, network(x).argmax(1))


def _run(attack: Attack, task: _Task, order: Tensor) -> Result:
    """Attack the examples in some order; their draws go with them."""
    x, y = task.x[order], task.y[order]
    objective = Objective(task.threat, task.network, x, y)
    return attack(objective, task.threat.space.around(x), Rng(0, order))


def _check_configuration(component: object) -> None:
    plain = describe(component)
    again = build(kind_of(type(component)), plain)
    assert again == component, f"{plain} does not make {component!r} again"


def _check_found(found: Result, task: _Task) -> None:
    threat, network, x, y = task
    inside = _audited(threat.space.around(x), found.x_adv, found.z)
    assert torch.equal(found.inside, inside), "`inside` is not what the region's audit says"
    targets = threat.goal.targets(y)
    with torch.no_grad():
        harm = threat.goal.harm(network(found.x_adv), y, targets)
        clean = threat.goal.harm(network(x), y, targets)
    assert bool(((found.harm - harm).abs() < SAME).all()), "`harm` is not what the model says"
    assert float((harm - clean).mean()) > 0, "the attack does no harm"


def _points(region: Region, at: Rng) -> list[Tensor]:
    made = [region.center(), region.init(at)]
    grad = at.uniform(tuple(made[0].shape[1:]), -1.0, 1.0).to(made[0].dtype)
    return made + [region.project(region.step(made[-1], grad, f)) for f in (0.1, 1.0, 9.0)]


def _check_point(region: Region, z: Tensor, at: Rng, x: Tensor) -> None:
    x_adv = region.realize(z, at)
    assert (x_adv.shape, x_adv.dtype) == (x.shape, x.dtype), (
        f"an input of the set is {x_adv.dtype} of shape {tuple(x_adv.shape)}"
    )
    assert bool(_audited(region, x_adv, z).all()), "the audit refuses an input that the set makes"
    assert bool((region.size(z) <= region.radius * (1 + 1e-5)).all()), "a point is too large"
    assert torch.allclose(region.project(z), z, atol=1e-6), "projecting moves a point of the set"
    some = torch.tensor([N - 1, 0])
    alone = region.take(some).realize(z[some], at.take(some))
    assert torch.equal(alone, x_adv[some]), "an example notices its batch mates"


def _audited(region: Region, x_adv: Tensor, z: Tensor) -> Tensor:
    """Return (B,): what the audit says, of the set that needs it with the point behind an input."""
    if isinstance(region, LatentAudited):
        return region.contains_point(x_adv, z)
    return region.contains(x_adv)


def _check_step(region: Region, network: nn.Module, at: Rng) -> None:
    z = region.init(at).detach().requires_grad_(True)
    value = network(region.lift(z, at)).logsumexp(1)
    (grad,) = torch.autograd.grad(value.sum(), z, allow_unused=True)
    if grad is None or not bool(grad.any()):
        return  # a set of choices has no gradient
    with torch.no_grad():
        moved = region.project(region.step(z.detach(), grad, 0.05))
        after = network(region.realize(moved, at)).logsumexp(1)
    assert float((after - value.detach()).mean()) > 0, "a step along the gradient does not climb"


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor], what: str) -> None:
    assert all(torch.equal(one[name], other[name]) for name in one), what

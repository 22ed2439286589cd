"""Methods against hand-written references, counted passes, and a model that nobody touches."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from holdfast.attacks import PGD
from holdfast.certification import logit_gaps
from holdfast.components import build, describe, known
from holdfast.errors import ConfigError, Unsupported
from holdfast.models import build_network, wrap
from holdfast.rng import Rng
from holdfast.spaces import L2, Linf
from holdfast.threat import Targeted, ThreatModel
from holdfast.training import (
    MTLIBP,
    NFGSM,
    TRADES,
    FastAT,
    Madry,
    NoiseAugmented,
    Standard,
    TrainPlan,
)
from holdfast.training.setup import prepare
from holdfast.training.step import Recorder

METHODS = [cls() for cls in known("method").values()]
LOOSE = [m for m in METHODS if not isinstance(m, MTLIBP)]  # for any network


@pytest.fixture
def batch(splits):
    return splits.train.batch(torch.arange(12))


def rng(batch, seed=0):
    return Rng(seed, batch.ids)


def snapshot(model):
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    modes = {name: module.training for name, module in model.named_modules()}
    grads = {name: p.grad for name, p in model.named_parameters()}
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    return {name: t.detach().clone() for name, t in tensors.items()}, modes, grads, flags


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_perturbing_leaves_the_model_alone(method, net, batch, threat):
    model = wrap(net)
    model.train()
    net[3].eval()  # a layer frozen on purpose
    tensors, modes, grads, flags = snapshot(model)
    state = torch.get_rng_state()
    found = method.perturb(model, batch, threat, rng(batch))
    after, modes_after, grads_after, flags_after = snapshot(model)
    assert modes == modes_after
    assert grads == grads_after
    assert flags == flags_after
    assert all(torch.equal(tensors[name], after[name]) for name in tensors)
    assert torch.equal(state, torch.get_rng_state())
    assert not found.requires_grad


@pytest.mark.parametrize("space", [Linf(eps=0.1), L2(eps=0.5)], ids=["linf", "l2"])
@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_perturbed_inputs_are_in_the_set_and_depend_on_the_example_alone(method, space, net, batch):
    model, threat = wrap(net), ThreatModel(space)
    found = method.perturb(model, batch, threat, rng(batch))
    reach = 3 if isinstance(method, NFGSM) else 1
    assert space.around(batch.x, reach * space.radius).contains(found).all()
    # Others around the same three examples: in batches of one shape not a bit may differ.
    company = torch.tensor([8, 9, 10, 11, 4, 5, 6, 0, 1, 2, 3, 7])
    mixed = type(batch)(batch.x[company], batch.y[company], batch.ids[company])
    assert torch.equal(method.perturb(model, mixed, threat, rng(mixed))[4:7], found[4:7])
    if not isinstance(method, Standard):
        other = method.perturb(model, batch, threat, rng(batch, seed=1))
        assert not torch.equal(found, other)


@pytest.mark.parametrize(
    "limits", [{"knowledge": "score"}, {"knowledge": "decision"}, {"queries": 3}]
)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_what_others_may_see_or_spend_does_not_bind_the_learner(method, limits, net, batch):
    model = wrap(net)
    free, bound = ThreatModel(Linf(eps=0.1)), ThreatModel(Linf(eps=0.1), **limits)
    found = method.perturb(model, batch, bound, rng(batch))
    assert torch.equal(found, method.perturb(model, batch, free, rng(batch)))


@pytest.mark.parametrize("method", [Madry(), FastAT(), NFGSM(), TRADES(), MTLIBP()])
def test_examples_of_the_target_class_are_left_alone(method, net, batch):
    threat = ThreatModel(Linf(eps=0.1), goal=Targeted(to=0))
    found = method.perturb(wrap(net), batch, threat, rng(batch))
    moved = (found != batch.x).flatten(1).any(1)
    assert torch.equal(moved, batch.y != 0)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_storage(method):
    assert build("method", describe(method)) == method


def count_passes(method, net, batch, threat):
    """Return forward passes, input-only backward passes and full ones, in examples over B."""
    seen = {"forward": 0.0, "input": 0.0, "full": 0.0}

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, kind):
            ctx.kind = kind
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            seen[ctx.kind] += len(grad) / len(batch.y)
            return grad, None

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net

        def forward(self, x):
            seen["forward"] += len(x) / len(batch.y)
            full = any(p.requires_grad for p in self.parameters())
            return Counted.apply(self.inner(x), "full" if full else "input")

    model = wrap(Counting())
    found = method.perturb(model, batch, threat, rng(batch))
    method.loss(Recorder(model), batch, found, threat).mean().backward()
    return seen


@pytest.mark.parametrize(
    ("method", "forward", "inputs", "full"),
    [
        (Standard(), 1, 0, 1),
        (NoiseAugmented(), 1, 0, 1),
        (Madry(), 11, 10, 1),
        (Madry(attack=PGD(steps=3)), 4, 3, 1),
        (FastAT(), 2, 1, 1),
        (NFGSM(), 2, 1, 1),
        (TRADES(), 13, 10, 2),
    ],
    ids=lambda m: type(m).__name__,
)
def test_passes_equal_the_formula(method, forward, inputs, full, net, batch, threat):
    assert count_passes(method, net, batch, threat) == {
        "forward": forward,
        "input": inputs,
        "full": full,
    }


def test_trades_is_the_papers_loss(net, batch, threat):
    model = wrap(net).eval()  # batch statistics would couple the two halves
    method = TRADES(beta=3.0)
    found = method.perturb(model, batch, threat, rng(batch))
    clean, perturbed = model(batch.x), model(found)
    theirs = F.cross_entropy(clean, batch.y) + 3.0 * F.kl_div(
        F.log_softmax(perturbed, 1), F.softmax(clean, 1), reduction="batchmean"
    )
    ours = method.loss(model, batch, found, threat)
    assert ours.shape == (len(batch.y),)
    assert torch.allclose(ours.mean(), theirs, rtol=1e-5)
    gradients = [torch.autograd.grad(loss, net[0].weight)[0] for loss in (ours.mean(), theirs)]
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-7)


def test_trades_leaves_its_start(net, batch, threat):
    """At x itself the divergence has no gradient; the Gaussian start gives it one."""
    model = wrap(net).eval()
    found = TRADES().perturb(model, batch, threat, rng(batch))
    assert ((found - batch.x).abs().flatten(1).amax(1) > 0.09).all()


def test_the_inner_attack_raises_the_loss(net, batch, threat):
    model = wrap(net).eval()
    loss = {
        type(method).__name__: F.cross_entropy(
            model(method.perturb(model, batch, threat, rng(batch))), batch.y
        ).item()
        for method in (Standard(), NoiseAugmented(), FastAT(), Madry())
    }
    assert loss["Standard"] < loss["FastAT"] <= loss["Madry"] + 1e-4
    assert loss["NoiseAugmented"] < loss["FastAT"]


def test_sign_noise_has_the_size_of_eps(net, splits, threat):
    x = torch.full((4, 1, 6, 6), 0.5)
    batch = splits.train.batch(torch.arange(4))
    batch = type(batch)(x, batch.y, batch.ids)
    found = NoiseAugmented().perturb(wrap(net), batch, threat, rng(batch))
    assert torch.allclose((found - x).abs(), torch.tensor(0.1))
    assert (found > x).any()
    assert (found < x).any()


def test_nfgsm_leaves_the_ball_but_not_the_range(net, batch, threat):
    found = NFGSM().perturb(wrap(net), batch, threat, rng(batch))
    moved = (found - batch.x).abs()
    assert 0.2 < moved.max() <= 0.3 + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("method", LOOSE, ids=lambda m: type(m).__name__)
def test_label_smoothing_is_torchs(method, smoothing, net, batch, threat):
    model = wrap(net).eval()
    found = batch.x  # both terms of TRADES then see the same input and its divergence is 0
    ours = method.loss(model, batch, found, threat, smoothing).mean()
    theirs = F.cross_entropy(model(batch.x), batch.y, label_smoothing=smoothing)
    assert torch.allclose(ours, theirs, rtol=1e-6)


def test_the_plans_label_smoothing_reaches_the_loss(net, splits, threat):
    losses = {}
    for smoothing in (0.0, 0.5):
        plan = TrainPlan(epochs=1, batch_size=64, label_smoothing=smoothing)
        setup = prepare(
            net,
            splits,
            threat=threat,
            method=Standard(),
            plan=plan,
            seed=0,
            normalize=None,
            device="cpu",
        )
        state = setup.state()
        setup.model.eval()
        expected = F.cross_entropy(
            setup.model(splits.train.batch(torch.arange(64)).x),
            splits.train.y,
            label_smoothing=smoothing,
        )
        setup.step(state, next(setup.feed.batches(0, 0, 0)))
        losses[smoothing] = float(state.totals[1] / state.totals[0])
        assert losses[smoothing] == pytest.approx(expected.item(), rel=1e-5)
    assert losses[0.0] != losses[0.5]


@pytest.mark.parametrize(
    "make", [lambda: TRADES(beta=0.0), lambda: NFGSM(noise=0.0), lambda: MTLIBP(weight=0.0)]
)
def test_impossible_methods_are_refused(make):
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_mtl_ibp_mixes_the_attacked_loss_with_its_bound(smoothing, batch, threat):
    model = wrap(build_network({"type": "mlp", "hidden": [7]}, (1, 6, 6), 3))
    method = MTLIBP(weight=0.3)
    found = method.perturb(model, batch, threat, rng(batch))
    low, high = (batch.x - 0.1).clamp_min(0), (batch.x + 0.1).clamp_max(1)
    bounds = logit_gaps(model, low, high, batch.y)
    attacked, certified = (
        F.cross_entropy(logits, batch.y, reduction="none", label_smoothing=smoothing)
        for logits in (model(found), bounds)
    )
    ours = method.loss(Recorder(model), batch, found, threat, smoothing)
    assert torch.allclose(ours, 0.7 * attacked + 0.3 * certified, rtol=1e-5)
    assert (certified > attacked).all()  # a bound is above whatever an attack reaches
    (gradient,) = torch.autograd.grad(certified.sum(), model.module[1].weight)
    assert gradient.abs().sum() > 0


def test_mtl_ibp_needs_a_box(batch):
    model = wrap(build_network({"type": "mlp", "hidden": [7]}, (1, 6, 6), 3))
    with pytest.raises(Unsupported, match="mtl_ibp works in Linf and Masked, not in L2"):
        MTLIBP().loss(Recorder(model), batch, batch.x, ThreatModel(L2(eps=0.5)))


def test_the_ramp_grows_eps_from_nothing_to_the_threats(net, splits, threat):
    setup = prepare(
        net,
        splits,
        threat=threat,
        method=FastAT(),
        plan=TrainPlan(epochs=10, batch_size=32, ramp=0.5),
        seed=0,
        normalize=None,
        device="cpu",
    )
    step = setup.step
    total = 10 * step.steps_per_epoch
    sizes = [step.threat_at(k).space.radius for k in range(total)]
    assert sizes[0] == pytest.approx(0.1 * 0.5 / (0.5 * total))
    assert sizes == sorted(sizes)
    assert step.threat_at(total // 2) is step.threat_at(total - 1) is threat
    state = setup.state()
    reach = []
    real = FastAT.perturb

    def seen(self, model, batch, threat, rng):
        found = real(self, model, batch, threat, rng)
        reach.append(float((found - batch.x).abs().max()))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastAT, "perturb", seen)
        for batch in setup.feed.batches(0, 0, 0):
            step(state, batch)
    assert reach == pytest.approx(sizes[: len(reach)], rel=1e-3)

"""What the caller has switched on, and what a network writes on, changes no result."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.attacks import APGD, PGD, Quantized, Square, fit
from holdfast.attacks.universal.uap import UAP
from holdfast.data import from_tensors
from holdfast.evaluation import Member, transfer_matrix
from holdfast.models import (
    MeanLogits,
    Rejecting,
    StraightThrough,
    inspect,
    wrap,
)
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Undetected
from holdfast.training.validation import Validator

THREAT = hf.ThreatModel(hf.Linf(eps=0.1))
SUITE = hf.Suite(
    name="small",
    members=(
        Member(name="pgd", attack=PGD(steps=3)),
        Member(name="apgd", attack=APGD(steps=4)),
        Member(name="square", attack=Square(queries=10)),
    ),
)


def network(first=None, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 3)
        return nn.Sequential(*([] if first is None else [first]), *layers).eval()


X = torch.rand(16, 1, 6, 6, generator=torch.Generator().manual_seed(0))
Y = network()(X).argmax(1)
NET, BAD = network(), 9 * X
DATA = from_tensors(X, Y, name="small", num_classes=3)


class InPlace(nn.Module):
    """Normalizes its input where it lies."""

    def forward(self, x):
        return x.sub_(0.5).div_(0.25)


class Apart(nn.Module):
    def forward(self, x):
        return (x - 0.5) / 0.25


class SumInPlace(nn.Module):
    """A detector that adds up its input where it lies."""

    def forward(self, x):
        return x.mul_(0.2).flatten(1).sum(1)


class SumApart(nn.Module):
    def forward(self, x):
        return (0.2 * x).flatten(1).sum(1)


def attacked(model, **more):
    options = {"threat": THREAT, "attack": APGD(steps=5), "seed": 0}
    found = hf.attack(model, X, Y, **{**options, **more})
    return found.x_adv, found.harm, found.success


def same(one, other):
    assert len(one) == len(other)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def numpy_in_place(x):
    """A black box that writes on the array it gets."""
    x -= 0.5
    with torch.no_grad():
        return network()(torch.from_numpy(x)).numpy()


def numpy_apart(x):
    return numpy_in_place(x.copy())


def searched(first):
    members = [network(first, seed=seed) for seed in (1, 2)]
    return attacked(network(), surrogate=MeanLogits(members))


def detected(first, detector):
    model = Rejecting(network(first), detector, 3.4)
    return attacked(model, threat=hf.ThreatModel(hf.Linf(eps=0.1), goal=Undetected()))


def raw(first):
    objective = Objective(THREAT, network(first), X.clone(), Y)
    found = PGD(steps=3)(objective, THREAT.space.around(objective.x), Rng(0, torch.arange(len(X))))
    return found.x_adv, found.harm, objective.x


def bypassed(step):
    model = wrap(nn.Sequential(StraightThrough(step), *network()))
    return attacked(model)


def box(function):
    model = wrap(function, outputs="logits")
    return attacked(model, attack=Square(queries=10))


CALLS = {
    "attack": lambda inplace: attacked(network(InPlace() if inplace else Apart())),
    "a first ReLU": lambda inplace: attacked(network(nn.ReLU(inplace=inplace))),
    "quantized": lambda inplace: attacked(
        network(InPlace() if inplace else Apart()), attack=Quantized(attack=PGD(steps=3))
    ),
    "a network as it is": lambda inplace: raw(InPlace() if inplace else Apart()),
    "ensemble": lambda inplace: searched(InPlace() if inplace else Apart()),
    "detector": lambda inplace: detected(
        InPlace() if inplace else Apart(), SumInPlace() if inplace else SumApart()
    ),
    "a step of BPDA": lambda inplace: bypassed(InPlace() if inplace else Apart()),
    "black box": lambda inplace: box(numpy_in_place if inplace else numpy_apart),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_network_may_overwrite_its_input(call):
    before = X.clone()
    same(call(True), call(False))
    assert torch.equal(X, before)


def test_every_verb_takes_a_network_that_overwrites_its_input(tmp_path):
    before = X.clone()
    claims, models = [], [network(InPlace()), network(Apart())]
    for k, net in enumerate(models):
        out = tmp_path / f"claim-{k}"
        claims.append(hf.evaluate(net, (X, Y), threat=THREAT, suite=SUITE, out=out, quiet=True))
        hf.verify(out, model=net, data=(X, Y), replay=1)
        assert {finding.status.value for finding in inspect(wrap(net), X, Y)} == {"pass"}
    assert claims[0].robust_accuracy == claims[1].robust_accuracy
    one, other = (Validator(examples=DATA, threat=THREAT)(wrap(net)) for net in models)
    assert one == other
    matrix = transfer_matrix(PGD(steps=2), THREAT, {"a": models[0], "b": models[1]}, X, Y)
    assert torch.equal(matrix.broken[0], matrix.broken[1])
    results = [
        hf.train(net, (X, Y), threat=THREAT, epochs=1, validation=(X, Y), quiet=True,
                 out=tmp_path / f"run-{k}").history[0]["train_loss"]
        for k, net in enumerate(models)
    ]  # fmt: skip
    assert results[0] == results[1]
    assert torch.equal(X, before)


def test_a_network_may_return_the_same_memory_every_time():
    """Points wait to be judged together, so what the first look returned must last."""

    class Reuses(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.out = network(), torch.zeros(len(X), 3)

        def forward(self, x):
            with torch.no_grad():
                return self.out[: len(x)].copy_(self.inner(x))

    threat = hf.ThreatModel(hf.Linf(eps=0.1), knowledge="score")
    options = {"threat": threat, "attack": Square(queries=30)}
    same(attacked(Reuses(), **options), attacked(network(), **options))


@contextmanager
def default(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


CONTEXTS = {
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "grad off": lambda: torch.set_grad_enabled(False),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": lambda: default(torch.float64),
    "device": lambda: torch.device("meta"),
    "all": lambda: entered(torch.inference_mode(), torch.autocast("cpu"), default(torch.float64)),
}


@contextmanager
def entered(*contexts):
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        yield


def state():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.empty(0).device,  # PyTorch 2.5 has no other word for `with torch.device(...)`
    )


def everything(folder, net):
    """What the public functions give: tensors, and numbers of a claim and of a run."""
    tensors = attacked(net)
    found = transfer_matrix(PGD(steps=2), THREAT, {"a": net}, X, Y)
    claim = hf.evaluate(net, (X, Y), threat=THREAT, suite=SUITE, out=folder / "claim", quiet=True)
    hf.verify(folder / "claim", model=net, data=(X, Y), replay=1)
    findings = [finding.status.value for finding in inspect(wrap(net, (0.1, 0.9)), X, Y)]
    change = fit(UAP(epochs=1), net, DATA, threat=THREAT, out=folder / "uap").digest
    plan = hf.TrainPlan(epochs=1, batch_size=8)
    run = hf.train(
        "mlp", (X, Y), threat=THREAT, plan=plan, validation=(X, Y), quiet=True, out=folder / "run"
    )
    loaded = hf.load(folder / "run")
    weights = [part.detach().clone() for part in loaded.parameters()]
    rows = [(row.status, row.size) for row in claim.per_example]
    numbers = rows, findings, change, run.history[0]["train_loss"]
    return [*tensors, found.broken, *weights], numbers


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return everything(tmp_path_factory.mktemp("expected"), NET)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_the_callers_context_changes_no_result_and_is_given_back(context, expected, tmp_path):
    with context():
        before = state()
        tensors, numbers = everything(tmp_path, NET)
        assert state() == before
        with pytest.raises(hf.InputError):
            hf.attack(NET, BAD, Y, threat=THREAT)
        assert state() == before
    same(tensors, expected[0])
    assert numbers == expected[1]
    assert not any(tensor.is_inference() for tensor in tensors[:2])


def test_networks_and_inputs_made_in_inference_mode(tmp_path):
    with torch.inference_mode():
        net, x = network(), X + 0
        y, targets = Y + 0, (Y + 1) % 3
    aimed = {"threat": THREAT, "targets": targets, "seed": 0}
    found = hf.attack(net, x, y, **aimed)
    assert torch.equal(found.x_adv, hf.attack(NET, X, Y, **{**aimed, "targets": (Y + 1) % 3}).x_adv)
    claim = hf.evaluate(net, (x, y), threat=THREAT, suite=SUITE, out=tmp_path / "a", quiet=True)
    plain = hf.evaluate(NET, (X, Y), threat=THREAT, suite=SUITE, out=tmp_path / "b", quiet=True)
    assert claim.robust_accuracy == plain.robust_accuracy
    matrix = transfer_matrix(PGD(steps=2), THREAT, {"a": net}, x, y)
    assert torch.equal(
        matrix.broken, transfer_matrix(PGD(steps=2), THREAT, {"a": NET}, X, Y).broken
    )
    with pytest.raises(hf.InputError, match="made in inference mode, so it cannot be trained"):
        hf.train(net, (x, y), threat=THREAT, epochs=1, validation=(x, y), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_sees_the_callers_defaults():
    """What it makes in its forward pass has the type that its author asked for."""

    class Mixes(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network().double()

        def forward(self, x):
            return self.net(x) @ torch.eye(3)

    with default(torch.float64):
        assert attacked(Mixes())[0].dtype == torch.float64
    with pytest.raises(hf.InputError, match="cannot take"):
        attacked(Mixes())


def test_without_a_seed_every_attack_draws_its_own():
    before = torch.random.get_rng_state()
    options = {"threat": THREAT, "attack": PGD(steps=1)}
    one, other = (hf.attack(NET, X, Y, **options) for _ in range(2))
    assert not torch.equal(one.x_adv, other.x_adv)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert isinstance(one.seed, int)
    assert one.seed != other.seed
    again = hf.attack(NET, X, Y, seed=one.seed, **options)
    assert torch.equal(again.x_adv, one.x_adv)
    assert again.seed == one.seed == one.take(torch.tensor([0])).seed
    assert hf.attack(NET, X, Y, seed=3, **options).seed == 3

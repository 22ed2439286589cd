"""Networks that are awkward to copy, to differentiate or to hold still, and work all the same."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import holdfast as hf
from holdfast.copying import copied
from holdfast.evaluation import Member
from holdfast.models import bpda, frozen, inspect, wrap
from holdfast.runtime import precision
from holdfast.training import EMA

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning"),
    pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning"),
]
THREAT = hf.ThreatModel(hf.Linf(eps=0.2))
PGD = hf.attacks.PGD(steps=3, step_size=0.3)
SUITE = hf.Suite(name="pgd", members=(Member(name="pgd", attack=PGD),))
X = torch.rand(12, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A network with an attribute that `copy.deepcopy` refuses."""

    def __init__(self, make=None):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU())
            self.head = nn.Linear(8, 3)
        self.extra = None if make is None else make(self)

    def forward(self, x):
        return self.head(self.body(x))


class Refusing(Net):
    def __deepcopy__(self, memo):
        raise NotImplementedError("no copies")


class Slotted(Net):
    __slots__ = ("scale",)

    def __init__(self):
        super().__init__()
        self.scale = torch.tensor(2.0)

    def forward(self, x):
        return self.scale * super().forward(x)


class Helper:
    """Somebody's object that holds what has no copy, and the network itself."""

    def __init__(self, net):
        self.lock, self.net = threading.Lock(), net


class ByHelper(Net):
    def forward(self, x):
        return self.extra.net.head(self.body(x))


def normed():
    net = Net()
    net.head = nn.utils.weight_norm(net.head)
    return net


AWKWARD = {
    "weight norm": normed,
    "tensor with a history": lambda: Net(lambda net: [{"w": net.head.weight * 2}]),
    "lock": lambda: Net(lambda net: threading.Lock()),
    "generator": lambda: Net(lambda net: iter(k for k in range(3))),
    "open file": lambda: Net(lambda net: open(__file__, encoding="utf-8")),  # noqa: SIM115
    "copies refused": lambda: nn.Sequential(Refusing()),
    "slots": Slotted,
    "helper": lambda: ByHelper(Helper),
}


@pytest.fixture(params=AWKWARD)
def awkward(request):
    net = AWKWARD[request.param]().eval()
    net(X)
    yield net
    if hasattr(getattr(net, "extra", None), "close"):
        net.extra.close()


def y_of(net):
    with torch.no_grad():
        return net.eval()(X).argmax(1)


def test_a_copy_computes_the_same_and_shares_no_weight(awkward):
    other = copied(awkward)
    assert type(other) is type(awkward)
    assert torch.equal(other(X), awkward(X))
    mine = {p.data_ptr() for p in (*awkward.parameters(), *awkward.buffers())}
    assert not mine & {p.data_ptr() for p in (*other.parameters(), *other.buffers())}
    before = awkward(X)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    assert torch.equal(awkward(X), before)
    assert not torch.equal(other(X), before)


def test_an_average_a_twin_and_a_low_precision_copy_of_it(awkward):
    average = EMA(awkward, 0.5)
    with torch.no_grad():
        awkward.eval()(X)
        for parameter in awkward.parameters():
            parameter.mul_(0.5)
    average.update(awkward)
    assert not any(parameter.requires_grad for parameter in average.module.parameters())
    low = precision("bfloat16").convert(awkward)
    assert low(X).dtype == torch.float32
    name = next(name for name, _ in awkward.named_modules() if name.endswith("body.2"))
    twin = bpda(awkward, {name: None})
    assert torch.equal(twin(X), awkward(X))
    assert {id(p) for p in twin.parameters()} == {id(p) for p in awkward.parameters()}


@pytest.mark.parametrize("name", ["weight norm", "copies refused", "slots"])
def test_an_evaluation_of_it_leaves_it_as_it_was(name, tmp_path):
    awkward, out = AWKWARD[name](), tmp_path / "claim"
    y = y_of(awkward)
    awkward(X)  # weight norm keeps what it computed here
    awkward.train()
    weights = [w.clone() for w in (*awkward.parameters(), *awkward.buffers())]
    claim = hf.evaluate(awkward, (X, y), threat=THREAT, suite=SUITE, out=out, quiet=True)
    assert claim.document["counts"]["clean-wrong"] == 0
    assert all(part.training for part in awkward.modules())
    after = [*awkward.parameters(), *awkward.buffers()]
    assert all(torch.equal(a, b) for a, b in zip(weights, after, strict=True))
    hf.verify(out, model=awkward, data=(X, y))


@pytest.mark.parametrize("name", ["weight norm", "lock"])
def test_it_trains_with_an_average(name, tmp_path):
    net = AWKWARD[name]()
    y = y_of(net)
    plan = hf.TrainPlan(epochs=1, batch_size=6, ema=0.5)
    result = hf.train(
        net, (X, y), threat=THREAT, plan=plan, validation=(X, y), out=tmp_path, quiet=True
    )
    assert torch.equal(result.best.model(X), result.model(X))


@pytest.mark.filterwarnings("ignore:.*torch.jit")  # of a class that changes with the version
@pytest.mark.parametrize("make", [torch.jit.script, lambda net: torch.jit.trace(net, X)])
def test_torchscript_is_evaluated_verified_and_trained(make, tmp_path):
    net = make(Net().eval())
    y, out = y_of(net), tmp_path / "claim"
    net.head.bias.requires_grad_(False)
    claim = hf.evaluate(net, (X, y), threat=THREAT, suite=SUITE, out=out, quiet=True)
    plain = hf.attack(Net().eval(), X, y, threat=THREAT, attack=PGD, seed=0)
    assert claim.document["counts"]["broken"] == int(plain.success.sum())
    net.save(tmp_path / "net.pt")
    hf.verify(out, model=torch.jit.load(tmp_path / "net.pt"), data=(X, y))
    plan = hf.TrainPlan(epochs=1, batch_size=6, ema=0.5)
    data = {"validation": (X, y), "threat": THREAT, "plan": plan, "quiet": True}
    hf.train(net, (X, y), out=tmp_path / "run", **data)
    other = copied(net)
    assert [p.requires_grad for p in other.parameters()] == [True] * 5 + [False]
    assert all(p.is_leaf for p in other.parameters())


class Saving(Net):
    """A network whose first part is computed again in the backward pass."""

    reentrant = True

    def forward(self, x):
        return self.head(checkpoint(self.body, x, use_reentrant=self.reentrant))


class Deep(Saving):
    """One with a checkpoint within a checkpoint."""

    def forward(self, x):
        inner = lambda x: checkpoint(self.body, x, use_reentrant=True)  # noqa: E731
        return self.head(checkpoint(inner, x, use_reentrant=True) + 0 * self.body(x))


@pytest.mark.parametrize("kind", [Saving, Deep])
@pytest.mark.parametrize("attack", [PGD, hf.attacks.DeepFool(steps=3)], ids=["pgd", "deepfool"])
def test_reentrant_checkpointing_changes_nothing(kind, attack):
    plain, net = Net().eval(), kind()
    y = y_of(plain)
    expected = hf.attack(plain, X, y, threat=THREAT, attack=attack, seed=0)
    found = hf.attack(net, X, y, threat=THREAT, attack=attack, seed=0)
    assert torch.equal(found.x_adv, expected.x_adv)
    assert found.cost.backward.tolist() == expected.cost.backward.tolist()
    assert all(parameter.grad is None for parameter in net.parameters())


def test_reentrant_checkpointing_is_inspected_and_trained(tmp_path):
    net = Saving().eval()
    y = y_of(net)
    assert {f.status for f in inspect(wrap(net), X, y)} == {"pass"}
    plan = hf.TrainPlan(epochs=1, batch_size=6)
    data = {"validation": (X, y), "threat": THREAT, "plan": plan, "quiet": True}
    hf.train(net, (X, y), out=tmp_path, method="trades", **data)


class Recurrent(nn.Module):
    """A recurrent network that notes whether cuDNN might run it where a gradient is wanted."""

    seen = []  # noqa: RUF012 - of all copies

    def __init__(self, kind):
        super().__init__()
        self.layer, self.head = kind(6, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        self.seen.append((x.requires_grad, self.training, torch.backends.cudnn.enabled))
        return self.head(self.layer(x[:, None])[0][:, -1])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_networks_are_differentiated_without_cudnn(kind, tmp_path):
    net = Recurrent(kind)
    y = y_of(net)
    for search in (
        lambda: hf.attack(net, X, y, threat=THREAT, attack=PGD),
        lambda: hf.evaluate(net, (X, y), threat=THREAT, suite=SUITE, out=tmp_path, quiet=True),
        lambda: inspect(wrap(net), X, y),
    ):
        net.seen.clear()
        search()
        assert {seen[1:] for seen in net.seen if seen[0]} == {(False, False)}
    assert torch.backends.cudnn.enabled
    with pytest.raises(ZeroDivisionError), frozen(net), frozen(net):
        raise ZeroDivisionError
    assert torch.backends.cudnn.enabled
    scripted = nn.Linear(1, 1)
    scripted.original_name = kind.__name__  # all that TorchScript keeps of a layer's class
    with frozen(scripted):
        assert not torch.backends.cudnn.enabled
    with frozen(Net()):
        assert torch.backends.cudnn.enabled

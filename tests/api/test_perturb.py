"""Inputs for a training loop of one's own: no pass too many, nothing of the model moved."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import holdfast as hf
from holdfast.attacks import PGD
from holdfast.data import Batch
from holdfast.errors import InputError, Unsupported
from holdfast.models import wrap
from holdfast.rng import Rng
from small_nets import Passes
from tiny import THREAT, own_network, probabilities, some_digits

STEPS = PGD(steps=3, step_size=0.5)
X, Y = some_digits()


def test_it_is_what_training_does_inside():
    net, rng = own_network(), Rng(7, torch.arange(len(Y)))
    expected = hf.Madry(attack=STEPS).perturb(wrap(net), Batch(X, Y, rng.ids), THREAT, rng)
    found = hf.perturb(net, X, Y, threat=THREAT, attack=STEPS, seed=7)
    assert torch.equal(found, expected)
    assert THREAT.space.around(X).contains(found).all()
    before, after = (F.cross_entropy(net(x), Y) for x in (X, found))
    assert after > before


def test_it_makes_no_pass_beyond_its_gradients():
    net = Passes(own_network())
    hf.perturb(net, X, Y, threat=THREAT, attack=STEPS)
    assert (net.forward_passes, net.backward_passes) == (3 * len(X), 3 * len(X))


def test_an_attack_makes_one_more_to_score_its_last_point():
    net = Passes(own_network())
    found = hf.attack(net, X, Y, threat=THREAT, attack=STEPS)
    assert (net.forward_passes, net.backward_passes) == (4 * len(X), 3 * len(X))
    assert found.cost.forward.tolist() == [4] * len(X)


def test_fgsm_is_one_gradient_and_two_forward_passes():
    net = Passes(own_network())
    hf.attack(net, X, Y, threat=THREAT, attack=hf.attacks.FGSM())
    assert (net.forward_passes, net.backward_passes) == (2 * len(X), len(X))


def test_a_judge_is_looked_at_once_for_each_state_of_it():
    judge, twin = Passes(own_network()), own_network()

    def looks(x=X):
        before = judge.forward_passes
        hf.attack(judge, x, Y, threat=THREAT, attack=hf.attacks.FGSM(), surrogate=twin)
        return judge.forward_passes - before - len(x)  # the verdict

    few = min(len(X), 32)
    assert [looks(), looks()] == [few, 0]
    judge.load_state_dict(judge.state_dict())
    assert [looks(), looks()] == [few, 0]
    judge.last = nn.Softmax(1)  # a part that changes what is returned
    assert [looks(), looks()] == [few, 0]


def test_a_step_of_an_own_loop_finds_the_model_as_it_was():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10)).train()
    net[2].bias.requires_grad_(False)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    draws = torch.get_rng_state()
    x = X.clone()
    found = hf.perturb(net, x, Y, threat=THREAT)
    assert torch.equal(x, X)
    assert not found.requires_grad
    assert all(module.training for module in net.modules())
    assert [p.requires_grad for p in net.parameters()] == [True, True, True, False]
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
    assert torch.equal(draws, torch.get_rng_state())
    assert not net._forward_hooks
    assert not net._forward_pre_hooks


def test_no_two_steps_draw_the_same_and_a_seed_repeats_one():
    net = own_network()
    one, two, again = (
        hf.perturb(net, X, Y, threat=THREAT, attack=STEPS, seed=seed) for seed in (None, 5, 5)
    )
    assert torch.equal(two, again)
    assert not torch.equal(one, two)


def test_examples_that_the_goal_leaves_alone_stay_as_they_are():
    threat = hf.ThreatModel(THREAT.space, goal=hf.Targeted(to=3))
    found = hf.perturb(own_network(), X, Y, threat=threat, attack=STEPS)
    moved = (found != X).flatten(1).any(1)
    assert torch.equal(moved, Y != 3)


class Refuses(nn.Module):
    def forward(self, x):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


class RefusesAsKeras(nn.Module):
    def forward(self, x):
        where = "Exception encountered when calling Sequential.call()."
        raise ValueError(f"{where}\n\n\x1b[1mInput 0 wants axis -1 of 3\x1b[0m\n\nArguments: ...")


class RefusesLater(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.asked = own_network(), 0

    def forward(self, x):
        self.asked += 1
        if self.asked > 2:
            raise RuntimeError("in the middle")
        return self.net(x)


CASES = {
    "another shape": (Refuses(), Y, InputError, r"the model cannot take torch.float32 inputs \(N"),
    "in Keras's words": (
        RefusesAsKeras(),
        Y,
        InputError,
        "ValueError: Input 0 wants axis -1 of 3$",
    ),
    "a softmax": (probabilities(), Y, InputError, "the model returns probabilities"),
    "a label without a logit": (own_network(), Y + 10, InputError, r"labels must be in 0\.\.9"),
    "a black box": (
        wrap(lambda x: 9 * x.reshape(len(x), -1)[:, 20:30], outputs="logits"),
        Y,
        Unsupported,
        "pgd needs gradient knowledge",
    ),
}


@pytest.mark.parametrize("call", [hf.attack, hf.perturb])
@pytest.mark.parametrize(("model", "y", "error", "message"), CASES.values(), ids=CASES)
def test_a_model_is_checked_at_its_first_answer(call, model, y, error, message):
    with pytest.raises(error, match=message):
        call(model, X, y, threat=THREAT, attack=STEPS)


@pytest.mark.parametrize("call", [hf.attack, hf.perturb])
def test_what_a_model_raises_later_is_its_own_error_and_no_hook_stays(call):
    model = wrap(RefusesLater())
    with pytest.raises(RuntimeError, match="in the middle"):
        call(model, X, Y, threat=THREAT, attack=STEPS)
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


def test_an_attack_that_does_not_fit_the_set_is_refused_in_training_too():
    batch = Batch(X, Y, torch.arange(len(Y)))
    method = hf.Madry(attack=hf.attacks.StAdv(steps=2))
    with pytest.raises(Unsupported, match="stadv works in Flow and Recolor, not in Linf"):
        method.perturb(wrap(own_network()), batch, THREAT, Rng(0, batch.ids))

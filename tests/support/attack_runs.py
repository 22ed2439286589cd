"""Running an attack in a set of whatever kind, and what then holds of it in any."""

from __future__ import annotations

import torch

from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import ThreatModel
from small_nets import Passes, batch, mlp


def run(attack, space, net, x, y, ids=None, **threat):
    objective = Objective(ThreatModel(space, **threat), net, x, y)
    rng = Rng(0, torch.arange(len(x)) if ids is None else ids)
    return attack(objective, space.around(x), rng)


def assert_it_works(attack, space, shape):
    """Assert gain, passes as stated, harm as the model says, and no dependence on batch mates."""
    net = mlp(shape)
    x, y = batch(net, shape, n=6)
    with torch.no_grad():
        clean = Margin().away(net(x), y)
    counted = Passes(net)
    found = run(attack, space, counted, x, y)
    forward, backward = attack.passes()
    assert (counted.forward_passes, counted.backward_passes) == (6 * forward, 6 * backward)
    assert float((found.harm - clean).mean()) > 0
    with torch.no_grad():
        assert torch.allclose(found.harm, Margin().away(net(found.x_adv), y), atol=1e-4)
    order = torch.tensor([3, 0, 0, 5, 1, 2])
    again = run(attack, space, net, x[order], y[order], ids=order)
    assert torch.equal(again.x_adv, found.x_adv[order])
    return found

"""Traits of regions: true where a set claims one; who needs one is refused where it does not."""

from __future__ import annotations

import pytest
import torch

import holdfast as hf
from components import example, load_all
from holdfast.attacks.core.base import require
from holdfast.components import known
from holdfast.errors import Unsupported
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces.catalog import fits, sets_with
from holdfast.spaces.norm_balls.l2 import L2Region
from holdfast.threat import LatentAudited, Normed, ThreatModel, Trait
from small_nets import mlp

load_all()
SPACES = {name: example(cls) for name, cls in known("space").items()}


class Shell(L2Region):
    """A ball of which the middle is taken out: no longer convex, all else as in the ball."""

    traits = L2Region.traits - {Trait.CONVEX}


def test_a_set_that_denies_a_trait_lacks_it():
    x, y = torch.rand(2, 6), torch.zeros(2, dtype=torch.long)
    region = Shell(x, torch.ones(2), (0.0, 1.0))
    objective = Objective(ThreatModel(hf.L2(eps=1)), mlp((6,)), x, y)
    assert not fits(region, (Trait.CONVEX,))
    assert fits(region, (Normed, Trait.VECTOR, Trait.EUCLIDEAN))
    with pytest.raises(Unsupported, match="fab works in"):
        require(hf.attacks.FAB(), objective, region)
    require(hf.attacks.DDN(), objective, region)
    for part in (region.take(torch.tensor([1])), region.at(region.radius / 2), region.unbounded()):
        assert part.traits == Shell.traits


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_traits_of_a_set_are_true(space):
    x = torch.rand(40, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    region, at = space.around(x), Rng(0, torch.arange(40))
    one, other = region.init(at.fold("one")), region.init(at.fold("other"))
    if Trait.VECTOR in region.traits:
        moved = region.project(one + 0.5 * (other - region.center()))
        x_adv = region.realize(moved, at)
        witnessed = isinstance(region, LatentAudited)
        assert bool(
            (region.contains_point(x_adv, moved) if witnessed else region.contains(x_adv)).all()
        )
    if isinstance(region, Normed):
        length = (one - x).flatten(1).double().norm(dim=1).to(x.dtype)
        assert torch.allclose(region.size(one), length) is (Trait.EUCLIDEAN in region.traits)
        whole = torch.equal(region.size(one), region.size(one).round())
        assert whole is (Trait.INTEGER in region.traits)
        between = region.contains((one + other) / 2)
        assert bool(between.all()) is (Trait.CONVEX in region.traits)
    else:
        assert region.traits <= {Trait.VECTOR}  # the others are told by a norm
    assert region.take(torch.tensor([3, 1])).traits == region.traits


def test_the_sets_that_have_each_trait():
    every = sets_with(())
    assert set(every) - set(sets_with((Trait.VECTOR,))) == {"CommonCorruptions"}
    assert sets_with((Trait.CONVEX,)) == ("Linf", "L2", "L1")
    assert sets_with((Trait.EUCLIDEAN,)) == ("L2",)
    assert sets_with((Trait.INTEGER,)) == ("L0", "PixelL0")

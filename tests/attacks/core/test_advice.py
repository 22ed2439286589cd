"""Refusals: in the words of sets and attacks that a user writes, with what fits best instead."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import holdfast as hf
from components import example, load_all
from holdfast.attacks import HopSkipJump, Restarts, SparseRS, Square
from holdfast.attacks.core.advice import FIRST, MOST
from holdfast.attacks.core.base import last, require
from holdfast.components import known
from holdfast.errors import InputError, Unsupported
from holdfast.evaluation import Member, Suite
from holdfast.evaluation.run.admission import check_suite
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces.catalog import fits, sets_with
from holdfast.threat import Knowledge, Normed, ThreatModel, Trait
from holdfast.threat import region as region_file

load_all()
SPACES = {name: example(cls) for name, cls in known("space").items()}
NAMES = {name for name, value in vars(region_file).items() if getattr(value, "_is_protocol", False)}
CAPABILITIES = re.compile(rf"\b({'|'.join([*NAMES, 'Trait', *Trait.__members__])})\b")
X, Y = torch.full((2, 3, 6, 6), 0.5), torch.zeros(2, dtype=torch.long)
NET = nn.Sequential(nn.Flatten(), nn.Linear(108, 3))


def bound(space, knowledge="gradient"):
    threat = ThreatModel(space, knowledge=Knowledge(knowledge))
    return Objective(threat, NET, X, Y), space.around(X)


def refused(attack, objective, region):
    """Return the message of a refusal, or None where the attack fits."""
    try:
        require(attack, objective, region)
    except Unsupported as error:
        return str(error)
    return None


def proposed(message):
    words = re.search(
        r": use (?:one of )?([\w, ]+?)(?: \(\d+ fit; holdfast list attack\))?$", message
    )
    assert words, message
    return words[1].split(", ")


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("knowledge", ["gradient", "score", "decision"])
def test_every_refusal_names_the_users_set_and_what_fits(space, knowledge):
    objective, region = bound(space, knowledge)
    found = {
        name: refused(example(cls), objective, region) for name, cls in known("attack").items()
    }
    refusals = {name: message for name, message in found.items() if message}
    assert refusals
    for name, message in refusals.items():
        if "knowledge" in message:
            assert f"the threat model grants {knowledge}" in message
        else:
            assert re.search(rf"\b{type(space).__name__}\b", message), message
        assert message.startswith(name) or f", in {name}, " in message
        assert not CAPABILITIES.search(message), message
        assert "\n" not in message
        assert len(message) < 200
        names = proposed(message)
        assert 1 <= len(names) <= MOST
        assert all(found[other] is None for other in names)
        assert name not in names


def test_where_an_attack_works_is_what_the_sets_can_do():
    for cls in known("attack").values():
        demands = example(cls).demands()
        needs = (*demands.needs, *([Normed] if demands.nearest else []))
        there = {type(s).__name__ for s in SPACES.values() if fits(s.around(X), needs)}
        assert set(sets_with(needs)) == there


def test_a_few_refusals_read_as_a_person_would_say_it():
    cases = [
        (
            hf.attacks.APGD(),
            SPACES["common_corruptions"],
            "apgd works in every set but CommonCorruptions: use",
        ),
        (hf.attacks.CW(), hf.Linf(eps=0.1), "cw works in L2, not in Linf: use one of fmn, "),
        (Restarts(attack=HopSkipJump()), hf.L1(eps=1), "hopskipjump, in restarts, works in Linf "),
        (hf.attacks.MultiEps(), SPACES["flow"], "multi_eps works in Linf, L2, L1, L0 and PixelL0"),
    ]
    bandits = refused(hf.attacks.Bandits(), *bound(hf.L0(eps=3)))
    assert bandits.startswith("bandits works in Linf and L2, not in L0: use one of sparse_rs, ")
    for attack, space, message in cases:
        assert refused(attack, *bound(space)).startswith(message)
    nothing = refused(hf.attacks.PGD(), *bound(hf.Linf(eps=0.1), "transfer"))
    assert nothing.endswith("give the attacker a model of its own (surrogate=...)")


def test_the_first_proposals_are_attacks_that_need_nothing_to_be_made():
    assert set(FIRST) <= set(known("attack"))
    for name in FIRST:
        known("attack")[name]()


def test_a_suite_that_does_not_fit_names_a_suite_or_attacks_that_do():
    decision, standard = known("suite")["decision-1"], known("suite")["standard-1"]
    with pytest.raises(
        Unsupported, match=r"the threat model grants score: use the suite decision-1 or score-1"
    ):
        check_suite(standard, standard.parts(3), *bound(hf.Linf(eps=0.1), "score"))
    with pytest.raises(
        Unsupported, match=r"hopskipjump works in Linf and L2, not in L0: no suite"
    ) as caught:
        check_suite(decision, decision.members, *bound(hf.L0(eps=3)))
    assert "Suite(name='own', members=...), of random_search, sparse_rs, " in str(caught.value)
    mixed = Suite(
        name="own", members=(Member(name="a", attack=SparseRS()), Member(name="b", attack=Square()))
    )
    with pytest.raises(Unsupported, match="b of the suite own does not fit: square works in"):
        check_suite(mixed, mixed.members, *bound(hf.L0(eps=3)))


def test_training_refuses_an_attack_and_a_method_that_the_set_does_not_fit(tmp_path):
    with pytest.raises(Unsupported, match="bandits works in Linf and L2, not in L0"):
        last(hf.attacks.Bandits(), *bound(hf.L0(eps=3)), Rng(0, torch.arange(2)))
    for method, space, message in (
        ("mtl_ibp", hf.L2(eps=1), "mtl_ibp works in Linf and Masked, not in L2: use another set"),
        ("nfgsm", SPACES["common_corruptions"], "nfgsm works in every set but CommonCorruptions"),
    ):
        with pytest.raises(Unsupported, match=message):
            hf.train(
                nn.Sequential(nn.Flatten(), nn.Linear(108, 3)),
                (X.repeat(10, 1, 1, 1), torch.arange(20) % 3),
                threat=ThreatModel(space),
                method=method,
                out=tmp_path / "run",
                quiet=True,
            )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["common_corruptions", "flow", "recolor", "rotation_translation"])
def test_sets_of_images_name_the_sets_of_other_inputs(name):
    with pytest.raises(
        InputError, match=r"images \(B, C, H, W\).*got shape \(2, 9\): for others use Linf"
    ):
        SPACES[name].around(torch.zeros(2, 9))

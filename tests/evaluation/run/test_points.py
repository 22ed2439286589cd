"""Claims in sets whose points are no inputs: the evidence holds the point behind each input."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from holdfast import load_data
from holdfast.attacks import PGD, ApplyPatch, Grid, Leap, PlaceSearch, RandomSearch, StAdv
from holdfast.claims import Claim, write_claim
from holdfast.errors import VerificationError
from holdfast.evaluation import Member, Suite, evaluate, verify
from holdfast.spaces import (
    CommonCorruptions,
    Flow,
    Masked,
    Patch,
    Recolor,
    Rectangle,
    RotationTranslation,
)
from holdfast.threat import ThreatModel
from small_nets import digits

CASES = {
    "rotation": (RotationTranslation(degrees=30, shift=1), Grid(angles=7, shifts=3)),
    "flow": (Flow(eps=1), Leap(steps=4)),
    "recolor": (Recolor(eps=0.3, points=8), StAdv(steps=5)),
    "patch": (
        Patch(height=0.4, width=0.4),
        PlaceSearch(attack=PGD(steps=5), places=1, heats=2, probes=8),
    ),
    "apply_patch": (Patch(height=0.5, width=0.5), ApplyPatch(places=5)),
    "common_corruptions": (CommonCorruptions(eps=5), RandomSearch(queries=20)),
    "masked": (Masked(shapes=(Rectangle(top=0.25, left=0.25),)), RandomSearch(queries=20)),
}


def suite(*attacks):
    return Suite(
        name="own",
        members=tuple(Member(name=f"member-{k}", attack=a) for k, a in enumerate(attacks)),
    )


def claim_in(space, attack, out, **changes):
    options = {"suite": suite(PGD(steps=3), attack), "n": 40, "batch_size": 20, "quiet": True}
    net, data = digits(40)[0], load_data("digits").test
    return evaluate(net, data, threat=ThreatModel(space), out=out, **{**options, **changes})


@pytest.mark.parametrize("name", CASES)
def test_a_claim_holds_and_is_replayed(name, tmp_path):
    space, attack = CASES[name]
    claim = claim_in(space, attack, tmp_path)
    net, data = digits(40)[0], load_data("digits").test
    proven = verify(claim.folder, model=net, data=data, replay=3)
    assert 3 <= proven.counterexamples == claim.document["counts"]["broken"]
    stored = load_file(claim.folder / "evidence-00000.safetensors")
    assert ("z" in stored) == (name != "masked")


def test_a_curve_keeps_the_points_of_smaller_radii(tmp_path):
    space, attack = CASES["rotation"]
    claim = claim_in(space, attack, tmp_path, eps=[0.3, 0.6])
    net, data = digits(40)[0], load_data("digits").test
    assert verify(claim.folder, model=net, data=data, replay=0).counterexamples > 3
    again = claim_in(space, attack, tmp_path, eps=[0.3, 0.6])  # from the ledger
    assert again.document["counts"] == claim.document["counts"]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda t: t.pop("z"), "must hold ids, z"),
        (lambda t: t.update(z=t["z"][:, :2].contiguous()), "is none of this set"),
        (lambda t: t.update(z=t["z"] * torch.nan), "is none of this set"),
        (lambda t: t.update(z=0.9 * t["z"]), "is not within rotation"),
        (lambda t: t.update(z=3 * t["z"]), "is not within rotation"),
    ],
)
def test_a_point_that_does_not_show_its_input_is_refused(spoil, complaint, tmp_path):
    space, attack = CASES["rotation"]
    claim = claim_in(space, attack, tmp_path / "claim")
    name = "evidence-00000.safetensors"
    files = {n: (claim.folder / n).read_bytes() for n in claim.document["files"]}
    tensors = load_file(claim.folder / name)
    spoil(tensors)
    save_file(tensors, tmp_path / name)
    files[name] = (tmp_path / name).read_bytes()
    forged = write_claim(tmp_path / "forged", dict(claim.document), files)
    assert isinstance(forged, Claim)
    with pytest.raises(VerificationError, match=complaint):
        verify(forged.folder, model=digits(40)[0], data=load_data("digits").test)

"""A claim that was tampered with is refused, also by a forger who recomputes every digest."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from evaluation_setup import TINY, examples, network
from forging import Forger
from holdfast.attacks import PGD
from holdfast.claims import Accuracy, Claim, write_claim
from holdfast.components import describe, digest
from holdfast.errors import StorageError, VerificationError
from holdfast.evaluation import STANDARD_1, Member, Suite, evaluate, verify
from holdfast.evaluation.run import stage
from holdfast.spaces import L2, Linf, Patch, PixelL0
from holdfast.threat import Targeted, ThreatModel


@pytest.fixture
def forger(claim, tmp_path):
    return Forger(claim, tmp_path / "forged")


EVIDENCE = "evidence-00000.safetensors"


def spoil(forger, change):
    """Change the tensors of the evidence in place."""
    tensors = forger.tensors(EVIDENCE)
    found = change(tensors)
    forger.put(EVIDENCE, found or tensors)


def test_an_untouched_claim_holds(claim, net, data):
    proven = verify(claim.folder, model=net, data=data, replay=5)
    assert proven.counterexamples == claim.document["counts"]["broken"]
    assert proven.replayed == 5
    assert proven.bound == Accuracy(claim.robust_accuracy.k, 90)
    assert "at most 12.2 %" in str(proven)
    assert "cannot prove" in str(proven)
    assert "Taken on trust: " in str(proven)
    assert "the words of the checks, names, dates, versions, machine, command" in str(proven)


def test_a_rewritten_claim_without_changes_holds(forger, net, data):
    """What the tests below refuse is refused for the change, not for the rewriting."""
    verify(forger.write(), model=net, data=data, replay=0)


def test_a_claim_without_counterexamples_holds(net, data, tmp_path):
    options = {"suite": TINY, "batch_size": 16, "quiet": True}
    evaluate(net, data, threat=ThreatModel(Linf(eps=1e-4)), out=tmp_path, **options)
    proven = verify(tmp_path, model=net, data=data, replay=2)
    assert (proven.points, proven.counterexamples, proven.replayed) == (90, 0, 2)
    assert proven.bound == proven.claim.clean_accuracy


@pytest.mark.parametrize(
    ("space", "eps"), [(L2(eps=1.0), [2.0]), (Patch(eps=1.0), []), (PixelL0(eps=2.0), [])], ids=str
)
def test_a_radius_written_with_a_point_holds(net, data, tmp_path, space, eps):
    """A claim writes it as a whole number."""
    suite = Suite(name="own", members=(Member(name="a", attack=PGD()),))
    options = {"suite": suite, "batch_size": 16, "n": 16, "quiet": True, "out": tmp_path}
    claim = evaluate(net, data, threat=ThreatModel(space), eps=eps, **options)
    verify(tmp_path, model=net, data=data, replay=2)
    assert str(space.eps) not in claim.document["threat_sentence"]


def test_a_randomised_model_cannot_be_verified(net, data, threat, tmp_path):
    class Noisy(nn.Module):
        def forward(self, x):
            return net(x + 0.01 * torch.randn_like(x))

    options = {"threat": threat, "suite": TINY, "out": tmp_path, "batch_size": 16, "quiet": True}
    evaluate(Noisy(), data, n=16, **options)
    with pytest.raises(VerificationError, match=r"randomized model cannot be verified.*repeatable"):
        verify(tmp_path, model=Noisy(), data=data, replay=0)


def test_every_changed_byte_shows(claim, net, data, tmp_path):
    for name in ("claim.json", *claim.document["files"]):
        folder = tmp_path / f"with-{name}"
        shutil.copytree(claim.folder, folder, ignore=shutil.ignore_patterns("ledger"))
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(VerificationError, match=name):
            verify(folder, model=net, data=data, replay=0)


def test_an_unfinished_claim_is_told_apart(claim, net, data, tmp_path):
    with pytest.raises(StorageError, match="no finished claim"):
        verify(tmp_path, model=net, data=data, replay=0)


def test_another_model_or_other_data(claim, net, data):
    with pytest.raises(VerificationError, match="another model"):
        verify(claim.folder, model=network(seed=1), data=data, replay=0)
    with pytest.raises(VerificationError, match="other data"):
        verify(claim.folder, model=net, data=examples(seed=1), replay=0)
    with pytest.raises(VerificationError, match="other data"):
        verify(claim.folder, model=net, data=data.take(torch.arange(89)), replay=0)


class Switch(nn.Module):
    """The same weights with another forward."""

    def __init__(self, net, shift):
        super().__init__()
        self.net, self.shift = net, shift

    def forward(self, x):
        return self.net((x + self.shift).clamp(0, 1))


def test_another_forward_with_the_same_weights(net, data, threat, tmp_path):
    options = {"threat": threat, "suite": TINY, "out": tmp_path, "batch_size": 16, "quiet": True}
    evaluate(Switch(net, 0.0), data, **options)
    verify(tmp_path, model=Switch(net, 0.0), data=data, replay=0)
    with pytest.raises(VerificationError, match="computes something else"):
        verify(tmp_path, model=Switch(net, 0.2), data=data, replay=0)


def outside(tensors):
    tensors["x_adv"][0, 0, 0, 0] += 0.3 if tensors["x_adv"][0, 0, 0, 0] < 0.5 else -0.3


def a_little_outside(tensors):
    tensors["x_adv"][3] = (tensors["x_adv"][3] - 0.5) * 1.02 + 0.5


def out_of_range(tensors):
    tensors["x_adv"][1, 0, 0, 0] = -1e-3


def not_a_number(tensors):
    tensors["x_adv"][2, 0, 0, 0] = torch.nan


def swapped(tensors):
    tensors["x_adv"] = tensors["x_adv"].roll(1, 0)


def twice(tensors):
    return {k: torch.cat([v, v[:1]]) for k, v in tensors.items()}


def too_few(tensors):
    return {k: v[1:] for k, v in tensors.items()}


def uneven(tensors):
    tensors["ids"] = tensors["ids"][1:]


def other_shape(tensors):
    tensors["x_adv"] = tensors["x_adv"].flatten(1)


def other_type(tensors):
    tensors["x_adv"] = tensors["x_adv"].half()


def nameless(tensors):
    del tensors["ids"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (outside, "not within"),
        (a_little_outside, "not within"),
        (out_of_range, "not within"),
        (not_a_number, "not within"),
        (swapped, "not within"),
        (twice, "second counterexample"),
        (too_few, "no counterexample"),
        (uneven, "one length"),
        (other_shape, "shape"),
        (other_type, "float16"),
        (nameless, "must hold"),
    ],
)
def test_altered_evidence(forger, net, data, change, complaint):
    spoil(forger, change)
    with pytest.raises(VerificationError, match=complaint):
        verify(forger.write(), model=net, data=data, replay=0)


def test_clean_inputs_as_counterexamples(forger, net, data):
    def undo(tensors):
        place = {i: k for k, i in enumerate(data.ids.tolist())}
        rows = torch.tensor([place[i] for i in tensors["ids"].tolist()])
        tensors["x_adv"] = data.batch(rows).x

    spoil(forger, undo)
    for row in forger.rows:
        row["size"] = "0.0" if row["status"] == "broken" else row["size"]
    with pytest.raises(VerificationError, match="does not fool"):
        verify(forger.write(), model=net, data=data, replay=0)


def test_broken_called_unbroken(forger, net, data):
    forger.set(forger.row("broken"), status="unbroken", size="", broken_by="")
    with pytest.raises(VerificationError, match="evidence against"):
        verify(forger.write(), model=net, data=data, replay=0)


def test_unbroken_called_broken(forger, net, data):
    forger.set(forger.row("unbroken"), status="broken", size="0.12", broken_by="pgd")
    with pytest.raises(VerificationError, match="no counterexample"):
        verify(forger.write(), model=net, data=data, replay=0)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("clean-wrong", "unbroken", "is misclassified"),
        ("unbroken", "clean-wrong", "is classified correctly"),
        ("clean-wrong", "failed", "is misclassified"),
    ],
)
def test_clean_accuracy_that_is_not_so(forger, net, data, old, new, complaint):
    forger.set(forger.row(old), status=new)
    with pytest.raises(VerificationError, match=complaint):
        verify(forger.write(), model=net, data=data, replay=0)


def test_broken_hidden_among_the_wrong(forger, net, data):
    """Deflates the number of points that had to be defended; the evidence goes with it."""
    row = forger.row("broken")
    forger.set(row, status="clean-wrong", size="", broken_by="")
    keep = forger.tensors(EVIDENCE)["ids"] != int(row["id"])
    spoil(forger, lambda tensors: {k: v[keep] for k, v in tensors.items()})
    with pytest.raises(VerificationError, match="is classified correctly"):
        verify(forger.write(), model=net, data=data, replay=0)


def test_examples_left_out(forger, net, data):
    """Leaving out those that fail makes any model look good."""
    forger.rows.remove(forger.row("clean-wrong"))
    for ids, available in (("all", 89), ([int(row["id"]) for row in forger.rows], 90)):
        forger.document["data"] |= {"ids": ids, "available": available}
        with pytest.raises(VerificationError, match=r"the choice of examples|its examples"):
            verify(forger.write(), model=net, data=data, replay=0)


def test_a_label_that_is_not_the_data_s(forger, net, data):
    row = forger.row("clean-wrong")
    forger.set(row, label=str((int(row["label"]) + 1) % 5))
    with pytest.raises(VerificationError, match="label"):
        verify(forger.write(), model=net, data=data, replay=0)


def test_a_size_that_is_not_so(forger, net, data):
    forger.set(forger.row("broken"), size="0.01")
    with pytest.raises(VerificationError, match="has size"):
        verify(forger.write(), model=net, data=data, replay=0)


def test_another_set_than_the_one_attacked(forger, net, data):
    wide = ThreatModel(Linf(eps=0.2))
    forger.document |= {"threat_sentence": wide.sentence()}
    with pytest.raises(VerificationError, match="its sentence"):
        verify(forger.write(), model=net, data=data, replay=0)
    narrow = ThreatModel(Linf(eps=0.05))
    forger.document |= {
        "threat": describe(narrow),
        "threat_digest": narrow.digest,
        "threat_sentence": narrow.sentence(),
    }
    with pytest.raises(VerificationError, match="not within"):
        verify(forger.write(), model=net, data=data, replay=0)
    forger.document["threat"] = {"type": "threat_model", "space": {"type": "linff", "eps": 1}}
    with pytest.raises(VerificationError, match="linf"):
        verify(forger.write(), model=net, data=data, replay=0)


def test_a_suite_that_borrows_a_name(forger, net, data):
    forger.document["suite"] |= {"name": "standard-1", "digest": digest(STANDARD_1)}
    with pytest.raises(VerificationError, match="not that of its definition"):
        forger.write()
    forger.document["suite"]["definition"] = describe(STANDARD_1)
    with pytest.raises(VerificationError, match="members of its suite"):
        verify(forger.write(), model=net, data=data, replay=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["per_class"][0].update(n=1),
        lambda document: document["waterfall"][1].update(broken=0),
        lambda document: document["waterfall"].pop(),
        lambda document: document["cost"].update(forward=1),
        lambda document: document["model"].update(parameters=1),
    ],
)
def test_sums_that_do_not_follow(forger, net, data, change):
    forger.write()
    change(forger.document)
    write_claim(forger.folder, forger.document, forger.files)
    with pytest.raises(VerificationError, match="not consistent"):
        verify(forger.folder, model=net, data=data, replay=0)


def test_a_curve_that_does_not_pass_through_the_claim(forger, net, data):
    forger.document["curve"] = [
        {"eps": "0.12", "radius": 0.12, "robust": Accuracy(40, 90).plain(), "cost": {}}
    ]
    with pytest.raises(VerificationError, match="its curve"):
        verify(forger.write(), model=net, data=data, replay=0)


@pytest.fixture(scope="module")
def curved(net, data, threat, tmp_path_factory):
    out = tmp_path_factory.mktemp("claims") / "curved"
    options = {"threat": threat, "suite": TINY, "out": out, "batch_size": 16, "quiet": True}
    return evaluate(net, data, eps=[0.05, 0.09, 0.2], **options)


@pytest.mark.parametrize("k", [0, 1, 3])
def test_a_curve_above_what_the_counterexamples_prove(curved, net, data, tmp_path, k):
    verify(curved.folder, model=net, data=data, replay=0)
    document = curved.document
    wrong = document["counts"]["clean-wrong"]
    kept = [point["robust"]["k"] for point in document["curve"]]
    assert 90 - wrong > kept[0] > kept[1] > kept[2] > kept[3]
    forger = Forger(curved, tmp_path / "forged")
    forged = [kept[0] + 1, kept[1] + 1, 0, kept[2] + 1][k]
    forger.document["curve"][k]["robust"] = Accuracy(forged, 90).plain()
    with pytest.raises(VerificationError, match="its curve"):
        verify(forger.write(stages=False), model=net, data=data, replay=0)


def test_what_the_own_radius_finds_within_a_smaller_one_counts_there(curved):
    for point in curved.document["curve"]:
        known = [row for row in curved.per_example if row.size and row.size <= point["radius"]]
        wrong = curved.document["counts"]["clean-wrong"]
        assert point["robust"]["k"] <= 90 - wrong - len(known)


def test_checks_made_rosier(net, data, threat, tmp_path):
    class Loud(nn.Module):
        def forward(self, x):
            return 1e4 * net(x)

    out = tmp_path / "loud"
    options = {"threat": threat, "suite": TINY, "out": out, "batch_size": 16, "quiet": True}
    claim = evaluate(Loud(), data, **options)
    forger = Forger(claim, tmp_path / "forged")
    check = next(c for c in forger.document["checks"] if c["id"] == "zero-gradient")
    assert check["status"] == "warn"
    verify(forger.write(), model=Loud(), data=data, replay=0)
    check["status"] = "pass"
    with pytest.raises(VerificationError, match="zero-gradient says warn"):
        verify(forger.write(), model=Loud(), data=data, replay=0)
    forger.document["checks"].remove(check)
    with pytest.raises(VerificationError, match="nothing of it"):
        verify(forger.write(), model=Loud(), data=data, replay=0)


@pytest.mark.parametrize("name", ["x", "x_adv", "logits", "logits_adv"])
def test_a_gallery_of_other_pictures(forger, net, data, name):
    tensors = forger.tensors("gallery.safetensors")
    tensors[name] = tensors[name] * 0.9
    forger.put("gallery.safetensors", tensors)
    with pytest.raises(VerificationError, match="gallery"):
        verify(forger.write(), model=net, data=data, replay=0)


def test_replay_finds_an_evaluation_that_never_ran(net, data, threat, tmp_path, monkeypatch):
    """The one thing that counterexamples cannot show: that there are none of the rest."""
    out, attack_batch = tmp_path / "lazy", stage.attack_batch
    with monkeypatch.context() as lazy:

        def weakly(setting, member, batch, objective):
            weak = setting.within(tiny(setting.threat))
            return attack_batch(weak, member, batch, weak.objective(batch, member))

        lazy.setattr(stage, "attack_batch", weakly)
        evaluate(net, data, threat=threat, suite=TINY, out=out, batch_size=16, quiet=True)
    assert Claim.load(out).robust_accuracy.k > 80
    verify(out, model=net, data=data, replay=0)
    with pytest.raises(VerificationError, match="the claim is too high"):
        verify(out, model=net, data=data, replay=5)


def tiny(threat):
    return threat.with_eps(1e-3)


def test_replay_of_a_targeted_goal_leaves_its_class_alone(net, data, tmp_path):
    threat = ThreatModel(Linf(eps=0.12), goal=Targeted(to=2))
    evaluate(net, data, threat=threat, suite=TINY, out=tmp_path, batch_size=16, quiet=True)
    assert verify(tmp_path, model=net, data=data, replay=90).replayed > 10


def test_replay_of_a_subset_in_low_precision(net, data, threat, tmp_path):
    evaluate(
        net, data, threat=threat, suite=TINY, out=tmp_path, batch_size=16, n=40, seed=3,
        precision="bfloat16", quiet=True,
    )  # fmt: skip
    assert verify(tmp_path, model=net, data=data, replay=40).replayed > 0


def test_verify_leaves_the_claim_as_it_is(claim, net, data):
    before = {path: path.read_bytes() for path in claim.folder.rglob("*") if path.is_file()}
    verify(claim.folder, model=net, data=data, replay=2)
    assert {p: p.read_bytes() for p in claim.folder.rglob("*") if p.is_file()} == before


def test_a_claim_tells_its_file_and_loads_alone(claim):
    document = json.loads((claim.folder / "claim.json").read_text())
    assert document["suite"]["members"][0]["name"] == "pgd"
    assert load_file(claim.folder / EVIDENCE)["ids"].shape == (claim.document["counts"]["broken"],)

"""Lies that help, by a forger who makes every figure and digest fit, are refused or printed."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from evaluation_setup import TINY
from forging import Forger, reforge
from holdfast.attacks import (
    APGD,
    EOT,
    GAMA,
    MALT,
    PGD,
    EachTarget,
    Restarts,
    Square,
    WarmStart,
)
from holdfast.claims import Claim, Table, suites, wording, write_claim
from holdfast.components import describe, digest, known
from holdfast.errors import ConfigError, VerificationError
from holdfast.evaluation import Member, Suite, evaluate, get_suite, verify
from holdfast.evaluation.recheck import replay as replays
from holdfast.evaluation.recheck.figures import check_figures
from holdfast.evaluation.recheck.hidden import at_most, most_hidden
from holdfast.evaluation.recheck.verify import bind
from holdfast.reporting import to_markdown
from holdfast.rng import Rng
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel


@pytest.fixture
def forger(claim, tmp_path):
    return Forger(claim, tmp_path / "forged")


# Survivors that are none


def test_points_are_not_drawn_by_what_the_claim_says(forger, net, data):
    """The forger picks the seed under which the claim's own draw meets true survivors alone."""
    true = {int(row["id"]) for row in forger.rows if row["status"] == "unbroken"}
    forger.hide(20)
    kept = torch.tensor([int(r["id"]) for r in forger.rows if r["status"] == "unbroken"])

    def meets(seed):
        order = Rng(seed, kept).fold("replay").uniform().argsort(stable=True)
        return {int(i) for i in kept[order[:5]]} <= true

    forger.document["seed"] = next(seed for seed in range(10**5) if meets(seed))
    forger.remake_gallery(net, data)
    folder = forger.write()
    verify(folder, model=net, data=data, replay=0)
    with pytest.raises(VerificationError, match="the claim is too high"):
        verify(folder, model=net, data=data)


def test_survivors_are_attacked_again_by_default_and_the_line_says_what_that_shows(
    claim, net, data
):
    some = [verify(claim.folder, model=net, data=data, replay=4) for _ in range(2)]
    assert some[0].replay.seed != some[1].replay.seed
    again = verify(claim.folder, model=net, data=data, replay=4, replay_seed=some[0].replay.seed)
    assert again.replay == some[0].replay
    assert again.replay.hidden == most_hidden(11, 4)
    assert "4 of 11 attacked again: with 95 % confidence at most 36.4 % of the 11" in str(again)
    everyone = verify(claim.folder, model=net, data=data)
    assert (everyone.replayed, everyone.replay.hidden) == (11, 0)


def test_no_more_than_five_where_even_they_take_longer_than_allowed(claim, net, data, monkeypatch):
    monkeypatch.setattr(replays, "SECONDS", 0.0)
    assert verify(claim.folder, model=net, data=data).replayed == 5


ENDLESS = {
    "gradient steps": PGD(steps=10**12),
    "steps of a schedule": GAMA(steps=10**12),
    "queries, behind another attack": WarmStart(first=PGD(steps=10), then=Square(queries=10**11)),
    "searches, each of them short": Restarts(attack=PGD(), restarts=200),
    "passes of a single look": EOT(attack=PGD(), samples=10**9),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_suite_that_nobody_can_repeat_is_refused_rather_than_waited_for(
    forger, net, data, monkeypatch, kind
):
    monkeypatch.setattr(replays, "SECONDS", 0.01)
    monkeypatch.setattr(replays, "LONGEST", 0.5)
    forger.say_that_nothing_broke(
        Suite(name="own", members=(Member(name="a", attack=ENDLESS[kind]),))
    )
    folder = forger.write()
    with pytest.raises(VerificationError, match=r"5 survivors again, .* takes "):
        verify(folder, model=net, data=data)
    verify(folder, model=net, data=data, replay=0)


def test_the_table_is_not_read_again_for_each_of_very_many_stages(forger, net, data, monkeypatch):
    suite = Suite(
        name="own", members=(Member(name="a", attack=Restarts(attack=PGD(), restarts=300)),)
    )
    forger.say_that_nothing_broke(suite)
    folder, read, looks = forger.write(), Table.__getitem__, []

    def counted(table, key):
        looks.append(key)
        return read(table, key)

    monkeypatch.setattr(Table, "__getitem__", counted)
    verify(folder, model=net, data=data, replay=0)
    assert len(looks) < 100


def test_no_batch_takes_longer_than_the_verifier_waits(claim, net, data, monkeypatch):
    """Also where the forecast is wrong, because the model answers more slowly later on."""
    monkeypatch.setattr(replays, "forecast", lambda setting: {})
    monkeypatch.setattr(replays, "LONGEST", 0.0)
    with pytest.raises(VerificationError, match=r"5 survivors again, .* takes "):
        verify(claim.folder, model=net, data=data)


@pytest.mark.parametrize(("hidden", "refused"), [(1, False), (3, True)])
def test_other_hardware_may_break_a_few_and_they_are_printed(
    forger, net, data, monkeypatch, hidden, refused
):
    monkeypatch.setattr(replays, "environment", lambda: {"machine": "another"})
    forger.hide(hidden)
    forger.remake_gallery(net, data)
    folder = forger.write()
    if refused:
        with pytest.raises(VerificationError, match="the claim is too high"):
            verify(folder, model=net, data=data)
        return
    proven = verify(folder, model=net, data=data)
    assert "1 of them broke" in str(proven)
    assert proven.bound.k == 11  # what broke counts against the claim


def test_attacks_that_were_blind_and_hide_it(net, data, run, tmp_path):
    class Loud(nn.Module):  # cross-entropy rounds to zero, so that attacks on it cannot move
        def forward(self, x):
            return 1e4 * net(x)

    forger = Forger(run(Loud(), n=32), tmp_path / "forged")
    bars = {bar["name"]: bar for bar in forger.document["waterfall"]}
    assert bars["apgd-ce"]["failed"] > 2
    verify(forger.write(), model=Loud(), data=data)
    bars["apgd-ce"]["failed"] = 0
    next(c for c in forger.document["checks"] if c["id"] == "unmoved")["status"] = "pass"
    with pytest.raises(VerificationError, match="apgd-ce cannot move on"):
        verify(forger.write(), model=Loud(), data=data)


@pytest.mark.parametrize(("n", "again"), [(1, 1), (7, 3), (12, 4), (20, 19), (30, 5)])
def test_the_bound_on_what_is_hidden_is_the_largest_that_the_draw_leaves_likely(n, again):
    for broken in range(min(again, 3) + 1):

        def likely(hidden, broken=broken):
            ways = sum(
                math.comb(hidden, i) * math.comb(n - hidden, again - i) for i in range(broken + 1)
            )
            return ways / math.comb(n, again)

        possible = range(broken, n - (again - broken) + 1)
        assert most_hidden(n, again, broken) == max(h for h in possible if likely(h) >= 0.05)
        assert all(math.isclose(at_most(broken, n, h, again), likely(h)) for h in possible)


@pytest.mark.parametrize("old", ["broken", "unbroken", "clean-wrong"])
def test_a_certificate_that_nobody_can_recompute(forger, old, tmp_path):
    row = forger.row(old)
    if old == "broken":
        forger.drop_evidence(int(row["id"]))
    forger.set(row, status="certified", size="", broken_by="")
    with pytest.raises(VerificationError, match="certified"):
        forger.write()
    with pytest.raises(VerificationError, match="certified"):
        to_markdown([Claim.load(forger.folder)])


class Far(nn.Module):
    """A network with a class so far below the others that rounding looks large beside its range."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        logits = self.net(x)
        return torch.cat([logits, torch.full_like(logits[:, :1], -9e5)], 1)


@pytest.mark.parametrize("status", ["unbroken", "broken"])
def test_misclassified_examples_within_the_rounding_of_a_class_far_below(
    net, data, run, status, tmp_path
):
    forger = Forger(run(Far(net), threat=ThreatModel(Linf(eps=1e-4))), tmp_path / "forged")
    wrong = [row for row in forger.rows if row["status"] == "clean-wrong"]
    assert len(wrong) > 5
    for row in wrong:
        shown = {"size": "0.0", "broken_by": "pgd"} if status == "broken" else {}
        forger.set(row, status=status, **shown)
    if status == "broken":  # by itself, which costs robust accuracy nothing
        ids = torch.tensor([int(row["id"]) for row in wrong])
        x = data.select(ids).batch(torch.arange(len(ids))).x
        forger.put(EVIDENCE, {"ids": ids, "x_adv": x})
        forger.remake_gallery(Far(net), data)
    with pytest.raises(VerificationError, match="classified otherwise than the claim says"):
        verify(forger.write(), model=Far(net), data=data, replay=0)


# The name of a suite

WEAK = (Member(name="apgd", attack=PGD(steps=1)),)


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("standard-1", "custom: standard-1"),
        ("standard", "custom: standard"),
        ("st\u0430ndard-1", "custom: st\\u0430ndard-1"),
        ("AutoAttack", "custom: AutoAttack"),
        ("x\x1b[2K\nstandard-1", "custom: x\\x1b[2K\\nstandard-1"),
        ("all) Against standard-1 (" * 9, "..."),
    ],
)
def test_a_name_is_printed_as_ours_only_for_our_attacks(claim, name, printed, tmp_path):
    weak = Suite(name=name, members=WEAK)
    entry = {**claim.document["suite"], "name": name, "digest": digest(weak)}
    document = {**claim.document, "suite": {**entry, "definition": describe(weak)}}
    assert printed in wording.sentence(document)
    assert "Against custom: " in wording.sentence(document)
    write_claim(
        tmp_path,
        document,
        {name: (claim.folder / name).read_bytes() for name in claim.document["files"]},
    )
    shown = to_markdown([Claim.load(tmp_path)])
    assert "custom: " in shown
    assert f"| {name} " not in shown


def test_a_suite_of_one_s_own_is_called_so_by_every_part(claim, net, data):
    assert "Against custom: tiny" in str(claim)
    assert "that custom: tiny is strong" in str(verify(claim.folder, model=net, data=data))


def test_the_digest_of_ours_cannot_be_borrowed(claim, tmp_path):
    def change(document):
        document["suite"] |= {"name": "standard-1", "digest": digest(get_suite("standard-1"))}

    with pytest.raises(VerificationError, match="not that of its definition"):
        reforge(claim, tmp_path, change)


def test_members_that_the_definition_does_not_make(claim, net, data, tmp_path):
    def change(document):
        document["suite"]["members"][0]["attack"]["steps"] = 1000

    with pytest.raises(VerificationError, match="members of its suite"):
        verify(reforge(claim, tmp_path, change), model=net, data=data)


@pytest.mark.parametrize("name", ["standard", "Standard-1", "\uff53tandard-1", " quick-7", "score"])
def test_our_names_are_not_given_to_other_attacks(name):
    with pytest.raises(ConfigError, match="stands for other attacks"):
        get_suite(Suite(name=name, members=WEAK))
    assert get_suite("standard-1") is get_suite(get_suite("standard"))


EVER = {  # what each name has stood for in some version: grows, and nothing is ever taken out
    "decision-1": "f2cc9db8dfb0d732857c84d2f6b4f4961a263b8fb818a1050a45823e2816586f",
    "quick-1": "5008044f6538003ba1e7ee982442f464c0bf8631c21971ca257bd270a3091207",
    "score-1": "c334ff0b3146ae07530b76efe7161a00f9141b7c669c2aa32c66e1983b127213",
    "standard-1": "316ed4e3885b11d7d727b3a64162aaafd0eba86e68e9f603c5eb1bf9040383ca",
}


def test_every_suite_of_today_is_listed_and_none_of_before_is_lost():
    for name, suite in known("suite").items():
        assert suites.is_ours(name, digest(suite)), f"add {digest(suite)} to suites.json"
    assert all(suites.is_ours(name, old) for name, old in EVER.items())


# Which points they are


@pytest.mark.parametrize("part", ["train", "validation"])
def test_training_points_that_the_claim_does_not_call_so(claim, net, data, part):
    with pytest.raises(VerificationError, match=f"just points, .* {part} part"):
        verify(claim.folder, model=net, data=replace(data, part=part))
    verify(claim.folder, model=net, data=replace(data, part="test"), replay=0)


@pytest.mark.parametrize(("said", "part"), [("test", "train"), ("test", "validation")])
def test_another_part_than_the_claim_says(claim, net, data, said, part, tmp_path):
    folder = reforge(claim, tmp_path, lambda document: document["data"].update(part=said))
    with pytest.raises(VerificationError, match=f"calls its examples {said} points"):
        verify(folder, model=net, data=replace(data, part=part))
    unsure = verify(folder, model=net, data=data, replay=0)
    assert any(f"these are {said} points" in item for item in unsure.trusted)
    sure = verify(folder, model=net, data=replace(data, part=said), replay=0)
    assert not any(f"these are {said} points" in item for item in sure.trusted)


# What the stages saw and spent


def stage(name, k=1):
    """Return what changes a number of a stage, and the total of the claim with it."""

    def change(document, value):
        old = document["waterfall"][k][name]
        document["waterfall"][k][name] = value(old)
        if name in document["cost"]:
            document["cost"][name] += document["waterfall"][k][name] - old

    return change


LIES = {
    "a thousand times the passes": (stage("forward"), lambda old: 1000 * old),
    "twice the passes of the strongest": (stage("forward", 5), lambda old: 2 * old),
    "a thousand times the gradients": (stage("backward"), lambda old: 1000 * old),
    "more queries than passes": (stage("queries", 5), lambda old: 10 * old),
    "fewer passes than survivors cost": (stage("forward", 5), lambda old: old // 2),
    "negative passes": (stage("forward"), lambda old: -old),
    "negative seconds": (stage("seconds"), lambda old: -1.0),
    "gradients of the clean pass": (stage("backward", 0), lambda old: 90),
    "a second clean pass": (stage("forward", 0), lambda old: 180),
    "999,999 entered": (stage("entered", 2), lambda old: 999_999),
    "one more entered": (stage("entered", 3), lambda old: old + 1),
    "one fewer entered": (stage("entered", 3), lambda old: old - 1),
    "ties of more than entered": (stage("marginal", 2), lambda old: 17),
    "failures of more than entered": (stage("failed", 4), lambda old: 12),
    "who alone broke, in no exhaustive run": (stage("alone", 1), lambda old: 3),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_waterfall_that_cannot_be_so(claim, net, data, lie, tmp_path):
    change, value = LIES[lie]
    with pytest.raises(VerificationError, match=r"waterfall|seconds|contradict"):
        folder = reforge(claim, tmp_path, lambda document: change(document, value))
        check_figures(Claim.load(folder), bind(claim, net, data), [])


VARIANTS = [
    {"exhaustive": True},
    {"eps": [0.05, 0.2]},
    {"exhaustive": True, "eps": [0.05], "precision": "bfloat16"},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_every_honest_waterfall_is_within_its_bounds(run, net, data, options):
    claim = run(n=16, **options)
    verify(claim.folder, model=net, data=data, replay=0)


EACH = EachTarget(attack=APGD(steps=5), top=9)
FEWER_CLASSES = {
    "looks at the likeliest": MALT(attack=APGD(steps=5)),
    "targets inside of a chain": WarmStart(first=PGD(), then=EACH),
    "targets inside of an expectation": EOT(attack=EACH, samples=2),
}


@pytest.mark.parametrize("kind", FEWER_CLASSES)
def test_a_network_of_fewer_classes_than_an_attack_would_look_at(run, net, data, kind):
    suite = Suite(name="own", members=(Member(name="a", attack=FEWER_CLASSES[kind]),))
    claim = run(n=16, suite=suite, threat=ThreatModel(Linf(eps=0.02)))
    assert claim.robust_accuracy.k
    verify(claim.folder, model=net, data=data)


@pytest.fixture(scope="module")
def curved(net, data, threat, tmp_path_factory):
    out = tmp_path_factory.mktemp("claims") / "curved"
    options = {"suite": TINY, "out": out, "batch_size": 16, "quiet": True, "n": 30}
    return evaluate(net, data, threat=threat, eps=[0.05, 0.2], **options)


def test_the_table_is_not_read_again_for_each_of_very_many_radii(
    curved, net, data, tmp_path, monkeypatch
):
    forger, last = Forger(curved, tmp_path / "forged"), curved.document["curve"][-1]
    radii = [0.2 + k / 10_000 for k in range(1, 300)]
    forger.document["curve"] += [{**last, "eps": str(r), "radius": r} for r in radii]
    folder, iterate, looks = forger.write(stages=False), Table.__iter__, []

    def counted(table):
        looks.append(table)
        return iterate(table)

    monkeypatch.setattr(Table, "__iter__", counted)
    verify(folder, model=net, data=data, replay=0)
    assert len(looks) < 100


@pytest.mark.parametrize(
    ("point", "key", "value"),
    [(0, "forward", 10**6), (1, "backward", 0), (2, "forward", 10**7), (2, "seconds", -1.0)],
)
def test_a_curve_whose_cost_cannot_be_so(curved, net, data, point, key, value, tmp_path):
    def change(document):
        document["curve"][point]["cost"][key] = value

    with pytest.raises(VerificationError, match=r"cost of its curve|seconds"):
        folder = reforge(curved, tmp_path, change)
        check_figures(Claim.load(folder), bind(curved, net, data), [])


def test_a_survivor_that_somebody_is_said_to_have_broken(forger, net, data):
    forger.set(forger.row("unbroken"), broken_by="square")
    with pytest.raises(VerificationError, match="who broke its points"):
        verify(forger.write(), model=net, data=data)


# Files


def without(*names):
    def change(folder, files):
        for name in names:
            del files[name]

    return change


def beside(name, data=b"{}\n"):
    return lambda folder, files: (folder / name).write_bytes(data)


def named(name, data=b"{}\n"):
    return lambda folder, files: files.update({name: data})


EVIDENCE = "evidence-00000.safetensors"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without("per_example.csv"), "must name per_example.csv"),
        (without("probes.safetensors"), "must name probes.safetensors"),
        (without(EVIDENCE), "is not named"),
        (beside("training.jsonl"), r"training\.jsonl is not named"),
        (beside("evidence-00001.safetensors"), "is not named"),
        (named("notes.txt"), "no file of a claim"),
        (named("evidence-x.safetensors"), "no file of a claim"),
    ],
)
def test_files_that_the_claim_does_not_vouch_for(claim, net, data, change, complaint, tmp_path):
    """The files lie there as they were; only claim.json says something else of them."""
    claim.save(tmp_path)
    document = json.loads((tmp_path / "claim.json").read_text())
    files = {name: (tmp_path / name).read_bytes() for name in document["files"]}
    for name in list(files):
        files[name] = (tmp_path / name).read_bytes()
    change(tmp_path, files)
    seal(tmp_path, document, files)
    with pytest.raises(VerificationError, match=complaint):
        verify(tmp_path, model=net, data=data)
    with pytest.raises(VerificationError, match=complaint):
        Claim.load(tmp_path)


def seal(folder, document, files):
    """Write claim.json with digests that fit, and whatever is not there yet."""
    from holdfast.claims import file_digest
    from holdfast.claims.text import readable_bytes

    for name, data in files.items():
        (folder / name).write_bytes(data)
    document["files"] = {name: file_digest(folder / name) for name in files}
    document.pop("digest")
    (folder / "claim.json").write_bytes(readable_bytes({**document, "digest": digest(document)}))


def test_evidence_that_is_neither_named_nor_there(forger):
    del forger.files[EVIDENCE]
    with pytest.raises(VerificationError, match="names no evidence"):
        forger.write()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: {k: v[:0] for k, v in t.items()}, "probes"),
        (lambda t: {k: v[1:] for k, v in t.items()}, "probes"),
        (lambda t: {k: v.flip(0) for k, v in t.items()}, "probes"),
    ],
)
def test_probes_of_the_forger_s_choice(forger, net, data, change, complaint):
    name = "probes.safetensors"
    forger.files[name] = save(
        {k: v.contiguous() for k, v in change(load(forger.files[name])).items()}
    )
    with pytest.raises(VerificationError, match=complaint):
        verify(forger.write(), model=net, data=data)


def test_a_gallery_of_the_forger_s_choice(forger, net, data):
    tensors = forger.tensors("gallery.safetensors")
    forger.put("gallery.safetensors", {k: v[:3] for k, v in tensors.items()})
    with pytest.raises(VerificationError, match="those that the seed stands for"):
        verify(forger.write(), model=net, data=data)
    del forger.files["gallery.safetensors"]
    with pytest.raises(VerificationError, match="has a gallery exactly"):
        verify(forger.write(), model=net, data=data)


def test_a_check_that_is_there_twice(forger, net, data):
    forger.document["checks"].append({**forger.document["checks"][0], "status": "pass"})
    with pytest.raises(VerificationError, match="its checks, which repeat"):
        verify(forger.write(), model=net, data=data)

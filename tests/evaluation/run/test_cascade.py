"""What became of each example, against a plain loop over the attacks and by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from evaluation_setup import SHAPE, TINY, network
from holdfast.attacks import APGD, BIM, PGD, Square
from holdfast.claims import Withheld
from holdfast.data import from_tensors
from holdfast.evaluation import Member, Suite
from holdfast.losses import CrossEntropy, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import Linf
from holdfast.threat import Knowledge, Status, Targeted, ThreatModel


def plainly(net, data, threat, attacks):
    """The worst case of every attack on every example, one attack after the other, no cascade."""
    batch = data.batch(torch.arange(len(data)))
    with torch.no_grad():
        logits = net(batch.x)
    alive = logits.argmax(1) == batch.y
    found = {}
    for name, attack in attacks:
        objective = Objective(threat, net, batch.x, batch.y)
        region = threat.space.around(batch.x)
        found[name] = attack(objective, region, Rng(0, batch.ids)).success & alive
    return alive, found


def test_cascade_is_the_worst_case_of_a_plain_loop(claim, net, data, threat):
    members = [(m.name, m.attack) for m in TINY.parts(5)]
    alive, found = plainly(net, data, threat, members)
    broken = torch.stack(list(found.values())).any(0)
    assert 10 < int(broken.sum()) < int(alive.sum()) - 10, "the setting must be neither trivial"
    for i, row in enumerate(claim.per_example):
        expected = "clean-wrong" if not alive[i] else "broken" if broken[i] else "unbroken"
        assert (row.id, row.status) == (int(data.ids[i]), expected)
        first = next((name for name, success in found.items() if success[i]), None)
        assert row.broken_by == first
    assert len({row.broken_by for row in claim.per_example}) > 2, "several members must break"


def test_waterfall_counts_each_example_once(claim):
    bars = claim.waterfall
    by = Counter(row.broken_by for row in claim.per_example if row.status == "broken")
    assert {bar["name"]: bar["broken"] for bar in bars[1:] if bar["broken"]} == dict(by)
    for bar, after in pairwise(bars):
        assert after["entered"] == bar["entered"] - bar["broken"]
    assert all(bar["alone"] is None for bar in bars)


def test_exhaustive_says_who_alone_would_have_broken(run, net, data, threat):
    claim = run(exhaustive=True)
    alive, found = plainly(net, data, threat, [(m.name, m.attack) for m in TINY.parts(5)])
    total = torch.stack(list(found.values())).sum(0)
    alone = {name: int((success & (total == 1)).sum()) for name, success in found.items()}
    assert {bar["name"]: bar["alone"] for bar in claim.waterfall[1:]} == alone
    assert sum(alone.values()) > 0
    assert all(bar["entered"] == int(alive.sum()) for bar in claim.waterfall[1:])
    assert claim.document["suite"]["exhaustive"] is True


def test_curve_falls_and_passes_through_the_claim(run, claim):
    curved = run(eps=[0.04, 0.2, 0.08], exhaustive=True)
    kept = [point["robust"]["k"] for point in curved.curve]
    assert [point["eps"] for point in curved.curve] == ["0.04", "0.08", "0.12", "0.2"]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > kept[2] > kept[3]
    assert curved.curve[2]["robust"] == curved.document["robust_accuracy"]
    assert curved.robust_accuracy.k <= claim.robust_accuracy.k
    by = Counter(row.broken_by for row in curved.per_example if row.status == "broken")
    assert {b["name"]: b["broken"] for b in curved.waterfall[1:] if b["broken"]} == dict(by)
    for bar in curved.waterfall[1:]:
        assert bar["entered"] == curved.clean_accuracy.k
        assert bar["alone"] <= bar["broken"]


def test_per_class_adds_up(claim):
    for key in ("clean", "robust"):
        total = sum(entry[key]["k"] for entry in claim.document["per_class"])
        assert total == claim.document[f"{key}_accuracy"]["k"]
    assert sum(entry["n"] for entry in claim.document["per_class"]) == 90


def test_passes_are_counted(net, run, data, threat):
    """A real pass more or less shows: clean, then K + 1 forwards, K backwards and the audit."""
    suite = Suite(name="one", members=(Member(name="pgd", attack=PGD(steps=3)),))
    claim = run(suite=suite, threat=replace(threat, space=Linf(eps=1e-4)), batch_size=90)
    alive = claim.clean_accuracy.k
    assert claim.cost.forward == 90 + alive * (3 + 1 + 1)
    assert claim.cost.backward == alive * 3


def test_subset_stores_its_ids(run, data):
    claim = run(n=30, seed=5)
    ids = claim.document["data"]["ids"]
    assert ids == [row.id for row in claim.per_example] == sorted(ids)
    assert len(set(ids)) == 30
    assert set(ids) <= set(data.ids.tolist())
    assert claim.document["data"]["available"] == 90


def test_subset_depends_on_the_seed_alone(run, tmp_path):
    one, other, same = (
        run(n=30, seed=seed, out=tmp_path / name, suite="quick", threat=ThreatModel(Linf(eps=0.01)))
        for name, seed in (("a", 1), ("b", 2), ("c", 1))
    )
    assert one.document["data"]["ids"] == same.document["data"]["ids"]
    assert one.document["data"]["ids"] != other.document["data"]["ids"]


class Blocked(nn.Module):
    """Rounds its input: no gradient anywhere."""

    def __init__(self, net, grain=4.0):
        super().__init__()
        self.net, self.grain = net, grain

    def forward(self, x):
        return self.net((x * self.grain).round() / self.grain)


def relabelled(net, data):
    """The same inputs with the labels that `net` gives them."""
    x = data.batch(torch.arange(len(data))).x
    with torch.no_grad():
        return from_tensors(x, net(x).argmax(1), num_classes=5)


def test_without_gradients_the_number_is_withheld(run, net, data):
    blocked = Blocked(net)
    claim = run(blocked, relabelled(blocked, data))
    checks = {check["id"]: check["status"] for check in claim.checks}
    assert isinstance(claim.robust_accuracy, Withheld)
    assert checks["zero-gradient"] == "fail"
    assert checks["unmoved"] == "warn"
    assert claim.document["counts"]["unbroken"] == 0
    assert "ZERO GRADIENT" in str(claim)


class Shattered(nn.Module):
    """Adds a fast ripple to its input: gradients, but ones that lead nowhere."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x + 1e-4 * (x * 1e7).sin())


def test_search_without_gradients_that_wins_is_told(run, net, data):
    shattered = Shattered(net)
    claim = run(shattered, relabelled(shattered, data), threat=ThreatModel(Linf(eps=0.25)))
    check = next(c for c in claim.checks if c["id"] == "black-box-stronger")
    assert check["status"] == "fail"
    assert "UNRELIABLE" in str(claim)


class Touchy(nn.Module):
    """Raises, or returns NaN, where the first pixel of an input has moved away from a mark."""

    def __init__(self, net, mark, how):
        super().__init__()
        self.net, self.mark, self.how = net, mark, how

    def forward(self, x):
        bad = (x[:, 0, 0, 0] - self.mark).abs() < 0.05
        bad &= x[:, 0, 0, 0] != self.mark
        if self.how == "raise" and bad.any():
            raise RuntimeError("boom")
        return torch.where(bad[:, None], torch.nan, self.net(x))


class Evasive(nn.Module):
    """Classifies known inputs; any other makes it raise, or return what is no number."""

    def __init__(self, net, data, how):
        super().__init__()
        self.net, self.how = net, how
        self.known = data.batch(torch.arange(len(data))).x

    def forward(self, x):
        known = (x[:, None] == self.known).flatten(2).all(2).any(1)
        if self.how == "raise" and not known.all():
            raise RuntimeError("boom")
        return torch.where(known[:, None], self.net(x), torch.nan)


@pytest.mark.parametrize("how", ["raise", "nan"])
def test_a_network_that_answers_clean_inputs_alone_is_not_robust(run, net, data, how):
    """Square looks at no unchanged input, PGD and APGD start beside them: nobody gets a number."""
    pgd, apgd, _, square = TINY.members
    at_once = Member(name="bim", attack=BIM(steps=3, loss=Margin()))
    suite = Suite(name="few", members=(at_once, pgd, apgd, square))
    claim = run(Evasive(net, data, how), suite=suite)
    assert isinstance(claim.robust_accuracy, Withheld)
    assert claim.document["counts"]["unbroken"] == 0
    assert claim.document["counts"]["failed"] == claim.clean_accuracy.k
    assert "UNMOVED" in str(claim)


@pytest.mark.parametrize("how", ["raise", "nan"])
def test_failures_are_confined_and_never_robust(run, net, data, claim, how):
    """One input is out of reach of the others; whatever is tried on it fails."""
    batch = data.batch(torch.arange(len(data)))
    x = batch.x.clone()
    x[:, 0, 0, 0] = x[:, 0, 0, 0].clamp_max(0.4)
    x[40, 0, 0, 0] = 0.9  # reached by example 40 alone
    with torch.no_grad():
        y = net(x).argmax(1)
    own = from_tensors(x, y, num_classes=5)
    threat = ThreatModel(Linf(eps=0.04))
    options = {"threat": threat, "suite": Suite(name="pgd", members=TINY.members[:2])}
    usual = run(net, own, **options)
    touched = run(Touchy(net, 0.9, how), own, out=usual.folder.parent / "touchy", **options)
    for one, two in zip(usual.per_example, touched.per_example, strict=True):
        assert two.status == ("failed" if two.id == 40 else one.status)
        assert two == one or two.id == 40
    assert isinstance(touched.robust_accuracy, Withheld)


def test_an_unchanged_input_that_raises_is_not_correct(run, net, data):
    class Raises(nn.Module):
        def forward(self, x):
            if bool((x[:, 0, 0, 0] == mark).any()):
                raise RuntimeError("boom")
            return net(x)

    mark = data.batch(torch.tensor([50])).x[0, 0, 0, 0]
    claim = run(Raises(), suite=Suite(name="pgd", members=TINY.members[:1]))
    assert claim.per_example[50].status == "clean-wrong"
    assert claim.document["counts"]["clean-wrong"] == 8


class Tied(nn.Module):
    """Two classes that tie where the mean of the input reaches a level, and never cross."""

    def forward(self, x):
        gap = (0.6 - x.flatten(1).mean(1)).clamp_min(0)
        return torch.stack([gap + 1, torch.ones_like(gap)], 1)


def test_a_tie_is_marginal_and_not_robust(run):
    x = torch.full((20, *SHAPE), 0.5)
    x[10:] = 0.2
    data = from_tensors(x, torch.zeros(20, dtype=torch.int64), num_classes=2)
    claim = run(Tied(), data, threat=ThreatModel(Linf(eps=0.15)))
    assert claim.document["counts"]["marginal"] == 10
    assert claim.robust_accuracy.k == 10
    assert {row.status for row in claim.per_example[:10]} == {"marginal"}
    assert claim.per_example[0].broken_by is not None


def test_targeted_goal_leaves_its_class_alone(run, net, data):
    claim = run(threat=ThreatModel(Linf(eps=0.2), goal=Targeted(to=2)))
    rows = [row for row in claim.per_example if row.label == 2]
    assert rows
    assert all(row.status in ("unbroken", "clean-wrong") for row in rows)
    untargeted = run(threat=ThreatModel(Linf(eps=0.2)), out=claim.folder.parent / "other")
    assert claim.robust_accuracy.k > untargeted.robust_accuracy.k
    assert claim.document["counts"]["broken"] > 0


def test_query_budget_is_kept(run, net):
    queries = Suite(name="square", members=(Member(name="square", attack=Square(queries=40)),))
    threat = ThreatModel(Linf(eps=1e-3), knowledge=Knowledge.SCORE, queries=7)
    claim = run(threat=threat, suite=queries)
    assert claim.cost.queries == 7 * claim.clean_accuracy.k
    assert claim.cost.backward == 0


def test_float64_networks_are_judged_in_float64(run, net, data):
    double = network().double()
    claim = run(double)
    evidence = next(claim.folder.glob("evidence-*"))
    from safetensors.torch import load_file

    assert load_file(evidence)["x_adv"].dtype == torch.float64
    assert claim.robust_accuracy.k > 0


def test_low_precision_search_is_judged_in_float32(run, net, claim):
    low = run(precision="bfloat16")
    names = [bar["name"] for bar in low.waterfall]
    assert names[-1] == "apgd-t-2-float32"
    assert abs(low.robust_accuracy.k - claim.robust_accuracy.k) <= 1
    assert low.document["precision"] == "bfloat16"


def test_low_precision_that_cannot_move_is_searched_again(run, net, data, claim):
    """This network has no gradient in bfloat16."""

    class Saturates(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            logits = self.net(x)
            return logits.detach() if x.dtype is torch.bfloat16 else logits

    low = run(Saturates(net), precision="bfloat16")
    assert low.document["counts"]["failed"] == 0
    assert abs(low.robust_accuracy.k - claim.robust_accuracy.k) <= 1


def test_random_networks_repeat_themselves(run, net, tmp_path):
    class Noisy(nn.Module):
        def forward(self, x):
            return net(x + 0.01 * torch.randn_like(x))

    before = torch.random.get_rng_state()
    claims = [run(Noisy(), out=tmp_path / name) for name in ("a", "b")]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert claims[0].per_example == claims[1].per_example
    assert {c["id"]: c["status"] for c in claims[0].checks}["repeatable"] == "fail"


def test_model_is_given_back_as_it_was(run, net):
    own = network().train()
    own[1].weight.requires_grad_(False)
    before = {k: v.clone() for k, v in own.state_dict().items()}
    run(own)
    assert own.training
    assert [p.requires_grad for p in own.parameters()] == [False] + [True] * 5
    assert all(p.grad is None for p in own.parameters())
    assert all(torch.equal(v, before[k]) for k, v in own.state_dict().items())


def test_saturated_cross_entropy_alone_fails_no_example(run, net):
    """Another gradient attack moved, so the example was attacked."""

    class Loud(nn.Module):
        def forward(self, x):
            return 1e4 * net(x)

    members = (
        Member(name="ce", attack=APGD(steps=8, loss=CrossEntropy())),
        Member(name="margin", attack=APGD(steps=8, loss=Margin())),
    )
    claim = run(Loud(), suite=Suite(name="two", members=members))
    assert claim.waterfall[1]["failed"] > 0
    assert claim.document["counts"]["failed"] == 0
    assert {row.status for row in claim.per_example} == {s.value for s in SEEN}


SEEN = (Status.CLEAN_WRONG, Status.BROKEN, Status.UNBROKEN)

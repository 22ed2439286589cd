from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from claim_fixture import make_claim
from holdfast.claims import Claim, write_claim
from holdfast.errors import InputError, VerificationError
from holdfast.reporting import view
from holdfast.reporting.gallery import Pair
from holdfast.reporting.spelling import duration, spell
from holdfast.reporting.view import nothing_left

FAIL = {"id": "black-box-stronger", "status": "fail", "message": "m", "remedy": "r"}


def with_gallery(claim: Claim, folder: Path, **tensors: torch.Tensor) -> tuple[Pair, ...]:
    contents = {name: (claim.folder / name).read_bytes() for name in claim.document["files"]}
    contents["gallery.safetensors"] = save(tensors)
    return view([write_claim(folder, claim.document, contents)]).claims[0].gallery


def test_no_claim_is_refused() -> None:
    with pytest.raises(InputError, match="at least one claim"):
        view([])


def test_the_waterfall_adds_up(tmp_path: Path) -> None:
    claim = make_claim(tmp_path, n=500, failed=5)
    stages = view([claim]).claims[0].waterfall
    for stage, following in pairwise(stages):
        assert stage.left == following.entered
        assert stage.entered - stage.broken == stage.left
    counts = claim.document["counts"]
    assert stages[-1].left == counts["unbroken"] + counts["failed"]


def test_members_without_work_are_named_apart(tmp_path: Path) -> None:
    stages = make_claim(tmp_path / "a", robust=0.0).document["waterfall"]
    idle = [
        {**stages[-1], "name": name}
        | dict.fromkeys(("entered", "broken", "forward", "backward", "failed"), 0)
        for name in ("fab", "square")
    ]
    seen = view([make_claim(tmp_path / "b", robust=0.0, waterfall=[*stages, *idle])]).claims[0]
    assert [stage.name for stage in seen.waterfall] == [stage["name"] for stage in stages]
    assert nothing_left(seen.idle) == "2 members had nothing left to attack: fab, square."
    assert nothing_left(()) == ""


def test_in_an_exhaustive_run_the_points_left_are_those_that_nothing_broke(tmp_path: Path) -> None:
    """There, every member attacks all points, also those that others broke."""
    claim = make_claim(tmp_path / "a", n=1000)
    stages = claim.document["waterfall"]
    all_enter = [
        {**stage, "entered": stages[1]["entered"], "alone": 0} if i else stage
        for i, stage in enumerate(stages)
    ]
    shown = view([make_claim(tmp_path / "b", n=1000, waterfall=all_enter)]).claims[0].waterfall
    expected = view([claim]).claims[0].waterfall
    assert [(s.left, s.lost) for s in shown] == [(s.left, s.lost) for s in expected]


def test_the_curve_starts_at_the_clean_accuracy(tmp_path: Path) -> None:
    curve = make_claim(tmp_path / "a").curve
    claim = make_claim(tmp_path / "b", curve=[dict(point) for point in curve[2:]])
    first = view([claim]).claims[0].curve[0]
    assert (first.eps, first.radius, first.robust) == ("0", 0.0, claim.clean_accuracy)


def test_an_unreliable_or_withheld_number_is_none(tmp_path: Path) -> None:
    good, bad, none = view(
        [
            make_claim(tmp_path / "a", n=1000),
            make_claim(tmp_path / "b", n=1000, checks=[FAIL]),
            make_claim(tmp_path / "c", n=1000, failed=10, robust=0.6),
        ]
    ).claims
    assert good.verdict == ""
    assert good.robust == good.most
    assert (bad.verdict, bad.robust) == ("unreliable", None)
    assert (none.verdict, none.robust) == ("withheld", None)
    assert float(none.most) == pytest.approx(0.61)


def test_claims_of_other_threats_or_data_are_not_compared(tmp_path: Path) -> None:
    a = make_claim(tmp_path / "a")
    same = make_claim(tmp_path / "b", name="other", seed=4)
    threat = make_claim(tmp_path / "c", eps="0.1")
    data = {**a.document["data"], "fingerprint": "0" * 64}
    other = make_claim(tmp_path / "d", data=data)
    assert view([a, same]).differences == ""
    assert "threat model" in view([a, threat]).differences
    assert "data" in view([a, other]).differences


def test_models_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    claims = [make_claim(tmp_path / f, name="m") for f in ("a/x", "b/x", "b/y")]

    def names(*which: int) -> list[str]:
        return [c.name for c in view([claims[i] for i in which]).claims]

    assert names(0) == ["m"]
    assert view(claims[:1]).names_of == "as its author calls it"
    assert view(claims[:2]).names_of == "named after its folder"
    assert view(claims[:2]).claims[0].author_name == "m"
    assert names(1, 2) == ["x", "y"]
    assert names(0, 1) == ["a/x", "b/x"]
    assert len(set(names(0, 0))) == 2


def test_the_reader_names_the_models(tmp_path: Path) -> None:
    claims = [make_claim(tmp_path / f, name="m") for f in ("a", "b")]
    report = view(claims, ["baseline", "ours \x1b[1m"])
    assert [c.name for c in report.claims] == ["baseline", r"ours \x1b[1m"]
    assert report.names_of == "named for this report"
    assert ("Model is called", "m") in report.claims[0].stated
    assert ("Called here", "baseline (named for this report)") in report.claims[0].stated
    assert report.comparisons[0].names[0] == "baseline"
    for names, message in (
        (["a"], "got 1 name for 2 claims: give one for each, in their order"),
        (["a", "a"], "names must differ, got 'a' more than once"),
        (["a", " "], "a name must not be empty"),
    ):
        with pytest.raises(InputError, match=message):
            view(claims, names)


def test_the_gallery_shows_labels_confidences_and_the_difference(tmp_path: Path) -> None:
    claim = make_claim(tmp_path / "a")
    pairs = view([claim]).claims[0].gallery
    assert len(pairs) == 6
    assert (pairs[1].label, pairs[1].before, pairs[1].after) == ("one", "one", "four")
    assert 0.5 < (pairs[1].after_confidence or 0) < (pairs[1].before_confidence or 0) < 1
    assert pairs[0].largest_change == pytest.approx(0.2)
    assert pairs[0].magnified == 2.0  # 2 * 0.2 stays within the gray scale, 3 * 0.2 would not
    for pair in pairs:
        for picture in (pair.clean, pair.adversarial, pair.difference):
            assert picture.startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("shape", "is_image"),
    [((3, 300, 200), True), ((1, 8, 8), True), ((8, 8), True), ((5,), False), ((4, 8, 8), False)],
)
def test_only_images_become_pictures(
    tmp_path: Path, shape: tuple[int, ...], is_image: bool
) -> None:
    x = torch.rand(2, *shape)
    y = torch.tensor([0, 1])
    claim = make_claim(tmp_path / "a")
    pairs = with_gallery(claim, tmp_path / "b", x=x, x_adv=x.clone(), y=y)
    assert [bool(pair.clean) for pair in pairs] == [is_image] * 2
    assert pairs[0].before == ""
    assert pairs[0].before_confidence is None
    assert pairs[0].magnified == 1.0
    assert len(pairs[0].clean) < 200_000


def test_an_empty_gallery_and_one_without_its_tensors(tmp_path: Path) -> None:
    claim = make_claim(tmp_path / "a")
    x = torch.zeros(0, 1, 8, 8)
    assert with_gallery(claim, tmp_path / "b", x=x, x_adv=x, y=torch.zeros(0).long()) == ()
    with pytest.raises(VerificationError, match="gallery"):
        with_gallery(claim, tmp_path / "c", x=x)


def test_the_training_run_is_read_with_its_marks(tmp_path: Path) -> None:
    claim = make_claim(tmp_path / "a")
    run = view([claim]).claims[0].training
    assert run is not None
    assert (run.best, run.last, len(run.epochs)) == (23, 30, 30)
    best = run.at(23)
    assert best is not None
    assert best.robust == pytest.approx(0.6, abs=0.03)
    assert view([make_claim(tmp_path / "b", trained=False)]).claims[0].training is None


def test_metrics_with_gaps_and_repeated_epochs_are_read_and_damaged_ones_refused(
    tmp_path: Path,
) -> None:
    claim = make_claim(tmp_path / "a")
    contents = {name: (claim.folder / name).read_bytes() for name in claim.document["files"]}
    lines = '{"epoch": 1, "robust": 0.1}\n{"epoch": 2, "robust": NaN}\n{"epoch": 1, "clean": 0.5}\n'
    contents["training.jsonl"] = lines.encode()
    run = view([write_claim(tmp_path / "b", claim.document, contents)]).claims[0].training
    assert run is not None
    assert [(line.epoch, line.clean, line.robust) for line in run.epochs] == [
        (1, 0.5, None),
        (2, None, None),
    ]
    contents["training.jsonl"] = b'{"epoch": 1}\n{"epo'
    with pytest.raises(VerificationError, match=r"training\.jsonl"):
        view([write_claim(tmp_path / "c", claim.document, contents)])


def test_checks_that_ask_for_something_come_first_with_their_remedy(tmp_path: Path) -> None:
    checks = view([make_claim(tmp_path)]).claims[0].checks
    assert [check.status for check in checks] == ["warn", "not-run", "pass", "pass"]
    assert "margin" in checks[0].remedy


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0002, "0.20 ms"),
        (0.012, "12 ms"),
        (3.44, "3.4 s"),
        (302, "5 min 2 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_components_are_spelled_as_in_python() -> None:
    data = {"type": "pgd", "steps": 40, "loss": {"type": "margin"}, "start": None, "r": [0.0, 1.0]}
    assert spell(data) == "pgd(steps=40, loss=margin, r=[0, 1])"
    assert spell(None) == "none"
    assert spell({"a": 1}) == "(a=1)"


def test_models_on_the_same_points_are_compared_by_a_paired_test(tmp_path: Path) -> None:
    claims = [
        make_claim(tmp_path / "a", name="a", n=1000, robust=0.6),
        make_claim(tmp_path / "b", name="b", n=1000, robust=0.6, seed=1),
        make_claim(tmp_path / "c", name="c", n=1000, robust=0.3),
    ]
    report = view(claims)
    assert report.differences == ""
    near, far, farther = report.comparisons
    assert near.sentence.startswith("a and b are not told apart: 60.0 % and 60.0 %, a difference")
    assert far.sentence.startswith("a keeps 60.0 %, 30.0 points more than c [2")
    assert (farther.names, farther.paired) == (("b", "c"), True)
    assert report.conclusion == (near.sentence,)
    assert view([claims[0]]).comparisons == ()
    other = make_claim(tmp_path / "d", name="d", n=1000, eps="0.1")
    apart = view([claims[0], other])  # within another set
    assert apart.comparisons == ()
    assert apart.conclusion == (apart.differences,)


def test_a_claim_without_a_number_is_named_and_not_ranked(tmp_path: Path) -> None:
    good = make_claim(tmp_path / "a", name="a", n=1000)
    bad = make_claim(tmp_path / "b", name="b", n=1000, checks=[FAIL])
    none = make_claim(tmp_path / "c", name="c", n=1000, failed=10)
    report = view([good, bad, none])
    assert report.comparisons == ()
    assert report.conclusion == (
        "b is not ranked: its number is not to be relied on (black box stronger).",
        "c is not ranked: its number is withheld.",
    )


def test_other_points_of_the_same_data_are_compared_by_intervals(tmp_path: Path) -> None:
    """A smaller sample has no pairs with all of the larger one."""
    whole = make_claim(tmp_path / "a", name="a", n=1000, robust=0.6)
    for name, robust, said in (
        ("b", 0.3, "a keeps 60.0 %, 30.0 points more than b"),
        ("c", 0.55, "not told"),
    ):
        subset = make_claim(tmp_path / name, name=name, n=100, available=1000, robust=robust)
        report = view([whole, subset])
        assert report.differences == ""
        assert said in report.comparisons[0].sentence
        assert not report.comparisons[0].paired
        assert "Newcombe's hybrid score interval" in report.about_comparisons


def test_every_check_that_did_not_pass_is_on_the_first_screen(tmp_path: Path) -> None:
    mode = {"id": "eval-mode", "status": "warn", "message": "it came in train mode", "remedy": "r"}
    seen = view([make_claim(tmp_path, n=1000, checks=[mode])]).claims[0]
    assert seen.tally == (("warn", "1 warned: eval mode"),)
    assert seen.opinion == "An upper bound, with warnings to read first."
    assert any(warning.startswith("EVAL MODE: It came in train mode") for warning in seen.warnings)

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from claim_fixture import make_claim
from holdfast.claims.wording import BANNED
from holdfast.errors import StorageError
from holdfast.reporting import charts, to_html, view, write_report
from holdfast.reporting.svg import MARKS, Frame, element, mark, ticks

EVIL = "<script>alert(1)</script>\"'&{{ 7*7 }}</title><img src=http://evil.example/x>"
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Collects what a browser would act on, and checks that tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title", "script"} & set(self.open):
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("claims")
    return to_html(
        [
            make_claim(folder / "a", name="standard", clean=0.97, robust=0.02, seed=1),
            make_claim(folder / "b", name="noise", clean=0.96, robust=0.08, seed=2),
            make_claim(folder / "c", name="adversarial", robust=0.62, seed=3, gallery=14),
        ]
    )


def plain(text: str) -> str:
    return " ".join(text.split())


def test_every_part_of_the_content_is_there(three: str) -> None:
    page = Page(three)
    assert page.open == []
    text = plain(page.text)
    for heading in (
        *("At a glance", "Accuracy against robustness", "Security curve", "Attack waterfall"),
        *("By class", "Counterexamples", "Training", "Checks", "Cost", "What was evaluated"),
        *("Check it yourself", "Threat model and attacks", "Environment", "Digests"),
    ):
        assert heading in text
    for fact in (
        *("UPPER bound", "clean accuracy 96.9 %", "SMALL SAMPLE", "apgd-margin", "best", "last"),
        *("holdfast verify", "2.13.0+cpu", "What to do: rely on the margin", "c3" * 32),
        *("Linf eps=0.2", "magnified 2 times", "41.7 s"),
    ):
        assert fact in text


def test_the_sentence_of_every_claim_is_in_the_page(tmp_path: Path) -> None:
    claims = [make_claim(tmp_path / "a", n=1000, checks=[]), make_claim(tmp_path / "b", n=1000)]
    text = plain(Page(to_html(claims)).text)
    assert str(claims[0]) in text
    assert str(claims[1]) in text


def test_nothing_is_fetched_from_anywhere(three: str) -> None:
    page = Page(three)
    assert not {tag for tag, _ in page.tags} & {"iframe", "object", "base", "form"}
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
        assert not any(name.startswith("on") for name in attributes)
    no_pictures = re.sub(r"base64,[A-Za-z0-9+/=]+", "", three)
    assert not re.search(r"url\(|@import|https?:|//[a-z]", no_pictures)
    [policy] = [m for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_the_one_script_is_named_by_its_hash_and_makes_no_markup(three: str) -> None:
    page = Page(three)
    assert page.of("script") == [{}]
    script = re.findall(r"<script>(.*?)</script>", three, flags=re.DOTALL)[0]
    [policy] = [m for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in (policy["content"] or "").split("; "))
    expected = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{expected}'"
    assert rules["require-trusted-types-for"] == "'script'"
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert sink not in script
    assert "fetch(" not in script


def test_it_is_fit_for_phones_dark_mode_and_print(three: str) -> None:
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in Page(three).of(
        "meta"
    )
    assert "@media screen and (prefers-color-scheme: dark)" in three
    assert "@media print" in three


def test_it_is_accessible(three: str) -> None:
    page = Page(three)
    assert page.of("html")[0]["lang"] == "en"
    assert page.of("img")
    assert all(image.get("alt") for image in page.of("img"))
    assert len(page.of("caption")) == len(page.of("table"))
    for drawing in page.of("svg"):
        assert drawing.get("aria-hidden") == "true" or drawing.get("aria-labelledby")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = [a["aria-labelledby"] or "" for _, a in page.tags if "aria-labelledby" in a]
    assert {name for names in used for name in names.split()} <= set(ids)
    assert {link["href"] for link in page.of("a")} <= {f"#{name}" for name in ids}


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_charts_have_enough_contrast(three: str, scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", three, flags=re.DOTALL)
    block = blocks[0] if scheme == "light" else blocks[1]
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for name in ("ink", "soft", "robust", "lost"):  # text on the page: WCAG AA
        assert contrast(colors[name], colors["paper"]) >= 4.5, name
    for name in ("pass", "warn", "fail", "idle"):  # text in a colored field
        assert contrast(colors[name], colors[f"{name}-bg"]) >= 4.5, name
    for name in ("s1", "s2", "s3", "s4", "s5", "s6", "clean", "robust"):  # drawings
        assert contrast(colors[name], colors["paper"]) >= 3, name


def test_what_users_name_is_escaped(tmp_path: Path) -> None:
    classes = (EVIL, *(f"class {i}" for i in range(9)))
    check = {"id": EVIL, "status": "warn", "message": EVIL, "remedy": EVIL}
    claims = [
        make_claim(
            tmp_path / str(i),
            name=EVIL,
            classes=classes,
            checks=[check],
            command=EVIL,
            seed=i,
            environment={EVIL: EVIL},
        )
        for i in range(2)
    ]
    text = to_html(claims)
    page = Page(text)
    assert page.open == []
    assert page.of("script") == [{}]
    assert all((image["src"] or "").startswith("data:") for image in page.of("img"))
    assert "alert(1)" in page.text  # shown as text
    assert "{{ 7*7 }}" in page.text


def test_claims_that_differ_are_not_drawn_together(tmp_path: Path) -> None:
    claims = [make_claim(tmp_path / "a"), make_claim(tmp_path / "b", eps="0.1", name="other")]
    page = Page(to_html(claims))
    assert "must not be ranked" in plain(page.text)
    assert "Accuracy against robustness" not in page.text
    assert page.text.count("Security curve") >= 2  # each in its own section
    assert "Linf eps=0.1, standard-1, n=360" in plain(page.text)


def test_an_unreliable_number_is_never_shown_as_a_finding(tmp_path: Path) -> None:
    fail = {"id": "transfer", "status": "fail", "message": "m", "remedy": "r"}
    claims = [
        make_claim(tmp_path / "a", n=1000, checks=[fail]),
        make_claim(tmp_path / "b", n=1000, failed=20, name="other"),
    ]
    report = view(claims)
    assert charts.scatter(list(enumerate(report.claims)), "x") == ""
    text = plain(Page(to_html(claims)).text)
    assert "UNRELIABLE" in text
    assert "WITHHELD" in text
    assert text.count("at most 60.0 %") == 2  # in the table and in the sentence
    assert "share not broken (not to be relied on)" in text


def test_the_words_that_need_a_certificate_do_not_appear(three: str) -> None:
    text = Page(three).text
    for word in BANNED:
        assert not re.search(rf"\b{word}\b", text)


def test_many_classes_show_the_weakest_and_fold_the_rest(tmp_path: Path) -> None:
    names = tuple(f"class-{i:03d}" for i in range(100))
    claim = make_claim(tmp_path, n=3000, classes=names, gallery=0)
    page = Page(to_html([claim]))
    assert "90 more classes" in page.text
    rows = claim.document["per_class"]
    weakest = min(rows, key=lambda row: row["robust"]["value"])["name"]
    assert page.text.index(weakest) < page.text.index("90 more classes")


def test_a_claim_with_the_least_content_still_makes_a_page(tmp_path: Path) -> None:
    claim = make_claim(
        tmp_path, curve=False, trained=False, gallery=0, checks=[], classes=None, per_class=[]
    )
    page = Page(to_html([claim]))
    assert page.open == []
    assert "No check was run." in page.text
    for absent in ("Security curve", "Training", "Counterexamples", "By class"):
        assert absent not in page.text


def test_write_report_writes_one_file(tmp_path: Path) -> None:
    claim = make_claim(tmp_path / "c")
    path = write_report([claim], tmp_path / "out" / "report.html")
    assert path.read_text(encoding="utf-8") == to_html([claim])
    assert [item.name for item in path.parent.iterdir()] == ["report.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another folder"):
        write_report([claim], tmp_path / "file" / "report.html")


def test_the_same_claims_give_the_same_page(three: str, tmp_path: Path) -> None:
    claim = make_claim(tmp_path)
    assert to_html([claim]) == to_html([claim])


def test_svg_elements_escape_what_they_are_given() -> None:
    assert (
        element("text", "a<b", x=1.25, class_='"') == '<text x="1.25" class="&#34;">a&lt;b</text>'
    )


def test_scales_map_the_ends_to_the_frame() -> None:
    frame = Frame(x=(0.0, 2.0), y=(0.0, 1.0))
    assert (frame.px(0), frame.px(2)) == (frame.left, frame.width - frame.right)
    assert (frame.py(0), frame.py(1)) == (frame.height - frame.bottom, frame.top)
    assert Frame(x=(1.0, 1.0), y=(0.0, 1.0)).px(1) > 0


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1, 30, [10, 20, 30]),
        (0.8, 1, [0.8, 0.85, 0.9, 0.95, 1]),
    ],
)
def test_ticks_are_round(low: float, high: float, found: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(found)
    assert ticks(3, 3) == [3]


@pytest.mark.parametrize("shape", MARKS)
def test_every_mark_can_be_drawn(shape: str) -> None:
    assert "s2" in mark(5, 5, shape, "s2")

"""The pictures of README and home page, from a finished demo; run by hand.

make demo && .venv/bin/python docs/pictures.py

The screenshot needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

import holdfast as hf

IMAGES = Path(__file__).resolve().parent / "images"
NETWORKS = {"standard": "#0f6e6a", "noise-augmented": "#8a5a2b", "adversarial": "#54609a"}
RADII = [0.02, 0.04, 0.07, 0.1, 0.15]
WIDTH, HEIGHT = 400, 260
PAPER, INK, FAINT = "#fcfcf8", "#1f2328", "#6a7078"


def main() -> None:
    """Draw all of them into docs/images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", nargs="?", type=Path, default=Path("demo"))
    demo = parser.parse_args().demo
    (IMAGES / "attack.svg").write_text(attack(demo), encoding="utf-8")
    (IMAGES / "curve.svg").write_text(curve(demo), encoding="utf-8")
    screenshot(demo / "report.html", IMAGES / "report.png")


def attack(demo: Path) -> str:
    """Return four digits, read rightly by the standard network, and what they were turned into."""
    pairs = load_file(demo / "claims" / "standard" / "gallery.safetensors")
    right = pairs["logits"].argmax(1) == pairs["y"]
    chosen, seen = [], set()
    for i in right.nonzero().flatten().tolist():
        if int(pairs["y"][i]) not in seen:
            seen.add(int(pairs["y"][i]))
            chosen.append(i)
    parts = [text(10, 86, "clean"), text(10, 206, "attacked")]
    for column, i in enumerate(chosen[:4]):
        left = 72 + 82 * column
        for top, kind in ((42, ""), (162, "_adv")):
            reads = int(pairs[f"logits{kind}"][i].argmax())
            parts += pixels(pairs[f"x{kind}"][i, 0], left, top, 74)
            parts.append(text(left + 37, top - 9, f"reads {reads}", "middle", INK))
    return svg(parts, "Four digits, read rightly; changed by at most 0.2 a pixel, read wrongly")


def pixels(image: Tensor, left: int, top: int, side: int) -> Iterator[str]:
    """Yield a gray image (H, W) in 0..1 as squares, dark ink on paper."""
    step = side / len(image)
    for r, row in enumerate(image.tolist()):
        for c, value in enumerate(row):
            gray = round(255 * (1 - value))
            yield (
                f'<rect x="{left + c * step:g}" y="{top + r * step:g}" width="{step + 0.2:g}" '
                f'height="{step + 0.2:g}" fill="rgb({gray},{gray},{gray})"/>'
            )


def curve(demo: Path) -> str:
    """Return the share of points that the suite `quick` did not break, by eps, for each network."""
    parts = [*axes()]
    for name, color in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            claim = measured(demo / "runs" / name, folder)
        points = [(float(point["eps"]), point["robust"]["value"]) for point in claim.curve]
        places = [at(*point) for point in sorted([(0.0, float(claim.clean_accuracy)), *points])]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2.5"/>')
        x, y = places[-1]
        shift = {"noise-augmented": -9, "standard": 4}.get(name, 4)  # these two end at one place
        parts.append(text(x + 7, y + shift, name, fill=color))
    return svg(parts, "Share of points not broken against eps, for the three networks of the demo")


def measured(run: Path, folder: str) -> hf.Claim:
    """Evaluate a network at all radii."""
    threat = hf.ThreatModel(hf.Linf(eps=0.2))
    return hf.evaluate(
        hf.load(run), "digits", threat=threat, eps=RADII, suite="quick", out=folder, quiet=True
    )


def at(eps: float, share: float) -> tuple[float, float]:
    """Return the place of a point of the curve."""
    left, right, top, bottom = 44, 270, 36, 210
    return left + (right - left) * eps / 0.2, bottom - (bottom - top) * share


def axes() -> Iterator[str]:
    """Yield lines and labels behind the curves."""
    yield text(12, 20, "not broken, % (an upper bound)")
    for share in (0, 0.5, 1):
        (left, y), (right, _) = at(0, share), at(0.2, share)
        yield f'<path d="M{left:g} {y:g}H{right:g}" stroke="{FAINT}" stroke-width=".4"/>'
        yield text(left - 6, y + 4, f"{100 * share:g}", "end")
    bottom = at(0, 0)[1]
    for eps in (0, 0.1, 0.2):
        yield text(at(eps, 0)[0], bottom + 18, f"{eps:g}", "middle")
    yield text(at(0.1, 0)[0], bottom + 38, "Linf eps, the most that a pixel changes", "middle")


def text(x: float, y: float, words: str, anchor: str = "start", fill: str = FAINT) -> str:
    """Return words at a place."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'


def svg(parts: list[str], title: str) -> str:
    """Return a drawing of those parts on paper."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="13">'
    )
    paper = f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{PAPER}"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", paper, *parts, "</svg>", ""])


def screenshot(page: Path, picture: Path) -> None:
    """Photograph the top of a report in a headless browser."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        flags += [f"--user-data-dir={profile}", "--window-size=1100,1180"]
        command = [browser, *flags, f"--screenshot={picture}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()

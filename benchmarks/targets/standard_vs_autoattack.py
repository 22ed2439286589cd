"""Is `standard` as strong as the reference AutoAttack, on networks that others published?

    HOLDFAST_DATA=folder/of/npz HOLDFAST_SHARED=folder/that/holds/targets \
        python benchmarks/targets/standard_vs_autoattack.py

For every network: `evaluate(suite="standard")` on the same first n test images as the reference
(the standard version of AutoAttack by its authors, whose verdict per image `reference.json` holds).
Target: at most 0.2 points more robust accuracy than the reference finds, and never less than the
authors of the network proved.

What was proved is a figure for the whole test set, ours one for its first n images: "below what
was proved" is said only where the gap exceeds what n images explain (1.96 standard errors), and
even then it would be a question, not a contradiction. An image counts for us as robust unless it
was broken or tied; those on which no gradient attack could move are counted apart ("failed"),
they withhold the claim's own headline figure.

Runs resume: claims lie in the folder --claims, a second call continues there. The result file is
written after every network. Seconds are those of the claims; the reference's were taken on another
machine, passes compare better.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import facts, parser, table, write
from networks import first_images, load_target, reference, targets_folder

import holdfast as hf

TARGET = 0.002
# Robust accuracy on the whole test set that the networks' authors proved: (at least, at most).
PROVED: dict[str, tuple[float | None, float | None, str]] = {
    "mnist_wongkolter_eps0.1": (0.942, None, "provable error 5.8 %"),
    "mnist_salman_adv_mlp_b_0.1": (0.6563, 0.8375, "exact error between 16.25 and 34.37 %"),
    "mnist_salman_lpd_mlp_b_0.2": (0.6367, 0.6367, "exact error 36.33 %"),
    "cifar10_resnet2b_adv2": (0.2688, None, "26.88 % verified by CROWN"),
    "cifar10_oval_base": (0.4546, None, "provable error 54.54 %"),
}
# Networks with a proof and without a verdict of the reference.
UNJUDGED = {"cifar10_oval_base": {"data": "cifar10", "eps": "2/255", "n": 500}}
RESISTED = ("unbroken", "failed", "certified")


def compare(
    name: str, known: dict[str, Any], folder: Path, claims: Path, suite: str, quiet: bool
) -> dict[str, Any]:
    """Evaluate one network and return its row."""
    net, _ = load_target(folder, name)
    claim = hf.evaluate(
        net,
        first_images(known["data"], known["n"]),
        threat=hf.ThreatModel(hf.Linf(eps=known["eps"])),
        suite=suite,
        out=claims / name,
        quiet=quiet,
    )
    statuses = claim.per_example["status"]
    ours = [status in RESISTED for status in statuses]
    counts = claim.document["counts"]
    row: dict[str, Any] = {
        "network": name,
        "data": known["data"],
        "n": known["n"],
        "eps": known["eps"],
        "suite": claim.document["suite"]["name"],
        "clean": sum(status != "clean-wrong" for status in statuses) / known["n"],
        "ours": sum(ours) / known["n"],
        "failed": counts.get("failed", 0),
        "marginal": counts.get("marginal", 0),
        "passes": claim.cost.forward + claim.cost.backward,
        "seconds": round(claim.cost.seconds, 1),
        "first_breakers": {w["name"]: w["broken"] for w in claim.waterfall if w["broken"]},
        "bits": "".join("01"[robust] for robust in ours),
    }
    return row | against_reference(ours, known) | against_proof(name, row)


def against_reference(ours: list[bool], known: dict[str, Any]) -> dict[str, Any]:
    """Compare image by image with the reference's verdicts."""
    if "robust" not in known:
        return {}
    theirs = [bit == "1" for bit in known["robust"]]
    pairs = list(zip(ours, theirs, strict=True))
    difference = (sum(ours) - sum(theirs)) / known["n"]
    return {
        "reference": sum(theirs) / known["n"],
        "reference_clean": known["clean"].count("1") / known["n"],
        "difference": round(difference, 6),
        "ours_only_robust": [i for i, (a, b) in enumerate(pairs) if a and not b],
        "reference_only_robust": [i for i, (a, b) in enumerate(pairs) if b and not a],
        "reference_passes": known["forward"] + known["backward"],
        "reference_seconds": known["seconds"],
        "meets_target": difference <= TARGET + 1e-9,
    }


def against_proof(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Compare with what the authors proved on the whole test set, within sampling error."""
    if name not in PROVED:
        return {}
    least, most, words = PROVED[name]
    proved = least if least is not None else most
    error = 1.96 * math.sqrt((proved or 0.5) * (1 - (proved or 0.5)) / row["n"])
    return {
        "proved": words,
        "proved_at_least": least,
        "sampling_error": round(error, 4),
        "below_proof": least is not None and row["ours"] < least - error,
    }


def page(result: dict[str, Any]) -> str:
    header = ["network", "n", "clean, %", "ours, %", "reference, %", "difference, points"]
    header += ["ours only", "reference only", "failed", "proved (whole test set)"]
    header += ["passes, millions (reference)", "seconds (reference)"]
    lines = []
    for row in result["rows"]:
        judged = "reference" in row
        passes, theirs = row["passes"] / 1e6, row.get("reference_passes", 0) / 1e6
        lines.append(
            [
                row["network"],
                row["n"],
                f"{100 * row['clean']:.1f}",
                f"{100 * row['ours']:.1f}",
                f"{100 * row['reference']:.1f}" if judged else "-",
                f"{100 * row['difference']:+.1f}" if judged else "-",
                len(row["ours_only_robust"]) if judged else "-",
                len(row["reference_only_robust"]) if judged else "-",
                row["failed"],
                row.get("proved", "-") + (" (ours is below)" if row.get("below_proof") else ""),
                f"{passes:.2f} ({theirs:.2f})" if judged else f"{passes:.2f}",
                f"{row['seconds']:g} ({row['reference_seconds']:g})"
                if judged
                else f"{row['seconds']:g}",
            ]
        )
    text = (
        f"{result['question']} Robust accuracy on the first n test images; target: at most "
        f"{100 * TARGET:.1f} points above the reference. {result['threads']} thread(s)."
    )
    return f"{text}\n\n{table(header, lines)}"


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    made = parser(__doc__, Path(__file__).with_suffix(".json"))
    made.add_argument("--targets", type=Path, help="folder of published networks")
    made.add_argument("--claims", type=Path, default=Path("claims/targets"), help="claims go here")
    made.add_argument("--only", nargs="+", help="names of networks")
    made.add_argument("--suite", default="standard")
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--loud", action="store_true", help="show the progress of each evaluation")
    given = made.parse_args(arguments)
    folder = targets_folder(given.targets)
    if folder is None and given.targets:
        made.error(f"{given.targets} holds no reference.json: give the folder of the networks")
    if folder is None:
        print("No published networks here, nothing compared: set HOLDFAST_SHARED or --targets.")
        return {}
    if not os.environ.get("HOLDFAST_DATA"):
        print("No data sets here, nothing compared: set HOLDFAST_DATA to the folder of .npz files.")
        return {}
    torch.set_num_threads(given.threads)
    known = reference(folder) | UNJUDGED
    if given.smoke:
        given.only, given.suite = ["mnist_clean_smallcnn"], "quick"
        known = {name: _cut(known[name], 16) for name in given.only}
    result: dict[str, Any] = {"question": (__doc__ or "").partition("\n")[0], "rows": []}
    for name in given.only or known:
        row = compare(name, known[name], folder, given.claims, given.suite, not given.loud)
        result["rows"].append(row)
        result |= {"target": TARGET, "threads": given.threads, **facts()}
        write(given.out, result, page(result))
    return result


def _cut(known: dict[str, Any], n: int) -> dict[str, Any]:
    return {**known, "n": n, "clean": known["clean"][:n], "robust": known["robust"][:n]}


if __name__ == "__main__":
    main()

"""How good are the two MNIST recipes at Linf 0.3, and how long do they train?

    HOLDFAST_DATA=folder/of/npz python benchmarks/recipes/mnist.py

Trains `mnist_fast_linf03` with seeds 0, 1, 2 and `mnist_best_linf03` with seed 0, evaluates all of
them on all 10,000 test images - the fast one as published, PGD-50 with 10 restarts, and its seed 0
and the best with `standard` - and reads the figures from the claims. Runs and claims lie in the
folder --work; what is there already is not computed again. Hours on two cores.

Targets: fast, clean 98.1 to 98.8 %, median PGD-50-10 84.5 to 89.5 %, training under two minutes;
best, at least 3 points over fast under `standard`, clean at least 98.5 %, training within 15.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import common  # noqa: E402

from holdfast.claims import Claim  # noqa: E402

FAST, BEST = "mnist_fast_linf03", "mnist_best_linf03"
SEEDS = (0, 1, 2)


def main() -> None:
    """Train, evaluate, write the table."""
    parser = common.parser(__doc__, HERE / "mnist.json")
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="runs, claims")
    options = parser.parse_args()
    if not os.environ.get("HOLDFAST_DATA"):
        print("No MNIST here, nothing trained: set HOLDFAST_DATA to the folder of mnist.npz.")
        return
    seeds = SEEDS[:1] if options.smoke else SEEDS
    shorter = ("--set", "plan.epochs=1") if options.smoke else ()
    fewer = ("--n", "20") if options.smoke else ()
    rows = []
    for seed in seeds:
        run = trained(options.work, FAST, seed, *shorter)
        rows.append(row(run, evaluated(options.work, FAST, run / "last", f"fast{seed}", *fewer)))
    run = options.work / "runs" / f"{FAST}-0"
    quoted = ("--suite", "quick" if options.smoke else "standard")
    rows.append(row(run, evaluated(options.work, FAST, run / "last", "fast0-s", *quoted, *fewer)))
    run = trained(options.work, BEST, 0, *shorter)
    rows.append(row(run, evaluated(options.work, BEST, run, "best0", *quoted, *fewer)))
    median = statistics.median(r["robust"]["value"] for r in rows[: len(seeds)])
    result = {**common.facts(), "rows": rows, "fast_median_pgd_50_10": median}
    common.write(options.out, result, table(rows))


def trained(work: Path, recipe: str, seed: int, *more: str) -> Path:
    """Train a recipe, or go on where it stopped, and return its run folder."""
    out = work / "runs" / f"{recipe}-{seed}"
    holdfast("train", recipe, "--seed", str(seed), "--out", str(out), "--resume", *more)
    return out


def evaluated(work: Path, recipe: str, model: Path, name: str, *more: str) -> Claim:
    """Evaluate a model as its recipe says, or go on where that stopped, and return the claim."""
    out = work / "claims" / name
    holdfast("evaluate", recipe, "--model", str(model), "--out", str(out), *more)
    return Claim.load(out)


def holdfast(*words: str) -> None:
    """Run the command line."""
    subprocess.run([sys.executable, "-m", "holdfast.cli", *words], check=True)


def row(run: Path, claim: Claim) -> dict[str, Any]:
    """Return the figures of one evaluation."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        "run": run.name,
        "suite": claim.document["suite"]["name"],
        "sentence": str(claim),
        "clean": claim.clean_accuracy.plain(),
        "robust": claim.robust_accuracy.plain(),
        "counts": dict(claim.document["counts"]),
        "broken_by": {bar["name"]: bar["broken"] for bar in claim.waterfall},
        "checks": {c["id"]: f"{c['status']}: {c['message']}" for c in claim.checks},
        "cost": dict(claim.document["cost"]),
        "training_seconds": round(sum(json.loads(line)["seconds"] for line in lines), 1),
        "epochs": len(lines),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the figures as Markdown."""
    return common.table(
        ("run", "training", "suite", "clean", "not broken", "95 %", "warnings"),
        [
            (
                r["run"],
                f"{r['training_seconds']:.0f} s",
                r["suite"],
                f"{100 * r['clean']['value']:.2f} %",
                f"{100 * r['robust']['value']:.2f} %" if "value" in r["robust"] else "withheld",
                f"{100 * r['robust']['low']:.1f} to {100 * r['robust']['high']:.1f}"
                if "value" in r["robust"]
                else "",
                "; ".join(k for k, v in r["checks"].items() if not v.startswith("pass")) or "none",
            )
            for r in rows
        ],
    )


if __name__ == "__main__":
    main()

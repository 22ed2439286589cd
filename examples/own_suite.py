"""Write a suite of your own: the attacks that an evaluation in L0 runs, cheap ones first.

python examples/own_suite.py
"""

from __future__ import annotations

import argparse

import holdfast as hf
from holdfast.attacks import APGD, PGD, EachTarget, SigmaZero, SparseRS

# Each member drops what it breaks, so a cheap one in front spares the strong ones most work, and
# the worst case of all counts. The name has a version: other attacks or budgets are sparse-2.
SPARSE_1 = hf.Suite(
    name="sparse-1",
    members=(
        hf.Member(name="pgd", attack=PGD(steps=10, step_size=0.25)),
        hf.Member(name="apgd-t", attack=EachTarget(attack=APGD(steps=50), top=3)),
        hf.Member(name="sigma-zero", attack=SigmaZero(steps=200)),
        hf.Member(name="sparse-rs", attack=SparseRS(queries=300)),
    ),
)
hf.register("suite")(SPARSE_1)


def main() -> None:
    """Evaluate a network with the suite, by its name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="example")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--n", type=int, default=100, help="test examples")
    options = parser.parse_args()

    threat = hf.ThreatModel(hf.L0(eps=2))  # two pixels
    model = hf.train(
        "mlp",
        "digits",
        threat=threat,
        epochs=options.epochs,
        out=f"{options.out}/own_suite/run",
        resume=True,
        quiet=True,
    ).model

    # "sparse" is the newest version that is registered; `suite=SPARSE_1` would do as well.
    claim = hf.evaluate(
        model,
        "digits",
        threat=threat,
        suite="sparse",
        out=f"{options.out}/own_suite/claim",
        n=options.n,
        quiet=True,
    )
    print(claim)

    # The claim holds the whole definition and its digest, so others can run it without this file.
    print(hf.verify(claim.folder, model=model, data="digits", replay=2, quiet=True))


if __name__ == "__main__":
    main()

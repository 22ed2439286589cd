"""Check somebody's claim, and see that a false one does not pass.

python examples/recheck.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import holdfast as hf

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", default="example")
parser.add_argument("--n", type=int, default=100, help="test examples")
options = parser.parse_args()
out = Path(options.out) / "recheck"

threat = hf.ThreatModel(hf.Linf(eps=0.1))
plan = hf.TrainPlan(epochs=5, batch_size=64, optimizer=hf.Adam(lr=4e-3))
hf.train("mlp", "digits", threat=threat, plan=plan, out=out / "run", resume=True, quiet=True)
model = hf.load(out / "run")
hf.evaluate(
    model, "digits", threat=threat, suite="quick", n=options.n, out=out / "claim", quiet=True
)

# With model and data at hand, every counterexample is looked at again, and the suite is run again
# on five of the points that it did not break.
print(hf.verify(out / "claim", model=model, data="digits", replay=5))

# Another model, other data, or one changed byte: verification fails loudly.
other = hf.load(out / "run")
next(other.parameters()).data.mul_(1.01)
table = out / "claim" / "per_example.csv"
whole = table.read_bytes()
for what, claim_model, data in (
    ("another model", other, "digits"),
    ("other data", model, "digits:validation"),
    ("a changed file", model, "digits"),
):
    if what == "a changed file":
        table.write_bytes(whole.replace(b"broken", b"unbroken", 1))
    try:
        hf.verify(out / "claim", model=claim_model, data=data)
    except hf.VerificationError as error:
        print(f"{what}: {error}")
table.write_bytes(whole)

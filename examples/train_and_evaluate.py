"""Train a small network against a threat model, then find out how much that bought.

python examples/train_and_evaluate.py            # about a minute on a laptop
"""

from __future__ import annotations

import argparse

import holdfast as hf

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", default="example")
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--n", type=int, default=None, help="test examples; all by default")
options = parser.parse_args()

# What the attacker may do: change each pixel by at most 0.2 of its range.
threat = hf.ThreatModel(hf.Linf(eps=0.2))

# Train on the worst case that seven PGD steps find. `result.best` is chosen by robust validation
# accuracy; the test part is not looked at.
result = hf.train(
    {"type": "small_cnn", "width": 16, "hidden": 100},
    "digits",
    threat=threat,
    method=hf.Madry(attack=hf.attacks.PGD(steps=7, step_size=0.3)),
    plan=hf.TrainPlan(batch_size=64, optimizer=hf.Adam(lr=6e-3), ema=0.99),
    epochs=options.epochs,
    out=f"{options.out}/run",
    seed=0,
    resume=True,
)
print(f"best epoch {result.best.epoch}: {result.best.robust:.1%} robust on the validation part")

# Evaluate with a whole suite of attacks, strong ones included. The claim is a folder.
claim = hf.evaluate(
    result.model, "digits", threat=threat, suite="quick", n=options.n, out=f"{options.out}/claim"
)
print(claim)
print("clean accuracy", float(claim.clean_accuracy), "robust accuracy", claim.robust_accuracy)
print("cost", claim.cost)

# Show it: open the file in a browser.
print("report:", hf.report(claim, f"{options.out}/report.html"))

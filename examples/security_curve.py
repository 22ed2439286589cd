"""How robust accuracy falls as the attacker may change more: one evaluation, several radii.

python examples/security_curve.py
"""

from __future__ import annotations

import argparse

import holdfast as hf

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", default="example")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--n", type=int, default=None, help="test examples; all by default")
options = parser.parse_args()

threat = hf.ThreatModel(hf.Linf(eps=0.2))
radii = [0.02, 0.05, 0.1, 0.15]

claims = []
for name, method in (("standard", hf.Standard()), ("adversarial", hf.Madry())):
    result = hf.train(
        {"type": "mlp", "hidden": [128]},
        "digits",
        threat=threat,
        method=method,
        plan=hf.TrainPlan(batch_size=64, optimizer=hf.Adam(lr=4e-3)),
        epochs=options.epochs,
        out=f"{options.out}/curve/{name}",
        resume=True,
        quiet=True,
    )
    claim = hf.evaluate(
        result.model,
        "digits",
        threat=threat,
        eps=radii,  # the threat model's own 0.2 belongs to the curve too
        suite="quick",
        n=options.n,
        out=f"{options.out}/curve/claim-{name}",
        quiet=True,
    )
    claims.append(claim)
    print(name)
    for point in claim.curve:
        share = point["robust"]["value"]
        print(f"  eps {point['eps']:>5}  {share:6.1%}  {'#' * round(40 * share)}")

# Both curves side by side, in one page.
print("report:", hf.report(claims, f"{options.out}/curve/report.html"))

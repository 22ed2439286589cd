"""The security curve: robust accuracy over eps, from one cascade that only ever grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.claims.headline import robust
from holdfast.evaluation.document import Outcome
from holdfast.threat import ThreatModel
from holdfast.units import Number, number


def check_curve(threat: ThreatModel, eps: Sequence[Number]) -> list[ThreatModel]:
    """Return the threat models of the curve, smallest radius first; the threat's own is among them.

    Raises InputError for an eps that the space refuses.
    """
    by_radius = {threat.with_eps(e).space.radius: threat.with_eps(e) for e in eps}
    by_radius[threat.space.radius] = threat
    return [by_radius[radius] for radius in sorted(by_radius)]


def curve(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the points of the curve. What broke at a radius was not attacked again at larger ones,
    so the curve cannot rise."""
    return [
        {
            "eps": str(outcome.eps),
            "radius": number(outcome.eps),
            "robust": robust(outcome.counts()).plain(),
        }
        for outcome in outcomes
    ]

"""The threat model: what may change, what counts as harm, what the attacker sees and may spend."""

from __future__ import annotations

from holdfast.threat.goals.base import DEFAULT_LOSS, Aim, Goal
from holdfast.threat.goals.targeted import Targeted
from holdfast.threat.goals.undetected import Undetected
from holdfast.threat.goals.untargeted import Untargeted
from holdfast.threat.knowledge import Knowledge, Status
from holdfast.threat.model import ThreatModel
from holdfast.threat.region import (
    Boxed,
    Convex,
    Counting,
    Dense,
    Euclidean,
    Finite,
    Lattice,
    Normed,
    Paintable,
    Penalised,
    Placed,
    Region,
    Searchable,
    Separable,
    Sparse,
    Vector,
    Witnessed,
)
from holdfast.threat.space import Space, check_ball, radii, too_small, warn_if_tiny

__all__ = [
    "DEFAULT_LOSS",
    "Aim",
    "Boxed",
    "Convex",
    "Counting",
    "Dense",
    "Euclidean",
    "Finite",
    "Goal",
    "Knowledge",
    "Lattice",
    "Normed",
    "Paintable",
    "Penalised",
    "Placed",
    "Region",
    "Searchable",
    "Separable",
    "Space",
    "Sparse",
    "Status",
    "Targeted",
    "ThreatModel",
    "Undetected",
    "Untargeted",
    "Vector",
    "Witnessed",
    "check_ball",
    "radii",
    "too_small",
    "warn_if_tiny",
]

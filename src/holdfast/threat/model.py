"""The threat model: what the attacker may change, wants, sees and may spend."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

from holdfast.components import digest, register
from holdfast.threat.goals.base import Goal
from holdfast.threat.goals.untargeted import Untargeted
from holdfast.threat.knowledge import Knowledge
from holdfast.threat.space import Space
from holdfast.units import Count, Number


@dataclass(frozen=True)
class ThreatModel:
    """The attacker's set, goal, knowledge and budget; eps is written here alone."""

    space: Space
    goal: Goal = field(default_factory=Untargeted, kw_only=True)
    knowledge: Knowledge = field(default=Knowledge.GRADIENT, kw_only=True)
    queries: Count | None = field(default=None, kw_only=True)  # per example; None: not limited
    kind: ClassVar[str] = "threat"

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for a common mistake: another object passed for a threat model."""
        if isinstance(value, Space):
            return f"that is the set alone: write ThreatModel({type(value).__name__}(...))"
        plain = isinstance(value, dict) and "space" in value
        return None if plain else "write ThreatModel(Linf(eps='8/255')), in a file linf:8/255"

    @property
    def digest(self) -> str:
        """Return the sha256 of this threat model's canonical JSON."""
        return digest(self)

    def with_eps(self, eps: Number) -> ThreatModel:
        """Return the same threat model with another eps."""
        space: Any = self.space
        return dataclasses.replace(self, space=dataclasses.replace(space, eps=eps))

    def sentence(self) -> str:
        """Return the threat model in words: set, range, goal, knowledge, budget."""
        sees = "white box (gradient)" if self.knowledge is Knowledge.GRADIENT else self.knowledge
        limit = "" if self.queries is None else f", at most {self.queries} queries"
        return f"{self.space.sentence()}, {self.goal.sentence()}, {sees}{limit}"


register("threat", name="threat_model")(ThreatModel)

"""The objective of an attack: one threat model bound to one model and one batch."""

from __future__ import annotations

from holdfast.objective.meter import BudgetSpent, Cost
from holdfast.objective.objective import Objective
from holdfast.objective.offer import offered, refusal
from holdfast.objective.score import Score

__all__ = ["BudgetSpent", "Cost", "Objective", "Score", "offered", "refusal"]

"""The objective of an attack: one threat model bound to one model and one batch."""

from __future__ import annotations

from holdfast.objective.access import offered as offered
from holdfast.objective.access import refusal as refusal
from holdfast.objective.meter import BudgetSpent as BudgetSpent
from holdfast.objective.meter import Cost as Cost
from holdfast.objective.objective import Objective as Objective
from holdfast.objective.score import Score as Score

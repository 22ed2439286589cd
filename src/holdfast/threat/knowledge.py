"""Knowledge of the attacker, and the outcome of an attack on one example."""

from __future__ import annotations

from enum import StrEnum


class Knowledge(StrEnum):
    """The attacker's view of the model; each grants more than the ones after it."""

    GRADIENT = "gradient"  # white box: everything, derivatives included
    SCORE = "score"  # the logits of any input
    DECISION = "decision"  # the predicted label of any input
    TRANSFER = "transfer"  # nothing of this model; other models only

    def grants(self, needed: Knowledge) -> bool:
        """Return True if an attacker of this knowledge may run an attack that needs `needed`."""
        return _RANKS[self] <= _RANKS[needed]


_RANKS = {knowledge: rank for rank, knowledge in enumerate(Knowledge)}


class Status(StrEnum):
    """The outcome of one example in an evaluation."""

    CLEAN_WRONG = "clean-wrong"  # misclassified before any change
    BROKEN = "broken"  # a counterexample was found and re-verified
    MARGINAL = "marginal"  # a tie was found: not robust, listed apart
    FAILED = "failed"  # an attack could not move: says nothing, never counted as robust
    UNBROKEN = "unbroken"  # every attack ran and none succeeded

"""Access to the models under the attacker's knowledge, and the count of queries."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from holdfast.errors import InputError, Unsupported
from holdfast.models.adapter import Model
from holdfast.models.targets import BlackBox
from holdfast.threat import Goal, Knowledge

_GIVES = {
    Knowledge.GRADIENT: "scores and gradients",
    Knowledge.SCORE: "scores and no gradient",
    Knowledge.DECISION: "labels alone",
}
_NAMES = {
    Knowledge.GRADIENT: "gradients",
    Knowledge.SCORE: "scores",
    Knowledge.DECISION: "labels",
}


@dataclass(frozen=True)
class Access:
    """Resolved once: the knowledge that is permitted, that is offered, and that is both.

    Under *transfer* the judge answers nothing. A surrogate that is not the judge is the
    attacker's own, with scores and gradients; labels are the judge's alone.
    """

    search: nn.Module
    queried: tuple[nn.Module, ...]  # models whose answers are queries
    knowledge: Knowledge  # that the threat model grants
    permitted: frozenset[Knowledge]
    offered: frozenset[Knowledge]
    granted: frozenset[Knowledge]
    differentiable: bool  # whether logits may carry a graph

    @classmethod
    def to(cls, search: nn.Module, judge: nn.Module, knowledge: Knowledge, *, twin: bool) -> Access:
        """Return the access of an attacker of this knowledge to the two models."""
        queried = (judge,) if twin else (judge, search)
        own = knowledge is Knowledge.TRANSFER and search is not judge
        permitted = frozenset(Knowledge) - {Knowledge.DECISION} if own else _below(knowledge)
        offers = _below(offered(search))
        seen = own or knowledge is Knowledge.GRADIENT
        return cls(search, queried, knowledge, permitted, offers, permitted & offers, seen)

    def refused(self, needed: Knowledge) -> Unsupported:
        """Return the error for an attacker who asks for more than is granted."""
        name = _NAMES[needed]
        if needed in self.permitted:
            return Unsupported(f"{refusal(self.search)}, no {name}: use an attack that needs less")
        return Unsupported(
            f"{name} are not granted under {self.knowledge!s} knowledge: use an attack that needs "
            f"less, or grant {needed!s} in the threat model"
        )


def _below(knowledge: Knowledge) -> frozenset[Knowledge]:
    return frozenset(needed for needed in Knowledge if knowledge.grants(needed))


def offered(model: nn.Module) -> Knowledge:
    """Return the most that a model can give: a black box has no gradient, perhaps no scores."""
    if isinstance(model, Model | BlackBox):
        return Knowledge(model.offers)
    return Knowledge.GRADIENT


def refusal(model: nn.Module) -> str:
    """Return the answers of a model in words."""
    return f"the model gives {_GIVES[offered(model)]}"


def check_rejection(goal: Goal, *models: nn.Module) -> None:
    """Raise InputError where a goal is about models that may reject and one of these may not."""
    if goal.rejects and not all(isinstance(model, Model) and model.rejects for model in models):
        raise InputError(
            f"the goal {type(goal).__name__} needs a model that may reject, to search and to "
            "judge: holdfast.models.Rejecting(classifier, detector, threshold)"
        )

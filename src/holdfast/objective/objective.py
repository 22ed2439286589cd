"""The objective: one threat model bound to one model and one batch of examples.

Training and evaluation make it in the same way, so an attack sees nothing else: it asks for scores
and, through them, for gradients. Anything that the threat model does not grant cannot be asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.deadline import beat
from holdfast.logits import masked, only_others
from holdfast.losses import Loss
from holdfast.models.adapter import answer, frozen
from holdfast.models.gradients import InputGradient
from holdfast.models.wrappers.randomized import Draws
from holdfast.objective.access import Access, check_rejection
from holdfast.objective.meter import BudgetSpent, Cost, Meter
from holdfast.objective.score import Score, harm_and_tie
from holdfast.rng import Rng
from holdfast.tensors import either
from holdfast.threat import DEFAULT_LOSS, Aim, Knowledge, ThreatModel
from holdfast.tree import take

_DERIVED: Any = None  # default of a field that follows from the others


@dataclass(frozen=True, eq=False, repr=False)
class Objective:
    """Scores changed inputs of one batch; counts every pass per example.

    threat: the threat model. search: the model that the attack differentiates, logits out, inputs
    in the units of x. x: (B, ...); y: (B,) int64. targets: (B,) int64, by default the goal's own.
    loss: maximized unless the attack brings its own. judge: the model whose verdict counts,
    by default `search`. twin: whether `search`, where it is not the judge, is another model and not
    the judge in another precision; passes through the judge alone are queries. limit: queries per
    example of this search, by default all that the threat model grants.
    """

    threat: ThreatModel
    search: nn.Module
    x: Tensor
    y: Tensor
    _: KW_ONLY
    targets: Tensor | None = None
    loss: Loss = _DERIVED
    judge: nn.Module = _DERIVED
    twin: bool = True
    limit: int | None = None
    # changed by views:
    _steer: Tensor | None = None
    _rows: Tensor | None = None  # of the meter that this view counts in; None: all
    _draws: Draws | None = None  # passes that each look is the mean of; None: one
    _reference: list[Tensor] = field(default_factory=list)  # one tensor once it is known
    _known: dict[str, Tensor] = field(default_factory=dict)  # found out before the search, by name
    # shared by them:
    _access: Access = _DERIVED
    _meter: Meter = _DERIVED
    _input_gradient: InputGradient = field(default_factory=InputGradient)

    def __post_init__(self) -> None:
        given: dict[str, Any] = vars(self)
        if given["_meter"] is not None:
            return  # a view: all is derived
        judge = self.search if given["judge"] is None else self.judge
        check_rejection(self.threat.goal, self.search, judge)
        given["judge"] = judge
        given["_access"] = Access.to(self.search, judge, self.threat.knowledge, twin=self.twin)
        given["_meter"] = Meter(len(self.y), self.y.device)
        given["loss"] = given["loss"] or DEFAULT_LOSS
        if self.targets is None:
            given["targets"] = self.threat.goal.targets(self.y)
        if self.limit is None:
            given["limit"] = self.threat.queries

    def score(self, x_adv: Tensor, at: Rng) -> Score:
        """Return loss and harm of x_adv (B, ...): one forward pass.

        Differentiable under *gradient*. Raises Unsupported under *decision* and *transfer*, where
        no scores are handed out.
        """
        logits = self._ask(Knowledge.SCORE, self.search, x_adv)
        loss, logits = self._loss(logits)
        return Score(loss, logits.detach(), self._judged)

    def value_and_grad(self, x_adv: Tensor, z: Tensor, at: Rng) -> tuple[Score, Tensor]:
        """Return the score of x_adv and the gradient (B, ...) of its loss with respect to z alone.

        One forward and one input-only backward pass. Where no gradient reaches z it is zero;
        entries that are not finite are zero too.
        """
        logits = self._ask(Knowledge.SCORE, self.search, x_adv)
        loss, logits = self._loss(logits)
        gradient = self._gradient(loss, z)
        return Score(loss.detach(), logits.detach(), self._judged), gradient

    def gaps(self, x_adv: Tensor, z: Tensor, at: Rng, top: int) -> tuple[Score, Tensor, Tensor]:
        """Return score, (B, C) how far each boundary is exceeded, and (C, B, ...) their gradients.

        The boundaries are those to the `top` wrong classes of largest logit here, at most K - 1; in
        place of a class that is masked stands the first. Where the goal or the search has a target,
        there is one boundary: the loss. One forward and C input-only backward passes.
        """
        logits = self._ask(Knowledge.GRADIENT, self.search, x_adv)
        loss, logits = self._loss(logits)
        gaps = loss[:, None]
        if self._steer is None and self.targets is None:
            classes = self.threat.goal.classes(logits, self.y)
            count = min(top, classes.shape[1] - 1)
            rivals = only_others(classes, self.y).topk(count, dim=1).indices
            silent = masked(classes).gather(1, rivals)
            rivals = torch.where(silent, rivals[:, :1], rivals)
            gaps = classes.gather(1, rivals) - classes.gather(1, self.y[:, None])
        grads = [self._gradient(gap, z, keep=True) for gap in gaps.unbind(1)]
        score = Score(loss.detach(), logits.detach(), self._judged)
        return score, gaps.detach(), torch.stack(grads)

    def labels(self, x_adv: Tensor, at: Rng) -> Tensor:
        """Return (B,): the predicted classes, the one thing granted under *decision*."""
        with torch.no_grad():
            return _as_one(self._ask(Knowledge.DECISION, self.judge, x_adv)).argmax(1)

    def decide(self, x_adv: Tensor, at: Rng) -> Score:
        """Return whether x_adv (B, ...) reaches the goal, as a loss of 1 or -1: one query.

        A tie does not. Harm and tie are for the verdict, not for the search.
        """
        with torch.no_grad():
            logits = self._ask(Knowledge.DECISION, self.judge, x_adv)
            harm, tie = self._verdict(_as_one(logits))
        return Score.known(either(harm > tie, 1.0, -1.0, harm), harm, tie)

    def verdict(self, x_adv: Tensor) -> Score:
        """Return the judge's score of x_adv, which is reported, with the harm for its loss.

        It is the evaluator's own look: a forward pass, but no query of the attacker's budget.
        """
        with torch.no_grad():
            logits = _as_one(self._forward(self.judge, x_adv))
            logits = logits if logits.dtype is torch.float64 else logits.float()
            harm, tie = self._verdict(logits)
        return Score.known(harm, harm, tie, logits)

    def reference(self) -> Tensor:
        """Return (B, K): the logits of the unchanged inputs; one forward pass the first time."""
        if not self._reference:
            with torch.no_grad():
                logits = _as_one(self._ask(Knowledge.SCORE, self.search, self.x))
                self._reference.append(self.threat.goal.classes(logits, self.y))
        return self._reference[0]

    def recall(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """Return `compute()` for these examples, (B, ...), cached by name.

        For values that several searches of one batch need and that depend on nothing else.
        """
        if name not in self._known:
            self._known[name] = compute()
        return self._known[name]

    def rivals(self) -> tuple[Tensor, Tensor]:
        """Return (B, K - 1) the wrong classes, largest logit on the unchanged input first.

        And (B,) how many of them count: those that are masked do not, unless none else is left.
        """
        logits = self.reference()
        others = only_others(logits, self.y)
        order = others.argsort(dim=1, descending=True, stable=True)[:, :-1]
        return order, (~masked(logits).gather(1, order)).sum(1).clamp_min(1)

    def ranked(self, rank: int) -> Tensor:
        """Return (B,): the wrong class with the rank-th largest logit on the unchanged input.

        After the last one that counts comes the first again.
        """
        order, count = self.rivals()
        return order.gather(1, ((rank - 1) % count)[:, None])[:, 0]

    @property
    def num_classes(self) -> int:
        """Return K; one forward pass the first time."""
        return self.reference().shape[1]

    def towards(self, steer: Tensor) -> Objective:
        """Return a view whose search is steered towards classes (B,); the goal stays the same."""
        return replace(self, _steer=steer)

    def using(self, loss: Loss | None) -> Objective:
        """Return a view that climbs `loss`; None keeps the present one."""
        return self if loss is None else replace(self, loss=loss)

    def averaged(self, draws: Draws) -> Objective:
        """Return a view in which every look is the mean of several passes, all of them counted."""
        return replace(self, _draws=draws, _reference=[])

    def within(self, queries: int) -> Objective:
        """Return a view that may spend so many more queries, and no more than this one may."""
        limit = self._spent + queries
        return replace(self, limit=limit if self.limit is None else min(limit, self.limit))

    def sparing(self, looks: int) -> Objective:
        """Return a view that leaves the queries of so many passes for the next search."""
        return self if self.limit is None else replace(self, limit=self.limit - self._times * looks)

    @property
    def left(self) -> int | None:
        """Return how many queries may still be spent on each example; None: not limited."""
        return None if self.limit is None else max(0, self.limit - self._spent)

    @property
    def _spent(self) -> int:
        """Return the queries so far of the example that cost most."""
        return int(self.cost.queries.amax()) if len(self.y) else 0

    def take(self, idx: Tensor) -> Objective:
        """Return a view of the examples at positions `idx`; passes count in the same meter."""
        own = ("x", "y", "targets", "_steer", "_reference", "_known")
        rows = idx if self._rows is None else take(self._rows, idx)
        return replace(self, _rows=rows, **{name: take(getattr(self, name), idx) for name in own})

    @property
    def cost(self) -> Cost:
        """Return the passes so far of this view's examples."""
        return self._meter.cost(self._rows)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold both models still: eval mode, no parameter gradients; restored on any exit."""
        twin = nullcontext() if self.judge is self.search else frozen(self.judge)
        with frozen(self.search), twin:
            yield

    def grants(self, needed: Knowledge) -> bool:
        """Return True if an attack that needs `needed` may run and can."""
        return needed in self._access.granted

    def permits(self, needed: Knowledge) -> bool:
        """Return True if the threat model lets an attack that needs `needed` run."""
        return needed in self._access.permitted

    def offers(self, needed: Knowledge) -> bool:
        """Return True if the model that is asked can answer an attack that needs `needed`."""
        return needed in self._access.offered

    def _ask(self, needed: Knowledge, model: nn.Module, x_adv: Tensor) -> Tensor:
        """Return logits for the attacker; those of the judge are queries and have a budget."""
        if needed not in self._access.granted:
            raise self._access.refused(needed)
        query = model in self._access.queried
        if query and self.limit is not None and self._spent + self._times > self.limit:
            raise BudgetSpent
        logits = self._forward(model, x_adv, query=query).to(self._kind)
        return logits if self._access.differentiable else logits.detach()

    def _forward(self, model: nn.Module, x_adv: Tensor, *, query: bool = False) -> Tensor:
        beat()
        self._meter.add(self._rows, forward=self._times, queries=query * self._times)
        return self._draws.mean(model, x_adv) if self._draws else answer(model, x_adv)

    def _loss(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss (B,) and logits (B, K), or their means where several networks answer."""
        if logits.ndim == 3:
            return torch.stack([self._loss(each)[0] for each in logits]).mean(0), logits.mean(0)
        return self.threat.goal.loss(self.loss, logits, self._aim), logits

    @cached_property
    def _aim(self) -> Aim:
        reference = self.reference() if self.loss.needs_reference else None
        return Aim(self.y, self.targets, self._steer, reference)

    def _gradient(self, values: Tensor, z: Tensor, *, keep: bool = False) -> Tensor:
        """Return the gradient of values (B,) with respect to z: one backward pass, if any.

        keep: the graph, for another one.
        """
        if not values.requires_grad:
            return torch.zeros_like(z)
        self._meter.add(self._rows, backward=self._times)
        return self._input_gradient(values.sum(), z, keep).contiguous().nan_to_num_(0.0, 0.0, 0.0)

    def _verdict(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return harm and tie, (B,) each, of one look."""
        harm, tie = self._judged(logits[None])
        return harm[0], tie[0]

    def _judged(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return harm and tie, (M, B) each, of logits (M, B, K)."""
        return harm_and_tie(self.threat.goal, logits, self.y, self.targets)

    @cached_property
    def _times(self) -> int:
        """Return how many passes a look is."""
        return self._draws.count if self._draws else 1

    @cached_property
    def _kind(self) -> torch.dtype:
        """Return the one type in which a search computes; a network may return another one."""
        return torch.float64 if self.x.dtype is torch.float64 else torch.float32


def _as_one(logits: Tensor) -> Tensor:
    """Return (B, K): the mean where several networks answer, (M, B, K), as `MeanLosses` does."""
    return logits.mean(0) if logits.ndim == 3 else logits

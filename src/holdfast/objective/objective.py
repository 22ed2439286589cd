"""The objective: one threat model bound to one model and one batch of examples.

Training and evaluation make it in the same way, so an attack sees nothing else: it asks for scores
and, through them, for gradients. What the threat model does not grant cannot be asked for.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from holdfast.deadline import check_deadline
from holdfast.errors import InputError, Unsupported
from holdfast.logits import masked, only_others
from holdfast.losses import Loss
from holdfast.models.adapter import Model, answer, frozen
from holdfast.models.gradients import input_gradient, is_checkpointed
from holdfast.models.wrappers.randomized import Draws
from holdfast.objective.meter import BACKWARD, FORWARD, QUERIES, BudgetSpent, Cost, Meter
from holdfast.objective.offer import offered, refusal
from holdfast.objective.score import Score, harm_and_tie
from holdfast.progress import beat
from holdfast.rng import Rng
from holdfast.tensors import either
from holdfast.threat import DEFAULT_LOSS, Aim, Knowledge, ThreatModel
from holdfast.tree import take


class Objective:
    """Scores changed inputs of one batch; counts every pass per example.

    threat: the threat model. model: what the attack differentiates (`search`), logits out, inputs
    in the units of x. x: (B, ...); y: (B,) int64. targets: (B,) int64 or None. loss: what is
    climbed unless the attack brings its own. judge: the model whose verdict counts, by default the
    same as `model`. twin: whether `model`, where it is not the judge, is another model and not the
    judge in another precision; passes through the judge alone are queries. limit: queries per
    example of this search, by default all that the threat model grants.
    """

    def __init__(
        self,
        threat: ThreatModel,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        targets: Tensor | None = None,
        loss: Loss | None = None,
        judge: nn.Module | None = None,
        twin: bool = True,
        limit: int | None = None,
    ) -> None:
        for asked in (model, judge or model) if threat.goal.rejects else ():
            if not (isinstance(asked, Model) and asked.rejects):
                raise InputError(
                    f"the goal {type(threat.goal).__name__} needs a model that may reject, to "
                    "search and to judge: holdfast.models.Rejecting(classifier, detector, "
                    "threshold)"
                )
        self.threat = threat
        self.search = model
        self.judge = judge or model
        self.limit = threat.queries if limit is None else limit
        self._queried = (self.judge,) if twin else (self.judge, model)
        self.x = x
        self.y = y
        self.targets = threat.goal.targets(y) if targets is None else targets
        self.loss = loss or DEFAULT_LOSS
        self._steer: Tensor | None = None
        self._reference: list[Tensor] = []  # one tensor once it is known, shared by all views
        self._offered = offered(model)
        self._known: dict[str, Tensor] = {}  # what attacks found out before their search, by name
        self._meter = Meter(len(y), y.device)
        self._rows: Tensor | None = None  # rows of the meter that this view counts in; None: all
        self._checkpointed: list[bool] = []  # one entry once it is known, shared by all views
        self._draws: Draws | None = None  # several passes at every look; None: one

    def score(self, x_adv: Tensor, at: Rng) -> Score:
        """Return loss and harm of x_adv (B, ...): one forward pass.

        Differentiable under *gradient*. Raises Unsupported under *decision* and *transfer*, where
        no scores are handed out.
        """
        self._allow(Knowledge.SCORE, "scores")
        with torch.set_grad_enabled(self._differentiable and torch.is_grad_enabled()):
            logits = self._ask(self.search, x_adv)
            loss = self._loss(logits)
        return Score(loss, _as_one(logits.detach()), self._judged)

    def climb(self, x_adv: Tensor, z: Tensor, at: Rng) -> tuple[Score, Tensor]:
        """Return the score of x_adv and the gradient (B, ...) of its loss with respect to z alone.

        One forward and one input-only backward pass. Where no gradient reaches z it is zero;
        entries that are not finite are zero too.
        """
        score = self.score(x_adv, at)
        gradient: Tensor | None = None
        if score.loss.requires_grad:
            gradient = self._gradient(score.loss, z)
            score.loss = score.loss.detach()  # the graph has served, and is large
        if gradient is None:
            return score, torch.zeros_like(z)
        return score, gradient.contiguous().nan_to_num_(0.0, 0.0, 0.0)

    def gaps(self, x_adv: Tensor, z: Tensor, at: Rng, top: int) -> tuple[Score, Tensor, Tensor]:
        """Return score, (B, C) how far each boundary is exceeded, and (C, B, ...) their gradients.

        The boundaries are those to the `top` wrong classes of largest logit here, at most K - 1; in
        place of a class that is masked stands the first. Where the goal or the search has a target,
        there is one boundary: the loss. One forward and C input-only backward passes.
        """
        self._allow(Knowledge.GRADIENT, "gradients")
        logits = self._ask(self.search, x_adv)
        loss = self._loss(logits)
        logits = _as_one(logits)
        gaps = loss[:, None]
        if self._steer is None and self.targets is None:
            classes = self.threat.goal.classes(logits, self.y)
            count = min(top, classes.shape[1] - 1)
            rivals = only_others(classes, self.y).topk(count, dim=1).indices
            silent = masked(classes).gather(1, rivals)
            rivals = torch.where(silent, rivals[:, :1], rivals)
            gaps = classes.gather(1, rivals) - classes.gather(1, self.y[:, None])
        grads = []
        for gap in gaps.unbind(1):
            grad: Tensor | None = None
            if gap.requires_grad:
                grad = self._gradient(gap, z, retain_graph=True)
            grad = torch.zeros_like(z) if grad is None else grad
            grads.append(grad.contiguous().nan_to_num(0.0, 0.0, 0.0))
        score = Score(loss.detach(), logits.detach(), self._judged)
        return score, gaps.detach(), torch.stack(grads)

    def _gradient(self, values: Tensor, z: Tensor, *, retain_graph: bool = False) -> Tensor | None:
        """Return the gradient of values (B,) with respect to z; one backward pass."""
        if not self._checkpointed:
            self._checkpointed.append(is_checkpointed(values))
        whole = self._checkpointed[0]
        gradient = input_gradient(values.sum(), z, whole=whole, retain_graph=retain_graph)
        self._count(BACKWARD)
        return gradient

    def labels(self, x_adv: Tensor, at: Rng) -> Tensor:
        """Return (B,): the predicted classes, the one thing granted under *decision*."""
        self._allow(Knowledge.DECISION, "labels")
        with torch.no_grad():
            return _as_one(self._ask(self.judge, x_adv)).argmax(1)

    def decide(self, x_adv: Tensor, at: Rng) -> Score:
        """Return whether x_adv (B, ...) reaches the goal, as a loss of 1 or -1: one query.

        A tie does not. Harm and tie are for who judges the search, not for the search.
        """
        self._allow(Knowledge.DECISION, "labels")
        with torch.no_grad():
            harm, tie = self._verdict(self._ask(self.judge, x_adv))
        return Score.known(either(harm > tie, 1.0, -1.0, harm), harm, tie)

    def verdict(self, x_adv: Tensor) -> Score:
        """Return the judge's score of x_adv: what is reported, with the harm for its loss.

        It is the evaluator's own look: a forward pass, but no query of the attacker's budget.
        """
        with torch.no_grad():
            logits = _as_one(self._forward(self.judge, x_adv))
            harm, tie = self._verdict(logits)
        return Score.known(harm, harm, tie, logits)

    def reference(self) -> Tensor:
        """Return (B, K): the logits of the unchanged inputs; one forward pass the first time."""
        self._allow(Knowledge.SCORE, "scores")
        if not self._reference:
            with torch.no_grad():
                logits = _as_one(self._ask(self.search, self.x))
                self._reference.append(self.threat.goal.classes(logits, self.y))
        return self._reference[0]

    def recall(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """Return what `compute` says about these examples, (B, ...); it is asked once by name.

        For what several searches of one batch need and what depends on nothing else.
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
        """Return a view whose search is steered towards classes (B,); the goal stays what it is."""
        return self._view(_steer=steer)

    def using(self, loss: Loss | None) -> Objective:
        """Return a view that climbs `loss`; None keeps the present one."""
        return self if loss is None else self._view(loss=loss)

    def averaged(self, draws: Draws) -> Objective:
        """Return a view in which every look is the mean of several passes, all of them counted."""
        return self._view(_draws=draws, _reference=[])

    def within(self, queries: int) -> Objective:
        """Return a view that may spend so many more queries, and no more than this one may."""
        limit = self._spent + queries
        return self._view(limit=limit if self.limit is None else min(limit, self.limit))

    def sparing(self, looks: int) -> Objective:
        """Return a view that leaves the queries of so many looks for what comes after it."""
        return self if self.limit is None else self._view(limit=self.limit - self._times * looks)

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
        rows = idx if self._rows is None else take(self._rows, idx)
        return self._view(
            x=take(self.x, idx),
            y=take(self.y, idx),
            targets=take(self.targets, idx),
            _steer=take(self._steer, idx),
            _reference=take(self._reference, idx),
            _known=take(self._known, idx),
            _rows=rows,
        )

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
        """Say whether an attack that needs `needed` may run and can."""
        return self.permits(needed) and self.offers(needed)

    def permits(self, needed: Knowledge) -> bool:
        """Say whether the threat model lets an attack that needs `needed` run.

        Under *transfer* the judge answers nothing. A search model that is not the judge is the
        attacker's own, with scores and gradients; labels are the judge's alone.
        """
        if self._surrogate:
            return needed is not Knowledge.DECISION
        return self.threat.knowledge.grants(needed)

    def offers(self, needed: Knowledge) -> bool:
        """Say whether the model that is asked can answer an attack that needs `needed`."""
        return self._offered.grants(needed)

    def _allow(self, needed: Knowledge, what: str) -> None:
        if not self.permits(needed):
            granted = self.threat.knowledge
            raise Unsupported(
                f"{what} are not granted under {granted!s} knowledge: use an attack that needs "
                f"less, or grant {needed!s} in the threat model"
            )
        if not self.offers(needed):
            raise Unsupported(f"{refusal(self.search)}, no {what}: use an attack that needs less")

    @property
    def _surrogate(self) -> bool:
        return self.threat.knowledge is Knowledge.TRANSFER and self.search is not self.judge

    @property
    def _differentiable(self) -> bool:
        return self.threat.knowledge is Knowledge.GRADIENT or self._surrogate

    def _ask(self, model: nn.Module, x_adv: Tensor) -> Tensor:
        """Return logits for the attacker; those of the judge are queries and have a budget."""
        if model in self._queried:
            limit = self.limit
            if limit is not None and bool((self.cost.queries + self._times > limit).any()):
                raise BudgetSpent
            self._count(QUERIES)
        # A search computes in one type: a network may return float64 for float32, or the reverse.
        kind = torch.float64 if self.x.dtype is torch.float64 else torch.float32
        return self._forward(model, x_adv).to(kind)

    def _forward(self, model: nn.Module, x_adv: Tensor) -> Tensor:
        check_deadline()
        beat()
        draws = self._draws
        logits: Tensor = draws.mean(model, x_adv) if draws else answer(model, x_adv)
        self._count(FORWARD)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _loss(self, logits: Tensor) -> Tensor:
        """Return (B,): the loss, or where several networks answer the mean of their losses."""
        if logits.ndim == 3:
            return torch.stack([self._loss(voice) for voice in logits]).mean(0)
        reference = self.reference() if self.loss.needs_reference else None
        aim = Aim(self.y, self.targets, self._steer, reference)
        return self.threat.goal.loss(self.loss, logits, aim)

    def _verdict(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return harm and tie, (B,) each, of one look."""
        harm, tie = self._judged(_as_one(logits)[None])
        return harm[0], tie[0]

    def _judged(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return harm and tie, (M, B) each, of logits (M, B, K)."""
        return harm_and_tie(self.threat.goal, logits, self.y, self.targets)

    @property
    def _times(self) -> int:
        """Return how many passes a look is."""
        return self._draws.count if self._draws else 1

    def _count(self, kind: int) -> None:
        self._meter.add(kind, self._times, self._rows)

    def _view(self, **changes: object) -> Objective:
        view = copy.copy(self)
        view.__dict__.update(changes)
        return view


def _as_one(logits: Tensor) -> Tensor:
    """Return (B, K): the mean where several networks answer, (M, B, K), as `MeanLosses` does."""
    return logits.mean(0) if logits.ndim == 3 else logits

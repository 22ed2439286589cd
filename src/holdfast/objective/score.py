"""Loss, harm and tie of each example, from one look at changed inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

import torch
from torch import Tensor

from holdfast.logits import logit_range, tolerance, unmasked
from holdfast.threat import Goal

EDGE = 1e-5  # of the largest logit's size

Judge = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Harm and tie, (M, B) each, from the logits (M, B, K) of M passes of one batch."""


@dataclass(eq=False)
class Score:
    """Loss, harm and tie of each example at one point.

    Harm and tie are made of the logits once, and only if somebody asks: a search inside training
    never does.
    """

    loss: Tensor  # (B,) maximized by the attack, differentiable
    logits: Tensor  # (B, K)
    judge: Judge

    @classmethod
    def known(cls, loss: Tensor, harm: Tensor, tie: Tensor, logits: Tensor | None = None) -> Score:
        """Return a score whose harm and tie (B,) are there already; logits: (B, K) behind them."""
        logits = torch.zeros_like(harm)[:, None] if logits is None else logits
        score = cls(loss, logits, lambda _: (harm[None], tie[None]))
        score.__dict__["verdict"] = (harm, tie)
        return score

    @property
    def harm(self) -> Tensor:
        """Return (B,): the harm, detached; NaN where the logits are no numbers."""
        return self.verdict[0]

    @property
    def tie(self) -> Tensor:
        """Return (B,): how large a harm must be to count."""
        return self.verdict[1]

    @cached_property
    def edge(self) -> Tensor:
        """Return (B,): how far beyond the goal a search aims, lest rounding end in front of it.

        A share of the logits' size, but no more than one of their range: a constant adds nothing.
        """
        aim = torch.minimum(
            EDGE * unmasked(self.logits).abs().amax(1), logit_range(self.logits) / 1e4
        )
        return torch.maximum(aim, self.tie)

    @staticmethod
    def verdicts(scores: Sequence[Score]) -> tuple[Tensor, Tensor]:
        """Return harm and tie, (M, B) each, of M looks at one batch, asked together if possible."""
        if len(scores) == 1:
            harm, tie = scores[0].verdict
            return harm[None], tie[None]
        judges, logits = zip(*map(attrgetter("judge", "logits"), scores), strict=True)
        if len({*judges}) == 1 and "verdict" not in set().union(*map(vars, scores)):
            return scores[0].judge(torch.stack(logits))
        harms, ties = zip(*[score.verdict for score in scores], strict=True)
        return torch.stack(harms), torch.stack(ties)

    @cached_property
    def verdict(self) -> tuple[Tensor, Tensor]:
        """Return harm and tie."""
        harm, tie = self.judge(self.logits[None])
        return harm[0], tie[0]


def harm_and_tie(
    goal: Goal, logits: Tensor, y: Tensor, targets: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return harm and tie, (M, B) each, of logits (M, B, K): all rows at once.

    An infinite logit on a wrong class reaches the goal all the same; any other is no number. A
    class at -inf is never predicted: where no rival is left, the goal is as far as can be.
    """
    looks, rows = len(logits), logits.flatten(0, 1)
    if looks > 1:
        y = y.repeat(looks)
        targets = None if targets is None else targets.repeat(looks)
    with torch.no_grad():
        wanted, rival = goal.compared(rows, y, targets)
        harm = (wanted - rival).clamp_min(torch.finfo(rows.dtype).min)
        tie, top = tolerance(wanted, rival), rows.amax(1)
        if not math.isfinite(top.sum()):
            harm = torch.where(top.isfinite() | (harm == torch.inf), harm, torch.nan)
    return harm.unflatten(0, (looks, -1)), tie.unflatten(0, (looks, -1))

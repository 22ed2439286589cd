"""Losses per example, which an attack always raises.

Every loss has two forms. `away` raises the evidence against the label; `towards` raises the
evidence for a target over a rival: the label when a target only steers an untargeted search, the
strongest other class when the target itself is the goal. logits: (B, K); y, rival, target: (B,)
int64; reference: (B, K) logits of the unchanged inputs for losses that compare, else None. All
return (B,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from holdfast.arguments import foreign
from holdfast.components import register
from holdfast.logits import (
    MASKED,
    best_other,
    logit_range,
    magnitude,
    masked,
    of_class,
    only_others,
)

_TORCH = {
    "crossentropyloss": "CrossEntropy()",
    "cross_entropy": "CrossEntropy()",
    "nllloss": "CrossEntropy()",
    "nll_loss": "CrossEntropy()",
    "kldivloss": "KL()",
    "kl_div": "KL()",
    "multimarginloss": "Margin()",
    "multi_margin_loss": "Margin()",
}  # PyTorch's losses and ours
_TINY = 1e-12  # keeps a ratio of logit gaps finite when the gaps vanish (AutoAttack's constant)


class Loss:
    """The interface of every loss; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "loss"
    needs_reference: ClassVar[bool] = False

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for a loss of PyTorch's, or for a function."""
        return foreign(value, _TORCH)

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        """Return (B,): larger is further from the label `y`."""
        raise NotImplementedError

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        """Return (B,): larger is nearer to `target`, away from `rival`."""
        raise NotImplementedError

    def merge(self, label: Tensor, reject: Tensor, classes: Tensor) -> Tensor:
        """Return (B,): the larger of label and rejection, for models that may reject.

        label, reject: (B,) logits. classes: (B, K) those of all classes.
        """
        return torch.maximum(label, reject)


@register("loss")
@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss):
    """Cross-entropy (Madry et al., 2018, arXiv:1706.06083, sec. 2.1); fades for confident nets."""

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        return F.cross_entropy(logits, y, reduction="none")

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        return -F.cross_entropy(logits, target, reduction="none")


@register("loss")
@dataclass(frozen=True, kw_only=True)
class ScaledCrossEntropy(Loss):
    """Cross-entropy of logits divided by their top gap (MIFPE; Yu and Xu, 2023, sec. 4).

    The gap is a constant to the gradient, so confident networks do not round it to zero. Its value
    at different steps would not compare, hence the value reported is the margin; only the direction
    is that of the scaled cross-entropy.
    """

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        scaled = F.cross_entropy(_unit_gap(logits), y, reduction="none")
        return _with_value(scaled, best_other(logits, y) - of_class(logits, y))

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        scaled = -F.cross_entropy(_unit_gap(logits), target, reduction="none")
        return _with_value(scaled, of_class(logits, target) - of_class(logits, rival))


@register("loss")
@dataclass(frozen=True, kw_only=True)
class Margin(Loss):
    """Largest other logit minus the label's (Carlini and Wagner, 2017, sec. V-A, f6, no kappa)."""

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        return best_other(logits, y) - of_class(logits, y)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        return of_class(logits, target) - of_class(logits, rival)


@register("loss")
@dataclass(frozen=True, kw_only=True)
class JointMargin(Loss):
    """The margin over label and rejection at once, for models that may reject.

    The larger of the two (Carlini and Wagner, 2017, arXiv:1705.07263, sec. 3) has the gradient of
    one of them; a soft maximum that of both, so that a search does not go back and forth between
    classifier and detector. Where nothing can be rejected it is the margin.
    """

    softness: float = 0.1  # of the maximum, as a share of the spread of the classes' logits

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        return Margin().away(logits, y, reference)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        return Margin().towards(logits, rival, target, reference)

    def merge(self, label: Tensor, reject: Tensor, classes: Tensor) -> Tensor:
        largest = torch.maximum(magnitude(label), magnitude(reject))
        scale = torch.maximum(self.softness * logit_range(classes), 1e-6 * largest).clamp_min(1e-30)
        return scale * torch.logaddexp(label / scale, reject / scale)


@register("loss")
@dataclass(frozen=True, kw_only=True)
class LogitMatch(Loss):
    """Imitate the logits that another class would have (Tramer et al., 2020, arXiv:2002.08347).

    The guide is the unchanged input's own logits with label and target, or best other class,
    exchanged: a detector that looks at logits sees an ordinary input of that class. The loss is
    minus the mean squared distance to it.
    """

    needs_reference: ClassVar[bool] = True

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        assert reference is not None, "the objective supplies the reference"
        other = only_others(reference, y).argmax(1)
        return self.towards(logits, y, other, reference)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        assert reference is not None, "the objective supplies the reference"
        pair, turned = (torch.stack(two, 1) for two in ((rival, target), (target, rival)))
        guide = reference.scatter(1, pair, reference.gather(1, turned))
        silent = masked(logits) | masked(guide)
        return -torch.where(silent, 0.0, logits - guide).square().mean(1)


@register("loss")
@dataclass(frozen=True, kw_only=True)
class ProbabilityMargin(Loss):
    """The margin of the probabilities (PM; Sriramanan et al., 2020, arXiv:2011.14969, eq. 1).

    The same order of points as the margin's among two classes, but flat where a network is certain.
    """

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        p = logits.softmax(1)
        return best_other(p, y) - of_class(p, y)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        p = logits.softmax(1)
        return of_class(p, target) - of_class(p, rival)


@register("loss", name="dlr")
@dataclass(frozen=True, kw_only=True)
class DLR(Loss):
    """Difference-of-logits ratio (Croce and Hein, 2020, arXiv:2003.01690, eqs. 6 and 7).

    The ratio needs a third and a fourth class; below four classes, not counting those that are
    masked, this is the margin.
    """

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        margin = best_other(logits, y) - of_class(logits, y)
        if logits.shape[1] < 4:
            return margin
        top = logits.topk(4, dim=1).values
        return _ratio(margin, top[:, 0] - top[:, 2], top)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        margin = of_class(logits, target) - of_class(logits, rival)
        if logits.shape[1] < 4:
            return margin
        top = logits.topk(4, dim=1).values
        return _ratio(margin, top[:, 0] - 0.5 * (top[:, 2] + top[:, 3]), top)


@register("loss", name="kl")
@dataclass(frozen=True, kw_only=True)
class KL(Loss):
    """Divergence from the prediction on the unchanged input (TRADES; Zhang et al., 2019, eq. 5)."""

    needs_reference: ClassVar[bool] = True

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        assert reference is not None, "the objective supplies the reference"
        log_p = F.log_softmax(reference, dim=1)
        p, excess = log_p.exp(), log_p - F.log_softmax(logits, dim=1)
        return (p * torch.where(masked(reference), 0.0, excess)).sum(1)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        return -F.cross_entropy(logits, target, reduction="none")


def _ratio(margin: Tensor, gap: Tensor, top: Tensor) -> Tensor:
    """Return margin / gap, or the margin where there is no fourth class; top: (B, 4) logits.

    The floor of a gap has the scale of the logits.
    """
    few = (top[:, 0] - top[:, 3]).detach() > MASKED
    least = (_TINY * magnitude(top[:, 0])).clamp_min(torch.finfo(top.dtype).tiny)
    return torch.where(few, margin, margin / (torch.where(few, 1.0, gap) + least))


def _unit_gap(logits: Tensor) -> Tensor:
    top = logits.detach().topk(2, dim=1).values
    least = 1e-6 * magnitude(top).amax(1)  # a smaller gap is rounding
    gap = torch.maximum(top[:, 0] - top[:, 1], least).clamp_min(1e-30)
    return logits / torch.where(gap == torch.inf, 1.0, gap)[:, None]


def _with_value(direction: Tensor, value: Tensor) -> Tensor:
    """Return a tensor with the gradient of `direction` and exactly the value of `value`."""
    return value.detach() + (direction - direction.detach())

"""Detection of the failures of adversarial training, at the end of each epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import torch
from torch import Tensor

from holdfast.training.state import Record
from holdfast.training.step import LATE_LOSS, LATE_SEEN, PREDICTED

DROP = 0.20  # Wong et al., 2020, sec. 5.1: a fall of robust accuracy that is no fluctuation
HALF_DROP = 0.10  # below half of the best counts too, unless the fall is smaller than this
SETTLED = 500  # steps before which one class for everything may be nothing but a slow start


class Event(StrEnum):
    """The values of `event` in metrics.jsonl."""

    OVERFITTING = "catastrophic-overfitting"
    CONSTANT = "constant-predictor"
    DIVERGED = "diverged"
    PATIENCE = "early-stop"


PERSIST = {Event.CONSTANT: 2, Event.OVERFITTING: 3}
"""Epochs in a row before training stops: single-step training may recover from a fall, and one
constant epoch may be a slow start."""


def collapsed(robust: float, best: float | None, n: int) -> bool:
    """Return True if robust validation accuracy fell off from the best so far (fractions of 1).

    n: validation examples. A fall within three standard errors of two such accuracies is chance.
    """
    if best is None:
        return False
    drop = best - robust
    chance = 3 * math.sqrt((best * (1 - best) + robust * (1 - robust)) / n)
    return drop > chance and (drop > DROP or (robust < best / 2 and drop > HALF_DROP))


def constant(totals: Tensor, label_entropy: float) -> bool:
    """Return True if the network predicted one class alone and learned nothing.

    One class alone may be a phase, so the loss must be that of guessing, too.

    totals: the epoch's sums; its second half counts, in which the start is over. label_entropy: the
    loss, in nats, of the best constant prediction: ln K for balanced classes.
    """
    seen = float(totals[LATE_SEEN])
    if seen == 0 or label_entropy == 0:
        return False
    one_class = int((totals[PREDICTED:] > 0).sum()) == 1
    return one_class and float(totals[LATE_LOSS]) / seen >= 0.99 * label_entropy


def label_entropy(counts: Tensor, smoothing: float) -> float:
    """Return the entropy in nats of the smoothed label distribution, from counts (K,) per class."""
    share = counts.double() / counts.sum()
    share = share * (1 - smoothing) + smoothing / len(counts)
    return float(torch.special.entr(share).sum())


def stops(history: Sequence[Record], epochs: int) -> bool:
    """Return True if the last record's event ends a run of `epochs`; some events may pass."""
    event = history[-1]["event"]
    if event is None or len(history) >= epochs:
        return event is not None
    needed = PERSIST.get(event, 1)
    return [record["event"] for record in history[-needed:]] == [event] * needed


def explain(event: str, record: Record, best: Record | None) -> str:
    """Return the event in words, with its consequence and the fix."""
    epoch = record["epoch"]
    good = best is not None and best["event"] != Event.CONSTANT
    kept = f"; the weights of epoch {best['epoch']} are the model" if best and good else ""
    if event == Event.OVERFITTING:
        assert best is not None, "a fall needs something to fall from"
        if record["clean"] < best["clean"] / 2:  # overfitting to the attack leaves it high
            return (
                f"collapse in epoch {epoch}: clean validation accuracy fell from "
                f"{best['clean']:.1%} to {record['clean']:.1%} and robust from "
                f"{best['robust']:.1%} to {record['robust']:.1%}{kept}, unless a later one is "
                "better; the network itself stopped learning: a smaller eps to begin with or "
                "clip=1.0 in the plan may help"
            )
        return (
            f"catastrophic overfitting in epoch {epoch}: robust validation accuracy fell from "
            f"{best['robust']:.1%} to {record['robust']:.1%}{kept}, unless a later one is better; "
            "fewer epochs, N-FGSM or PGD help"
        )
    if event == Event.CONSTANT:
        return (
            f"constant predictor in epoch {epoch}: one class for everything, the loss of guessing"
            f"{kept}; R+FGSM instead of PGD or a smaller eps to begin with helps, a lower "
            "learning rate of SGD alone does not; a transformer wants AdamW(lr=0.001) in the plan"
        )
    if event == Event.DIVERGED:
        return f"the loss is not finite in epoch {epoch}{kept}; try a lower lr or clip=1.0"
    return f"no better epoch for the patience given, at epoch {epoch}{kept}"


def finite(value: float) -> float | None:
    """Return the value, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None

"""Outputs that are probabilities where logits are wanted: after a softmax, or a sigmoid a class.

Where such a last step saturates its gradient vanishes, and attacks find less than there is. A
softmax shows in the rows' sums. A sigmoid a class has no such mark, and honest logits may lie in
0..1 by chance; so outputs that do are looked at more closely: at the last operation that made them,
and at where they go when the inputs are far from the data.
"""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.logits import MASKED
from holdfast.models.adapter import Model
from holdfast.models.diagnostics.finding import Finding, failed, passed, warned
from holdfast.models.targets.outputs import Logarithm
from holdfast.rng import restored_states

NAME = "logits"  # of the finding
_SUM_SLACK = 1e-5  # how far a row of probabilities may be from 1
_HALF = 1e-3  # the same in half precision
_FULL = 1 - 1e-6  # a probability that has no room left
_PROBES = 16  # inputs, at most, on which outputs in 0..1 are looked at
_FAR = 1e3  # widths of the range: how far from the data some of them lie
_SQUASHING = ("Sigmoid", "Softmax", "Hardsigmoid")
_HANDING_ON = (  # operations that pass values on, as PyTorch calls them in a graph
    "Alias", "Cat", "Clone", "Copy", "Expand", "Index", "MaskedFill", "Permute", "Reshape",
    "Select", "Slice", "Squeeze", "Stack", "T", "ToCopy", "Transpose", "Unsqueeze", "View", "Where",
)  # fmt: skip


def judge_outputs(model: Model, x: Tensor, logits: Tensor, y: Tensor) -> Finding:
    """Return the finding on a model's outputs for x; for a target, on its stated kind of outputs.

    Holds no state of the model: the caller freezes it.
    """
    said = "probabilities" if isinstance(model.module, Logarithm) else "logits"
    said = said if model.box is None else model.box.target.outputs
    if said != "logits":
        return passed(NAME, f"the outputs are {said}, as was said")
    return _judged(model, x, logits[:, :-1] if model.rejects else logits, y)


def are_probabilities(rows: Tensor) -> bool:
    """Return True if every row (N, K) is a distribution, or is one times a common factor."""
    return _whole(rows) is not None


def _whole(rows: Tensor, slack: float = _SUM_SLACK) -> float | None:
    """Return the sum of each row (N, K) if it is a distribution, or one times a factor."""
    if not ((rows >= 0) & rows.isfinite()).all():
        return None
    sums = rows.sum(1)
    if ((sums - 1).abs() <= slack).all():
        return 1.0
    factor = float(sums.mean())  # 100 where they are per cent
    moves = float((rows.amax(0) - rows.amin(0)).max()) > 1e-3 * factor
    same = bool(((sums - factor).abs() <= slack * factor).all())
    return factor if moves and same else None


def _judged(model: Model, x: Tensor, logits: Tensor, y: Tensor) -> Finding:
    rows = _shown(logits)
    if are_probabilities(rows) or _is_sigmoid(rows, y):
        return _refused(model, logits)
    # Log-probabilities are logits that differ from others by a shift: margins are the same.
    if (rows <= 0).all() and are_probabilities(rows.exp()):
        return warned(
            NAME,
            "the model returns log-probabilities; only differences count, so figures are sound",
            "return the input of log_softmax and spare its cost",
        )
    if _are_inside(rows):
        return _bounded(model, x, logits)
    return passed(NAME, "the outputs are logits")


def _shown(logits: Tensor) -> Tensor:
    """Return the columns of the classes that can be predicted."""
    return logits[:, (logits > -MASKED).any(0)]


def _bounded(model: Model, x: Tensor, logits: Tensor) -> Finding:
    """Judge outputs that all lie in 0..1: those of a sigmoid a class, or logits by chance.

    Asking again leaves the global random states as they were.
    """
    with restored_states(x.device):
        return _asked_again(model, x[:_PROBES], logits)


def _asked_again(model: Model, few: Tensor, logits: Tensor) -> Finding:
    if model.box is None and _ends_in_squashing(model, few):
        return _refused(model, logits)
    seen = _shown(torch.cat([logits, *_elsewhere(model, few)]))
    moves = bool((seen.amax(0) > seen.amin(0)).any())
    if not (moves and _are_inside(seen)):
        return passed(NAME, "the outputs are logits")
    if bool((seen >= _FULL).any()):
        return _refused(model, logits)
    return warned(
        NAME,
        "the outputs stay in 0..1 wherever they were looked at, as those of a sigmoid do, whose "
        "gradients may vanish",
        "if there is one, return its input; if these are logits, nothing is wrong",
    )


def _refused(model: Model, logits: Tensor) -> Finding:
    """Return the refusal of probabilities (N, K), with a fix that works for their sum."""
    message, told = "the model returns probabilities", "outputs='probabilities'"
    if model.box is None:
        message += ", whose gradients vanish where a softmax or sigmoid saturates"
    rows, last = _shown(logits), "sigmoid" if _is_pair(logits) else "softmax"
    whole = 1.0 if last == "sigmoid" else _whole(rows, _HALF)
    if whole is None or rows.shape != logits.shape:  # masked columns are no probabilities
        return failed(NAME, message, "return the input of the last softmax or sigmoid: logits")
    if abs(whole - 1) > _HALF:
        return failed(
            NAME,
            message,
            f"return the input of the last {last}, or divide by {whole:g} and pass "
            f"hf.wrap(model, {told})",
        )
    if model.box is not None:
        return failed(NAME, message, f"pass hf.wrap(model, {told})", "add --outputs probabilities")
    return failed(
        NAME,
        message,
        f"pass hf.wrap(network, {told}), or, better, return the input of the last {last}",
        f"return hf.wrap(network, {told}) from the function of --model, or, better, the input of "
        f"the last {last}",
    )


def _is_sigmoid(logits: Tensor, y: Tensor) -> bool:
    """Return True if one output, read as (0, z), stays in 0..1 though both labels occur."""
    return _is_pair(logits) and _are_inside(logits) and bool(y.min() != y.max())


def _is_pair(logits: Tensor) -> bool:
    """Return True if one output became the pair (0, z)."""
    return logits.shape[1] == 2 and not bool(logits[:, 0].any())


def _are_inside(rows: Tensor) -> bool:
    return bool(((rows >= 0) & (rows <= 1)).all())


def _ends_in_squashing(model: Model, x: Tensor) -> bool:
    """Return True if all outputs come from a sigmoid or softmax, and nothing else comes after."""
    inner = model.module if model.rejects else model
    with torch.enable_grad():
        logits: Tensor = inner(x.detach().clone().requires_grad_(True))
    found, seen, waiting = False, set(), [logits.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:  # None: a constant, as the 0 beside a single logit
            continue
        seen.add(node)
        kind = type(node).__name__
        if kind.startswith(_SQUASHING):
            found = True
        elif kind.startswith(tuple(f"{name}Backward" for name in _HANDING_ON)):
            waiting.extend(following for following, _ in node.next_functions)
        else:
            return False
    return found


def _elsewhere(model: Model, x: Tensor) -> list[Tensor]:
    """Return a model's outputs for noise, and for inputs far away: logits grow, probabilities stay.

    A target outside of PyTorch is asked about the range alone, in which it promised to answer.
    """
    (low, high), draw = model.range, torch.Generator().manual_seed(0)
    noise = torch.rand(x.shape, generator=draw, dtype=torch.float32).to(x)
    inputs = [low + (high - low) * noise]
    if model.box is None:
        inputs.append(low + (high - low) * _FAR * (2 * noise - 1))
    found = []
    for given in inputs:
        try:
            with torch.no_grad():
                rows: Tensor = model(given)
        except (RuntimeError, ValueError, IndexError):  # it takes no such inputs
            continue
        rows = rows[:, :-1] if model.rejects else rows
        found.append(rows[~rows.isnan().any(1)])
    return found

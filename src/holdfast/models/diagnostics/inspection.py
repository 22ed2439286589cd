"""Look at a model's habits before trusting an attack on it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from holdfast.arguments import checked
from holdfast.errors import HoldfastError, InputError, in_one_line
from holdfast.inputs import check_input, check_labels
from holdfast.logits import disagreement
from holdfast.losses import CrossEntropy, Loss, Margin
from holdfast.models.adapter import Model, frozen
from holdfast.models.buffers import kept_buffers
from holdfast.models.diagnostics.finding import Finding, Verdict, failed, passed, warned
from holdfast.models.diagnostics.probabilities import are_probabilities, judge_outputs
from holdfast.models.gradients import InputGradient
from holdfast.models.targets.base import BlackBox
from holdfast.models.wrappers.detector import Rejecting, suspicion
from holdfast.rng import restored_states

_SAME = 1e-5  # of the range of the logits: two runs on the same batch
_SAME_ALONE = 1e-4  # of their range: another batch shape may round differently
_FEW = 0.01  # fraction of examples without a gradient that is let pass
_ALONE = 8  # examples that are also run alone


@checked
def inspect(
    model: Model, x: Tensor, y: Tensor, searched: Sequence[Model] | None = None
) -> list[Finding]:
    """Return one finding per check of the model on examples x (N, ...) with labels y (N,).

    The checks: finite outputs, logits rather than probabilities, repeatability, NaN and zero
    gradients, independence of batch mates, eval mode; of a black box its answers, in place of
    gradients and modes. Modes, buffers, gradients and random states are left as they were found.
    Where a check would be meaningless after another one failed, it is left out. searched: whose
    gradients are looked at, by default the model's own. Raises InputError for examples that cannot
    be classified.
    """
    check_input(x, y, model.range)
    with restored_states(x.device):
        with frozen(model):
            logits = _logits(model, x)
            if bool((lost := _no_numbers(logits)).any()):
                return [_not_finite(_fraction(lost))]
            check_labels(y, logits.shape[1] - model.rejects)
            findings = [passed("finite-outputs", "every logit is a number, or masked at -inf")]
            findings.append(judge_outputs(model, x, logits, y))
            findings.append(_repeatable(model, x))
            box = model.box
            findings += [] if box is None else [_black_box(box)]
            for network in (model,) if searched is None else searched:
                findings += _gradients(network, x, y) if network.box is None else []
                findings += [_detector(network, x)] if isinstance(network, Rejecting) else []
        if findings[2].status is Verdict.PASS:  # a random model differs from itself, always
            findings.append(_batch_independent(model, x, logits))
            if box is None:  # a target outside of PyTorch has no modes
                findings.append(_eval_mode(model, x, logits))
    return findings


@checked
def check_logits(model: Model, x: Tensor, y: Tensor) -> int:
    """Return K after one forward pass of examples x (N, ...) with labels y (N,).

    Cheap enough for every attack. Raises InputError for a model that cannot take x or that returns
    probabilities.
    """
    with restored_states(x.device), frozen(model):
        return count_checked(model, x, _first_logits(model, x), y)


def count_checked(model: Model, x: Tensor, logits: Tensor, y: Tensor) -> int:
    """Return K of logits (N, K) that a model returned; InputError for probabilities.

    Holds no state of the model, as `judge_outputs`.
    """
    finding = judge_outputs(model, x, logits, y)
    if finding.status is Verdict.FAIL:
        raise finding.refusal()
    return logits.shape[1] - model.rejects


@checked
def count_classes(model: Model, x: Tensor) -> int:
    """Return K after one forward pass of x (N, ...); InputError for a model that cannot take x."""
    with restored_states(x.device), frozen(model):
        return _first_logits(model, x).shape[1] - model.rejects


def _first_logits(model: Model, x: Tensor) -> Tensor:
    try:
        return _logits(model, x)
    except HoldfastError:
        raise
    except Exception as error:  # a user's network may raise anything
        raise cannot_take(x, error) from error


def cannot_take(x: Tensor, error: Exception) -> InputError:
    """Return the error for a model that raised one when it was asked about x (N, ...)."""
    shape = f"(N, {', '.join(map(str, x.shape[1:]))})"
    last = x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] > 4  # images (N, H, W, C)
    fix = "; if it wants channels first, pass x.permute(0, 3, 1, 2)" if last else ""
    return InputError(f"the model cannot take {x.dtype} inputs {shape}: {in_one_line(error)}{fix}")


def _no_numbers(logits: Tensor) -> Tensor:
    """Return (N,) bool: a logit is NaN or overflows; one at -inf is a class never predicted."""
    return ~logits.amax(1).isfinite()


def _not_finite(bad: float) -> Finding:
    return failed(
        "finite-outputs",
        f"the model returns NaN or infinite logits for {bad:.1%} of the examples",
        "find the layer that overflows; check the weights and the normalization",
    )


def _black_box(box: BlackBox) -> Finding:
    labels = box.target.outputs == "labels"
    digest = "" if box.target.sealed else "; its digest covers its settings, not its function"
    return warned(
        "black-box",
        f"{box.target.name} gives {'labels alone' if labels else 'scores and no gradient'}{digest}",
        "these points stand against attackers who see no more",
    )


def _repeatable(model: Model, x: Tensor) -> Finding:
    gap = disagreement(_logits(model, x), _logits(model, x))
    if gap <= _SAME:
        return passed("repeatable", "two runs on the same inputs agree")
    return failed(
        "repeatable",
        f"two runs on the same inputs differ by {gap:.1g} of the logits' range",
        "attack the expectation over the randomness: a single run overstates robustness",
    )


def _gradients(model: Model, x: Tensor, y: Tensor) -> list[Finding]:
    margin, entropy = (_input_gradient(model, x, y, loss) for loss in (Margin(), CrossEntropy()))
    broken = _fraction(~(margin.isfinite() & entropy.isfinite()).all(1))
    zero = _zero_gradient(_zero_rows(margin), _zero_rows(entropy))
    if zero.status is Verdict.PASS and (still := _saturated(model, x, y)) > _FEW:
        zero = failed(
            zero.id,
            f"the input gradient of the label's logit is exactly zero for {still:.1%} of the "
            "examples, all of them right: a last sigmoid, tanh or clamp is saturated there, and "
            "gradient attacks see the other classes alone",
            "return the input of the step that bounds the logits",
        )
    return [_nan_gradient(broken), zero]


def _saturated(model: Model, x: Tensor, y: Tensor) -> float:
    """Return the fraction of examples that are right by a logit that nothing nearby changes.

    A logit that is constant (the 0 beside a single one) and log-probabilities, which saturate and
    whose differences do not, are no such case.
    """
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_(True)
        logits = model(leaf)
        logits = logits[:, :-1] if model.rejects else logits
        own = logits.gather(1, y[:, None].long())[:, 0]
        grad, logits = _leaf_gradient(own.sum(), leaf), logits.detach()
    if (logits <= 0).all() and are_probabilities(logits.exp()):
        return 0.0
    moving = (logits != logits[:1]).any(0)
    return _fraction((grad == 0).all(1) & moving[y.long()] & (logits.argmax(1) == y))


def _nan_gradient(broken: float) -> Finding:
    if broken == 0:
        return passed("nan-gradient", "every input gradient is finite")
    return failed(
        "nan-gradient",
        f"the input gradient is NaN or infinite for {broken:.1%} of the examples",
        "look for a root, norm, logarithm or division at zero in the model",
    )


def _zero_gradient(margin: float, entropy: float) -> Finding:
    """Judge the fractions of examples whose gradient of either loss is exactly zero."""
    name = "zero-gradient"
    if margin > _FEW:
        return failed(
            name,
            f"the margin's input gradient is exactly zero for {margin:.1%} of the examples: "
            "gradient attacks are blind here",
            "attack a differentiable twin of the step that blocks gradients; until then only "
            "score-based attacks count",
        )
    if entropy > _FEW:
        return warned(
            name,
            f"cross-entropy's input gradient is exactly zero for {entropy:.1%} of the examples: "
            "the softmax is saturated",
            "attack the margin or DLR, as suite 'standard' does; cross-entropy alone misleads",
        )
    return passed(name, "the examples have input gradients")


def _detector(model: Rejecting, x: Tensor) -> Finding:
    """Judge the gradient of the detector alone, which the classifier's would hide."""
    name = "detector-gradient"
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_(True)
        scores = suspicion(model.detector, leaf).sum()
        grad = _leaf_gradient(scores, leaf)
    still = _zero_rows(grad)
    if still <= _FEW:
        return passed(name, "the detector has input gradients")
    return failed(
        name,
        f"the detector's input gradient is exactly zero for {still:.1%} of the examples: gradient "
        "attacks cannot see how to evade it",
        "search with a twin whose detector can be differentiated (surrogate=)",
    )


def _input_gradient(model: Model, x: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """Return (N, D): each example's gradient; zero where nothing connects it to the loss."""
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_(True)
        logits = model(leaf)
        value = loss.away(logits[:, :-1] if model.rejects else logits, y).sum()
        return _leaf_gradient(value, leaf)


def _leaf_gradient(value: Tensor, leaf: Tensor) -> Tensor:
    """Return (N, D): the gradient with respect to a leaf; zero where nothing connects them."""
    grad = InputGradient()(value, leaf) if value.requires_grad else torch.zeros_like(leaf)
    return grad.detach().flatten(1)


def _zero_rows(grad: Tensor) -> float:
    return _fraction((grad == 0).all(1))


def _batch_independent(model: Model, x: Tensor, logits: Tensor) -> Finding:
    name = "batch-independent"
    remedy = "give normalization layers running statistics; keep every layer per example"
    try:
        with frozen(model):
            alone = torch.cat([_logits(model, x[i : i + 1]) for i in range(min(len(x), _ALONE))])
    except (RuntimeError, ValueError) as error:
        return failed(name, f"the model cannot run one example alone: {error}", remedy)
    gap = disagreement(alone, logits[: len(alone)])
    if gap <= _SAME_ALONE:
        return passed(name, "an example's logits do not depend on its batch mates")
    return failed(
        name, f"an example's logits change by {gap:.1g} of their range with its batch mates", remedy
    )


def _eval_mode(model: Model, x: Tensor, logits: Tensor) -> Finding:
    """Compare the mode in which the model came with eval mode, in which it is judged."""
    if not any(module.training for module in model.modules()) or _same_as_it_came(model, x, logits):
        return passed("eval-mode", "the model computes the same as in eval mode")
    return warned(
        "eval-mode",
        "the model came in train mode, in which it computes something else; eval mode is judged",
        "call model.eval(), so that your own measurements agree",
    )


def _same_as_it_came(model: Model, x: Tensor, logits: Tensor) -> bool:
    try:
        with kept_buffers(model):
            return disagreement(_logits(model, x), logits) <= _SAME
    except Exception:  # noqa: BLE001  batch norm refuses a single example, say
        return False


def _logits(model: Model, x: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(x)
    return logits


def _fraction(mask: Tensor) -> float:
    return float(mask.double().mean())

"""Checks of the arguments of components and public functions, read from their annotations.

Whoever registers a component or marks a function `@checked` gets them without code of its own: a
value that the annotation does not allow, an unknown name and a missing one are each one line that
names the fix. Conditions beyond the type (two fields that go together) stay
with its owner.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any, TypeVar

from holdfast.errors import ConfigError, InputError, did_you_mean
from holdfast.fitting import fit, is_component, options_of, shown

F = TypeVar("F", bound=Callable[..., Any])

# Names in other libraries, and ours.
_OURS: dict[str, tuple[str, ...]] = {
    "step_size": (
        "alpha", "eps_iter", "eps_step", "stepsize", "rel_stepsize", "abs_stepsize", "lr",
    ),
    "steps": (
        "n_iter", "niter", "num_iter", "nb_iter", "max_iter", "iters", "iterations", "n_steps",
        "num_steps", "num_iterations", "max_iterations", "maxiter",
    ),
    "restarts": ("n_restarts", "num_restarts", "nb_restarts", "num_random_init"),
    "queries": ("n_queries", "max_queries", "query_limit", "query_budget", "num_queries"),
    "samples": ("n_samples", "num_samples", "nb_samples"),
    "start": ("random_start", "rand_init", "random_init", "init"),
    "loss": ("loss_fn", "loss_type", "loss_function", "criterion"),
    "decay": ("mu", "decay_factor"),
    "momentum": ("mu", "beta"),
    "lr": ("learning_rate", "alpha"),
    "eps": ("epsilon", "epsilons", "radius", "radii", "curve"),
    "weight_decay": ("wd",),
    "batch_size": ("bs", "batch"),
    "epochs": ("n_epochs", "num_epochs", "nb_epochs"),
    "seed": ("random_state", "random_seed"),
    "out": ("path", "output", "output_dir", "out_dir", "save_dir"),
    "x": ("images", "inputs"),
    "y": ("labels",),
    "test_data": ("data", "dataset"),
    "train_data": ("data", "dataset"),
    "targets": ("target", "target_labels"),
    "threat": ("threat_model",),
}  # fmt: skip
# Names that belong elsewhere.
_THREAT = "it belongs to the threat model: threat=ThreatModel(Linf(eps='8/255'))"
_ELSEWHERE = {
    **dict.fromkeys(("eps", "epsilon", "epsilons", "eps_max", "norm", "p", "ord"), _THREAT),
    **dict.fromkeys(
        ("clip_min", "clip_max", "bounds", "clip_values"),
        "it belongs to the set: Linf(eps='8/255', range=(0.0, 1.0))",
    ),
    **dict.fromkeys(
        ("restarts", "n_restarts", "num_restarts", "nb_restarts", "num_random_init"),
        "it wraps an attack: Restarts(attack=PGD(), restarts=5)",
    ),
    "targeted": "it is a goal: ThreatModel(Linf(eps='8/255'), goal=Targeted(to=3))",
    **dict.fromkeys(
        ("model", "estimator", "classifier", "predict"),
        "a component holds no model: pass it to the call, as in attack(model, x, y, threat=threat)",
    ),
}


class _Form:
    """The fields of one class of components, read from its annotations when it is first made."""

    def __init__(self, cls: type[Any]) -> None:
        fields = [field for field in dataclasses.fields(cls) if field.init]
        hints = typing.get_type_hints(cls, include_extras=True)
        self.cls = cls
        self.hints = {field.name: hints[field.name] for field in fields}
        self.placed = [field.name for field in fields if not field.kw_only]
        self.needed = [
            field.name
            for field in fields
            if field.default is field.default_factory is dataclasses.MISSING
        ]
        # Most values are of the right class already: these are let through without another look.
        self.known: dict[str, set[type]] = {name: set() for name in self.hints}
        self.plain = {
            name: options[0]
            for name, options in ((name, options_of(hint)) for name, hint in self.hints.items())
            if len(options) == 1 and options[0].type in (float, int)
        }

    def values(self, args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
        """Return the fields as their annotations want them, or raise ConfigError."""
        if args:
            given = self._by_name(args, given)
        for name, value in given.items():
            kind = type(value)
            if name not in self.known:
                raise ConfigError(
                    f"unknown key {name!r} in {self.label}{instead(name, self.hints)}"
                )
            if kind in self.known[name]:
                continue
            if (plain := self.plain.get(name)) is not None and plain.allows(value):
                continue
            given[name] = fit(value, self.hints[name], f"{self.label}.{name}")
            if given[name] is value and _is_settled(kind):
                self.known[name].add(kind)
        for name in self.needed:
            if name not in given:
                raise ConfigError(
                    f"{self.label}: missing field {name!r}: write {self.cls.__name__}({name}=...)"
                )
        return given

    @property
    def label(self) -> str:
        """Return the name under which the component is registered."""
        from holdfast.components import name_of  # which guards what it registers

        return name_of(self.cls)

    def _by_name(self, args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
        """Give positional values their names; most components take none."""
        name = self.cls.__name__
        if len(args) > len(self.placed):
            first = next(iter((*self.needed, *self.hints)), None)
            shape = f"{name}({first}={shown(args[0])})" if first else f"{name}()"
            tip = _misplaced(args[len(self.placed)]) or f"write {shape}"
            raise ConfigError(f"{name} takes its fields by name, got {shown(args[0])}: {tip}")
        placed = dict(zip(self.placed, args, strict=False))
        if twice := sorted(placed.keys() & given.keys()):
            raise ConfigError(f"{name}: {twice[0]} is given twice")
        return {**placed, **given}


def _is_settled(kind: type, hint: Any = None) -> bool:
    """Return True if every value of a class fits where one of them did.

    hint: the annotation, which may name the class itself; numbers and texts are looked into.
    """
    if kind not in (int, float, str, list, tuple, dict) and kind in {
        option.type for option in options_of(hint) if option.within is None
    }:
        return True
    return kind in (bool, type(None)) or issubclass(kind, Enum) or is_component(kind)


def _misplaced(value: Any) -> str:
    """Return the fix for a network where an attack of another library takes one."""
    return _ELSEWHERE["model"] if callable(getattr(value, "forward", None)) else ""


def guard(cls: type[Any]) -> None:
    """Check, from now on, the fields of every instance of a dataclass.

    `dataclasses.replace` makes instances too, so an altered copy is checked like the first one.
    """
    make: Callable[..., None] = cls.__init__
    form: list[_Form] = []

    @functools.wraps(make)
    def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807
        if not form:
            form.append(_Form(cls))
        make(self, **form[0].values(args, given))

    cls.__init__ = __init__


def checked(function: F) -> F:
    """Check the arguments of a public function against its annotations before it runs.

    It runs in a context of its own: no setting of the caller changes a result.
    Raises InputError for a value that fits no annotation, for an unknown name and a missing one.
    """
    signature = inspect.signature(function)
    names = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    label = function.__qualname__.removesuffix(".__init__")
    hints: dict[str, Any] = {}
    known: dict[str, set[type]] = {}  # classes whose values are let through without another look

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        if not hints:
            hints.update(typing.get_type_hints(function, include_extras=True))
            known.update((name, set()) for name in names if hints.get(name, Any) is not Any)
        try:
            bound = signature.bind(*args, **given)
        except TypeError as error:
            raise InputError(_unbound(label, names, given, error)) from None
        for name, value in bound.arguments.items():
            if name in known and type(value) not in known[name]:
                bound.arguments[name] = fit(value, hints[name], name, InputError)
                if bound.arguments[name] is value and _is_settled(type(value), hints[name]):
                    known[name].add(type(value))
        from holdfast.context import own_context  # which brings PyTorch

        with own_context():
            return function(*bound.args, **bound.kwargs)

    return typing.cast(F, call)


def _unbound(label: str, names: list[str], given: Mapping[str, Any], error: TypeError) -> str:
    for name in given:
        if name not in names:
            return f"{label} has no argument {name!r}{instead(name, names)}"
    return f"{label}: {error}"


def instead(name: str, names: Collection[str]) -> str:
    """Return the tail of an error about an unknown name: ours for it, where it belongs, or near."""
    ours = [our for our, theirs in _OURS.items() if name in theirs and our in names]
    if ours:
        return f"; here it is called {ours[0]!r}"
    inner = [our for our in ("steps", "step_size") if name == our or name in _OURS[our]]
    if inner and "attack" in names:
        value = {"steps": "10", "step_size": "0.25"}[inner[0]]
        return f"; it belongs to the attack: attack=PGD({inner[0]}={value})"
    if name in ("optimizer", "schedule") and "plan" in names:
        return f"; it belongs to the plan: plan=TrainPlan({name}=...)"
    if name in _ELSEWHERE and name not in names:
        return f"; {_ELSEWHERE[name]}"
    return did_you_mean(name, [known for known in names if known != "self"])


def foreign(value: Any, ours: Mapping[str, str]) -> str | None:
    """Return the fix for an object, a class or a function of PyTorch's in place of a component.

    ours: our name for it, by its name in small letters.
    """
    if isinstance(value, str | dict) or not (callable(value) or hasattr(value, "state_dict")):
        return None
    name = getattr(value, "__name__", type(value).__name__)
    written = ours.get(name.lower()) or f"one of {', '.join(sorted(set(ours.values())))}"
    return f"here it is plain data: write {written}"

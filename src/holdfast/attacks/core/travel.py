"""The length of an attack's fixed steps in all, against the radius that they are to cross."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from holdfast.components import name_of
from holdfast.errors import HoldfastWarning, outside
from holdfast.threat import Space

ENOUGH = 1.0 - 1e-9  # of the radius; ten steps of a tenth are enough
LOOKS = 10_000  # steps whose lengths are added up


def short_steps(component: Any, space: Space) -> list[str]:
    """Return a line on each attack in `component` whose steps cannot cross the radius of `space`.

    component: an attack, or a suite or training method, which are made of attacks. Step sizes are
    fractions of the radius here and lengths elsewhere, so 2/255 is easily written for a quarter.
    """
    return list(dict.fromkeys(_lines(component, space)))


def warn_of_short_steps(component: Any, space: Space) -> None:
    """Warn of the same, once for each line of the caller's."""
    for line in short_steps(component, space):
        warnings.warn(line, HoldfastWarning, stacklevel=outside())


def path_length(fraction: Callable[[int], float], steps: int) -> float:
    """Return the sum of fraction(k) over all k < steps; where they are very many, from LOOKS."""
    looks = min(steps, LOOKS)
    return sum(fraction(i * steps // looks) for i in range(looks)) * (steps / looks)


def _lines(component: Any, space: Space) -> Iterator[str]:
    travel = getattr(component, "travel", None)
    far = travel() if callable(travel) else None
    if far is not None and far < ENOUGH:
        step, name = component.step_size, name_of(type(component))
        reach = f"the steps of {name}, step_size={step:.6g}, reach {far:.2g} of the radius in all"
        if step == getattr(type(component), "step_size", None):  # the default: nobody meant units
            yield f"{reach}: take more of them, or write step_size={2.5 * step / far:.2g}"
        else:
            yield (
                f"{reach}: step_size is a fraction of the radius; if it was meant in the data's "
                f"units, at eps={space.eps} write step_size={step / space.radius:.6g}"
            )
    for part in _parts(component):
        yield from _lines(part, space)


def _parts(component: Any) -> Iterator[Any]:
    """Yield the components inside one, those in tuples too."""
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if dataclasses.is_dataclass(part) and not isinstance(part, type):
                yield part

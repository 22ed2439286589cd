"""What the numbers in an attack may be; outside of it a ConfigError that names the field."""

from __future__ import annotations

from math import isfinite

from holdfast.errors import ConfigError


def at_least(value: float, least: int, name: str) -> None:
    """Refuse what is no whole number, or a smaller one."""
    if not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {value}")


def positive(value: float, name: str, most: float | None = None) -> None:
    """Refuse what is not above 0 and finite, or above `most`."""
    if not (value > 0 and isfinite(value)) or (most is not None and value > most):
        limit = "" if most is None else f" and at most {most:g}"
        raise ConfigError(f"{name} must be above 0{limit}, got {value}")


def not_negative(value: float, name: str) -> None:
    """Refuse what is below 0 or not finite."""
    if not (value >= 0 and isfinite(value)):
        raise ConfigError(f"{name} must be at least 0, got {value}")

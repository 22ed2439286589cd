"""Holdfast: adversarial training and honest robustness evaluation.

The public names are those of `__init__.pyi`. Each is imported when it is first used, so that
`import holdfast` and `holdfast --help` are quick although PyTorch is not.
"""

from __future__ import annotations

from typing import Any

from holdfast.lazy import fetch, instead, public_names

__version__ = "0.1.0"

_HOMES = public_names(f"{__path__[0]}/__init__.pyi")

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}{instead(name, _HOMES)}")
    value = globals()[name] = fetch(name, _HOMES[name])
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

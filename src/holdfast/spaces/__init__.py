"""The sets that Holdfast knows, one geometry a file."""

from __future__ import annotations

from holdfast.spaces.l2 import L2
from holdfast.spaces.linf import Linf

__all__ = ["L2", "Linf"]

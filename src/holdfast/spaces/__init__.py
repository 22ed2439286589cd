"""The sets that Holdfast knows, one geometry a file."""

from __future__ import annotations

from holdfast.spaces.l0 import L0
from holdfast.spaces.l1 import L1
from holdfast.spaces.l2 import L2
from holdfast.spaces.linf import Linf

__all__ = ["L0", "L1", "L2", "Linf"]

"""The sets that Holdfast knows, one geometry a file."""

from __future__ import annotations

from holdfast.spaces.corrupted import Corrupted
from holdfast.spaces.flow import Flow
from holdfast.spaces.l0 import L0
from holdfast.spaces.l1 import L1
from holdfast.spaces.l2 import L2
from holdfast.spaces.linf import Linf
from holdfast.spaces.masked import Circle, Frame, Masked, Rectangle, Shape
from holdfast.spaces.patch import Patch
from holdfast.spaces.pixel_l0 import PixelL0
from holdfast.spaces.recolor import Recolor
from holdfast.spaces.rotation import RotationTranslation

__all__ = [
    "L0",
    "L1",
    "L2",
    "Circle",
    "Corrupted",
    "Flow",
    "Frame",
    "Linf",
    "Masked",
    "Patch",
    "PixelL0",
    "Recolor",
    "Rectangle",
    "RotationTranslation",
    "Shape",
]

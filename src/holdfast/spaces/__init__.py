"""The sets that Holdfast knows, one geometry a file."""

from __future__ import annotations

from holdfast.spaces.appearance.corrupted import Corrupted
from holdfast.spaces.appearance.recolor import Recolor
from holdfast.spaces.norm_balls.l0 import L0
from holdfast.spaces.norm_balls.l1 import L1
from holdfast.spaces.norm_balls.l2 import L2
from holdfast.spaces.norm_balls.linf import Linf
from holdfast.spaces.norm_balls.pixel_l0 import PixelL0
from holdfast.spaces.patches.masked import Circle, Frame, Masked, Rectangle, Shape
from holdfast.spaces.patches.patch import Patch
from holdfast.spaces.spatial.flow import Flow
from holdfast.spaces.spatial.rotation import RotationTranslation

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

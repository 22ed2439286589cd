"""The sets of allowed changes, one geometry a file."""

from __future__ import annotations

from holdfast.spaces.appearance.common_corruptions import CommonCorruptions as CommonCorruptions
from holdfast.spaces.appearance.corruptions import Brightness as Brightness
from holdfast.spaces.appearance.corruptions import Contrast as Contrast
from holdfast.spaces.appearance.corruptions import Corruption as Corruption
from holdfast.spaces.appearance.corruptions import DefocusBlur as DefocusBlur
from holdfast.spaces.appearance.corruptions import Fog as Fog
from holdfast.spaces.appearance.corruptions import GaussianNoise as GaussianNoise
from holdfast.spaces.appearance.corruptions import ImpulseNoise as ImpulseNoise
from holdfast.spaces.appearance.corruptions import Jpeg as Jpeg
from holdfast.spaces.appearance.corruptions import MotionBlur as MotionBlur
from holdfast.spaces.appearance.corruptions import Pixelate as Pixelate
from holdfast.spaces.appearance.corruptions import ShotNoise as ShotNoise
from holdfast.spaces.appearance.corruptions import SpeckleNoise as SpeckleNoise
from holdfast.spaces.appearance.corruptions import ZoomBlur as ZoomBlur
from holdfast.spaces.appearance.recolor import Recolor as Recolor
from holdfast.spaces.norm_balls.l0 import L0 as L0
from holdfast.spaces.norm_balls.l1 import L1 as L1
from holdfast.spaces.norm_balls.l2 import L2 as L2
from holdfast.spaces.norm_balls.linf import Linf as Linf
from holdfast.spaces.norm_balls.pixel_l0 import PixelL0 as PixelL0
from holdfast.spaces.patches.masked import Circle as Circle
from holdfast.spaces.patches.masked import Frame as Frame
from holdfast.spaces.patches.masked import Masked as Masked
from holdfast.spaces.patches.masked import Rectangle as Rectangle
from holdfast.spaces.patches.masked import Shape as Shape
from holdfast.spaces.patches.patch import Patch as Patch
from holdfast.spaces.spatial.flow import Flow as Flow
from holdfast.spaces.spatial.rotation import RotationTranslation as RotationTranslation

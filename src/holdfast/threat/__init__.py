"""The threat model: what may change, what counts as harm, what the attacker sees and may spend."""

from __future__ import annotations

from holdfast.threat.goals.base import DEFAULT_LOSS as DEFAULT_LOSS
from holdfast.threat.goals.base import Aim as Aim
from holdfast.threat.goals.base import Goal as Goal
from holdfast.threat.goals.targeted import Targeted as Targeted
from holdfast.threat.goals.undetected import Undetected as Undetected
from holdfast.threat.goals.untargeted import Untargeted as Untargeted
from holdfast.threat.knowledge import Knowledge as Knowledge
from holdfast.threat.knowledge import Status as Status
from holdfast.threat.model import ThreatModel as ThreatModel
from holdfast.threat.region import Boxed as Boxed
from holdfast.threat.region import Capability as Capability
from holdfast.threat.region import CountsCoordinates as CountsCoordinates
from holdfast.threat.region import Dense as Dense
from holdfast.threat.region import Finite as Finite
from holdfast.threat.region import LatentAudited as LatentAudited
from holdfast.threat.region import Lattice as Lattice
from holdfast.threat.region import Normed as Normed
from holdfast.threat.region import Penalized as Penalized
from holdfast.threat.region import Placed as Placed
from holdfast.threat.region import RandomCorners as RandomCorners
from holdfast.threat.region import Region as Region
from holdfast.threat.region import Searchable as Searchable
from holdfast.threat.region import Separable as Separable
from holdfast.threat.region import Sparse as Sparse
from holdfast.threat.region import Trait as Trait
from holdfast.threat.space import Space as Space
from holdfast.threat.space import check_ball as check_ball
from holdfast.threat.space import radii as radii
from holdfast.threat.space import too_small as too_small
from holdfast.threat.space import warn_if_tiny as warn_if_tiny

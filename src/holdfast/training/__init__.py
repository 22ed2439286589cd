"""Training: one loop, its methods, schedules, optimizers, and the state that a resume restores."""

from __future__ import annotations

from holdfast.training.ema import EMA as EMA
from holdfast.training.methods import MTLIBP as MTLIBP
from holdfast.training.methods import NFGSM as NFGSM
from holdfast.training.methods import TRADES as TRADES
from holdfast.training.methods import FastAT as FastAT
from holdfast.training.methods import Madry as Madry
from holdfast.training.methods import Method as Method
from holdfast.training.methods import NoiseAugmented as NoiseAugmented
from holdfast.training.methods import Standard as Standard
from holdfast.training.methods.base import Learner as Learner
from holdfast.training.methods.base import search as search
from holdfast.training.methods.base import smoothed as smoothed
from holdfast.training.optimizers import SGD as SGD
from holdfast.training.optimizers import Adam as Adam
from holdfast.training.optimizers import AdamW as AdamW
from holdfast.training.optimizers import Optimizer as Optimizer
from holdfast.training.plan import TrainPlan as TrainPlan
from holdfast.training.schedules import Constant as Constant
from holdfast.training.schedules import Cosine as Cosine
from holdfast.training.schedules import Cyclic as Cyclic
from holdfast.training.schedules import OneCycle as OneCycle
from holdfast.training.schedules import Piecewise as Piecewise
from holdfast.training.schedules import Schedule as Schedule
from holdfast.training.state import TrainState as TrainState
from holdfast.training.train import Snapshot as Snapshot
from holdfast.training.train import TrainResult as TrainResult
from holdfast.training.train import load_run as load_run
from holdfast.training.train import train as train
from holdfast.training.validation import Validate as Validate
from holdfast.training.validation import Validator as Validator

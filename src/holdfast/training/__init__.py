"""Training: one loop, its methods, schedules, optimizers, and the state that a resume restores."""

from __future__ import annotations

from holdfast.training.ema import Average
from holdfast.training.methods import (
    MTLIBP,
    NFGSM,
    TRADES,
    FastAT,
    Madry,
    Method,
    NoiseAugmented,
    Standard,
)
from holdfast.training.optimizers import SGD, Adam, AdamW, Optimizer
from holdfast.training.plan import TrainPlan
from holdfast.training.schedules import Constant, Cosine, Cyclic, OneCycle, Piecewise, Schedule
from holdfast.training.state import TrainState
from holdfast.training.train import Snapshot, TrainResult, load_run, train
from holdfast.training.validation import Validate, Validator

__all__ = [
    "MTLIBP",
    "NFGSM",
    "SGD",
    "TRADES",
    "Adam",
    "AdamW",
    "Average",
    "Constant",
    "Cosine",
    "Cyclic",
    "FastAT",
    "Madry",
    "Method",
    "NoiseAugmented",
    "OneCycle",
    "Optimizer",
    "Piecewise",
    "Schedule",
    "Snapshot",
    "Standard",
    "TrainPlan",
    "TrainResult",
    "TrainState",
    "Validate",
    "Validator",
    "load_run",
    "train",
]

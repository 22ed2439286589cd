"""Fixtures of small data, networks and threat models."""

from __future__ import annotations

import pytest
from torch import nn

from holdfast.data import Splits
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel
from training_setup import random_splits, small_net


@pytest.fixture
def splits() -> Splits:
    return random_splits()


@pytest.fixture
def net() -> nn.Module:
    return small_net()


@pytest.fixture
def threat() -> ThreatModel:
    return ThreatModel(Linf(eps=0.1))

"""Adversarial training and honest robustness evaluation for PyTorch."""

from __future__ import annotations

__version__ = "0.1.0"

"""Evaluation: suites of attacks, the cascade that runs them, the claim it makes, its re-check."""

from __future__ import annotations

from holdfast.evaluation.evaluate import evaluate
from holdfast.evaluation.export import Exported, export_png
from holdfast.evaluation.recheck.verification import Verification
from holdfast.evaluation.recheck.verify import verify
from holdfast.evaluation.record.provenance import Provenance
from holdfast.evaluation.suites import QUICK_1, STANDARD_1, Member, Suite, get_suite
from holdfast.evaluation.transfer import TransferMatrix, transfer_matrix

__all__ = [
    "QUICK_1",
    "STANDARD_1",
    "Exported",
    "Member",
    "Provenance",
    "Suite",
    "TransferMatrix",
    "Verification",
    "evaluate",
    "export_png",
    "get_suite",
    "transfer_matrix",
    "verify",
]

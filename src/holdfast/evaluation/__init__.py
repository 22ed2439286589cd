"""Evaluation: suites of attacks, the cascade that runs them, the claim it makes, its re-check."""

from __future__ import annotations

from holdfast.evaluation.evaluate import evaluate as evaluate
from holdfast.evaluation.export import Exported as Exported
from holdfast.evaluation.export import export_png as export_png
from holdfast.evaluation.recheck.verification import Verification as Verification
from holdfast.evaluation.recheck.verify import verify as verify
from holdfast.evaluation.record.provenance import Provenance as Provenance
from holdfast.evaluation.suites import QUICK_1 as QUICK_1
from holdfast.evaluation.suites import STANDARD_1 as STANDARD_1
from holdfast.evaluation.suites import Member as Member
from holdfast.evaluation.suites import Suite as Suite
from holdfast.evaluation.suites import get_suite as get_suite
from holdfast.evaluation.transfer import TransferMatrix as TransferMatrix
from holdfast.evaluation.transfer import transfer_matrix as transfer_matrix

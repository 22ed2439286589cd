"""The record of an evaluation: what goes into a claim, and the claim that lies there already."""

from holdfast.evaluation.record.finished_claim import check_writable as check_writable
from holdfast.evaluation.record.finished_claim import finished_claim as finished_claim

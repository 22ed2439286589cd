"""The record of an evaluation: what goes into a claim, and the claim that lies there already."""

from holdfast.evaluation.record.finished_claim import check_writable, finished_claim

__all__ = ["check_writable", "finished_claim"]

"""Claims: figures with their uncertainty, the ledger they come from, the folder of proof."""

from holdfast.claims.claim import Claim, TotalCost, read_accuracy, write_claim
from holdfast.claims.digest import file_digest, model_digest, tensor_digest
from holdfast.claims.headline import headline
from holdfast.claims.intervals import Accuracy, Interval, Withheld, wilson
from holdfast.claims.ledger import Ledger, Segment
from holdfast.claims.signature import Signature, can_check, read_signature, sign, signer_of
from holdfast.claims.table import Row, Table
from holdfast.claims.tensor_file import read_tensors

__all__ = [
    "Accuracy",
    "Claim",
    "Interval",
    "Ledger",
    "Row",
    "Segment",
    "Signature",
    "Table",
    "TotalCost",
    "Withheld",
    "can_check",
    "file_digest",
    "headline",
    "model_digest",
    "read_accuracy",
    "read_signature",
    "read_tensors",
    "sign",
    "signer_of",
    "tensor_digest",
    "wilson",
    "write_claim",
]

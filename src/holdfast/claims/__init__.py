"""Claims: figures with their uncertainty, the ledger they come from, the folder of proof."""

from holdfast.claims.claim import Claim as Claim
from holdfast.claims.claim import TotalCost as TotalCost
from holdfast.claims.claim import read_accuracy as read_accuracy
from holdfast.claims.claim import write_claim as write_claim
from holdfast.claims.digest import file_digest as file_digest
from holdfast.claims.digest import model_digest as model_digest
from holdfast.claims.digest import tensor_digest as tensor_digest
from holdfast.claims.headline import headline as headline
from holdfast.claims.intervals import Accuracy as Accuracy
from holdfast.claims.intervals import Interval as Interval
from holdfast.claims.intervals import Withheld as Withheld
from holdfast.claims.intervals import wilson as wilson
from holdfast.claims.ledger import Ledger as Ledger
from holdfast.claims.ledger import Segment as Segment
from holdfast.claims.signature import Signature as Signature
from holdfast.claims.signature import can_check as can_check
from holdfast.claims.signature import read_signature as read_signature
from holdfast.claims.signature import sign as sign
from holdfast.claims.signature import signer_of as signer_of
from holdfast.claims.table import Row as Row
from holdfast.claims.table import Table as Table
from holdfast.claims.tensor_file import read_tensors as read_tensors

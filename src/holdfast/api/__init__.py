"""The verbs of the Python surface, each of the room that does the work."""

from __future__ import annotations

from holdfast.api.arguments import load_data as load_data
from holdfast.api.batches import attack as attack
from holdfast.api.batches import perturb as perturb
from holdfast.api.verbs import load as load
from holdfast.api.verbs import report as report
from holdfast.claims import sign as sign
from holdfast.evaluation import evaluate as evaluate
from holdfast.evaluation import verify as verify
from holdfast.training import train as train

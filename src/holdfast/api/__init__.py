"""The Python surface: the verbs that `import holdfast as hf` offers."""

from __future__ import annotations

from holdfast.api.arguments import examples_of as examples_of
from holdfast.api.arguments import load_data as load_data
from holdfast.api.batches import attack as attack
from holdfast.api.batches import perturb as perturb
from holdfast.api.verbs import evaluate as evaluate
from holdfast.api.verbs import load as load
from holdfast.api.verbs import report as report
from holdfast.api.verbs import sign as sign
from holdfast.api.verbs import train as train
from holdfast.api.verbs import verify as verify

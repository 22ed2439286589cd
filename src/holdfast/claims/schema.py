"""The schema of claim.json: every field, its type, its range, and how long it may be.

Every reader of a claim goes through `Claim.load`, which checks this first. A claim may come from
someone else, so nothing here is taken for granted: neither types, nor ranges, nor sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.claims.shapes import (
    INT64,
    Choice,
    Either,
    Fields,
    Flag,
    Listed,
    Maybe,
    Named,
    Number,
    Plain,
    Shape,
    Text,
    Whole,
)
from holdfast.errors import VerificationError

SCHEMA = "holdfast-claim-1"
CERTIFIED = "certified"  # a word that claims are read for, and refused
STATUSES = ("clean-wrong", "broken", "marginal", "failed", "unbroken", CERTIFIED)

LARGEST_DOCUMENT = 2**26  # bytes of claim.json
LARGEST_TEXT = 2**28  # bytes of per_example.csv and of training.jsonl
LARGEST_TENSORS = 2**32  # bytes of each file of tensors
LARGEST_BATCH = 4096  # examples of a batch, unless there are more of them in all
NAME = 1000  # characters of a name
PROSE = 20_000  # characters of any other text
POINTS = 10_000_000  # examples

_NAME = Text(longest=NAME)
_PROSE = Text(longest=PROSE)
_DIGEST = Text(longest=64, pattern="[0-9a-f]{64}", called="a sha256 in hex")
_FILE = Text(longest=100, pattern=r"[A-Za-z0-9_][A-Za-z0-9_.-]*", called="the name of a file")
_COUNT = Whole(high=10**15)
_EXAMPLES = Whole(low=1, high=POINTS)
_SECONDS = Number(high=1e12)


def check_document(document: Mapping[str, Any], where: str) -> None:
    """Raise VerificationError unless a claim.json has the fields of one, each of its shape.

    where: the file, which the message names.
    """
    try:
        _DOCUMENT.check(document, "")
    except VerificationError as error:
        raise VerificationError(f"{where}: {error}") from None


def check_parts(parts: Mapping[str, Any]) -> None:
    """Raise VerificationError unless these fields of a future claim.json have their shape."""
    shapes = {**_DOCUMENT.required, **_DOCUMENT.optional}
    for name, value in parts.items():
        shapes[name].check(value, name)


def largest_batch(n: int) -> int:
    """Return how many examples a batch may have in an evaluation of `n`."""
    return max(n, LARGEST_BATCH)


def _counts_fit(accuracy: Mapping[str, Any]) -> str:
    return "" if accuracy["k"] <= accuracy["n"] else "has more points than there are: k > n"


def _range_fits(model: Mapping[str, Any]) -> str:
    low, high = model["range"]
    return "" if low < high else "has a range that does not ascend"


def _stage_fits(stage: Mapping[str, Any]) -> str:
    fits = stage["broken"] <= stage["entered"]
    return "" if fits else "broke more points than entered"


def _is_withheld(value: Any) -> bool:
    return isinstance(value, dict) and "withheld" in value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_SHARE = Number(high=1.0)
_ACCURACY = Fields(
    {"k": Whole(high=POINTS), "n": _EXAMPLES, "value": _SHARE, "low": _SHARE, "high": _SHARE},
    rule=_counts_fit,
)
_ACCURACY_OR_WITHHELD = Either(_is_withheld, Fields({"withheld": _PROSE}), _ACCURACY)
_COMPONENT = Fields({"type": _NAME}, others=True)
_PLAIN = Plain(_NAME)


class _Component:
    """A component as plain data: an object with a type, its fields checked when it is built."""

    def check(self, value: Any, at: str) -> None:
        _COMPONENT.check(value, at)
        _PLAIN.check(value, at)


_ANY = _Component()
_THREAT = Fields(
    {"space": _ANY},
    {"type": _NAME, "goal": _ANY, "knowledge": _NAME, "queries": Maybe(Whole(low=1))},
)
_COST: dict[str, Shape] = {
    "forward": _COUNT,
    "backward": _COUNT,
    "queries": _COUNT,
    "seconds": _SECONDS,
}
_SUITE = Fields(
    {
        "name": _NAME,
        "digest": _DIGEST,
        "definition": _ANY,
        "exhaustive": Flag(),
        "members": Listed(
            Fields({"name": _NAME, "attack": _ANY, "digest": _DIGEST}), 1, longest=10_000
        ),
    }
)
_MODEL = Fields(
    {
        "name": _NAME,
        "digest": _DIGEST,
        "parameters": _COUNT,
        "range": Listed(Number(low=-1e15), 2, 2),
        "num_classes": Whole(low=1, high=10**9),
    },
    {
        "target": Fields(
            {
                "outputs": Choice(("logits", "probabilities", "labels")),
                "settings": _PROSE,
                "sealed": Flag(),
            }
        )
    },
    rule=_range_fits,
)
_DATA = Fields(
    {
        "name": _NAME,
        "fingerprint": _DIGEST,
        "n": _EXAMPLES,
        "available": _EXAMPLES,
        "ids": Either(
            _is_text,
            Choice(("all",)),
            Listed(Whole(low=-INT64 - 1), longest=POINTS),
        ),
        "classes": Maybe(Listed(_NAME, longest=1_000_000)),
    },
    {"part": Maybe(_NAME)},
)
_CLASS = Fields(
    {
        "label": Whole(low=-INT64 - 1),
        "name": _NAME,
        "n": _EXAMPLES,
        "clean": _ACCURACY,
        "robust": _ACCURACY_OR_WITHHELD,
    }
)
_STAGE = Fields(
    {
        "name": _NAME,
        "entered": Whole(high=POINTS),
        "broken": Whole(high=POINTS),
        "alone": Maybe(Whole(high=POINTS)),
        "marginal": Whole(high=POINTS),
        "failed": Whole(high=POINTS),
        **_COST,
    },
    rule=_stage_fits,
)
_POINT = Fields(
    {"eps": _NAME, "radius": Number(), "robust": _ACCURACY_OR_WITHHELD},
    {"cost": Fields({}, _COST)},
)
_CHECK = Fields(
    {
        "id": _NAME,
        "status": Choice(("pass", "warn", "fail", "not-run")),
        "message": _PROSE,
        "remedy": _PROSE,
    }
)
_EPOCH = Whole(high=10**9)
_TRAINING = Fields(
    {
        "run": _PROSE,
        "method": _ANY,
        "threat": _THREAT,
        "metrics": _FILE,
        "best_epoch": _EPOCH,
        "last_epoch": _EPOCH,
    }
)
_MODEL_GIVEN = Fields(
    {},
    {
        "run": _PROSE,  # a run folder
        "which": Choice(("best", "last")),
        "network": _NAME,  # a reference network; of a run without it the user built the network
        "function": _PROSE,  # package.module:function
        "weights": _PROSE,  # its weights
        "file": _PROSE,  # of ONNX
        "outputs": Choice(("logits", "probabilities", "labels")),
        "normalized": Flag(),
    },
)
_GIVEN = Fields({}, {"model": _MODEL_GIVEN, "search": _MODEL_GIVEN, "data": _PROSE})
_DOCUMENT = Fields(
    {
        "schema": Choice((SCHEMA,)),
        "digest": _DIGEST,
        "holdfast": _NAME,
        "created": Text(longest=40),
        "command": _PROSE,
        "threat": _THREAT,
        "threat_digest": _DIGEST,
        "threat_sentence": _PROSE,
        "suite": _SUITE,
        "seed": Whole(low=-(2**128), high=2**128),
        "batch_size": Whole(low=1, high=POINTS),
        "threads": Whole(low=1, high=1024),
        "precision": Choice(("float32", "bfloat16")),
        "device": Text(longest=40),
        "environment": Named(_NAME, Plain(_NAME, deep=False), longest=100),
        "model": _MODEL,
        "data": _DATA,
        "counts": Fields(
            {status: Whole(high=POINTS) for status in STATUSES if status != CERTIFIED},
            {CERTIFIED: Whole(high=POINTS)},
        ),
        "clean_accuracy": _ACCURACY,
        "robust_accuracy": _ACCURACY_OR_WITHHELD,
        "per_class": Listed(_CLASS, longest=1_000_000),
        "waterfall": Listed(_STAGE, 1, longest=10_001),
        "curve": Listed(_POINT, longest=10_000),
        "checks": Listed(_CHECK, longest=1000),
        "cost": Fields(_COST),
        "training": Maybe(_TRAINING),
        "files": Named(_FILE, _DIGEST),
    },
    {
        "search": Fields({"name": _NAME, "digest": _DIGEST}),
        "given": _GIVEN,
        "forecast_seconds": Maybe(_SECONDS),
    },
)

EPOCH = Fields({"epoch": _EPOCH}, {"event": Maybe(_PROSE)}, others=True)
"""A line of training.jsonl."""

"""The words by which a model was given: a claim states them, and nothing ever acts on them."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from holdfast.claims import model_digest
from holdfast.models import Model, Onnx
from holdfast.models.adapter import UNIT
from holdfast.models.targets.outputs import Logarithm
from holdfast.training.origins import origin_of
from holdfast.training.run_folder import read_run

# The words for a model, and its digest then: they are no longer those of one that was changed.
_words: WeakKeyDictionary[Model, tuple[dict[str, Any], str]] = WeakKeyDictionary()


def note_given(model: Model, **words: Any) -> None:
    """Take note of the words that give this model, as it is now; see `claims/schema.py`."""
    _words[model] = ({k: v for k, v in words.items() if v is not None}, model_digest(model))


def given_by(model: Model) -> dict[str, Any]:
    """Return the words that give a model, and a remark about one that exists in Python alone."""
    origin = origin_of(model)
    if origin is not None and (origin.run / "run.json").exists():
        network = read_run(origin.run)["network"]
        built = {"network": network["type"]} if network else {}
        return {"run": str(origin.run), "which": origin.which, **built}
    words, digest = _words.get(model, ({}, ""))
    if words and model_digest(model) == digest:
        return words
    about: dict[str, Any] = {}
    if isinstance(model.module, Logarithm):
        about["outputs"] = "probabilities"
    if model.mean is not None:
        about["normalized"] = True
    target = None if model.box is None else model.box.target
    plain = model.mean is None and tuple(model.range) == UNIT
    if isinstance(target, Onnx) and target.path is not None and plain:
        return {"file": target.path, "outputs": target.outputs}
    return about

"""The finished claim that a folder holds: returned as it is, or in the way of another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from holdfast.claims import Claim, tensor_digest
from holdfast.claims.contents import DOCUMENT, PROBES
from holdfast.claims.schema import check_parts
from holdfast.claims.text import compact_bytes
from holdfast.errors import HoldfastError, InputError, VerificationError
from holdfast.evaluation.record.claim_document import about_data, about_model, about_suite, subject
from holdfast.evaluation.record.provenance import Provenance
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.storage import read_file, read_json
from holdfast.threat import ThreatModel

_ABSENT = object()


def finished_claim(
    out: Path, setup: EvaluationSetup, threats: Sequence[ThreatModel], provenance: Provenance | None
) -> Claim | None:
    """Return the claim in `out` if it answers the request, None if there is no whole one.

    Raises InputError for a claim on anything else, or made in another way: a finished claim is
    never replaced. All that may differ are names, paths and the time.
    """
    if not (out / DOCUMENT).is_file():
        return None
    asked = json.loads(compact_bytes(_asked(setup, threats, provenance)))
    try:
        stored = _stored(out, read_json(out / DOCUMENT), asked)
    except (HoldfastError, SafetensorError, KeyError, TypeError, AttributeError, ValueError):
        return None
    if other := [
        _difference(name, stored[name], asked[name])
        for name in asked
        if stored[name] != asked[name]
    ]:
        raise InputError(
            f"{out} holds a claim with another {' and another '.join(other)}: "
            "choose another folder, or delete that one"
        )
    try:
        return Claim.load(out)
    except HoldfastError:
        return None


def check_writable(setup: EvaluationSetup, provenance: Provenance | None) -> None:
    """Raise InputError, before the work, for text that no claim can hold."""
    parts = {**subject(setup), "training": None if provenance is None else provenance.plain()}
    try:
        check_parts(json.loads(compact_bytes(parts)))
    except VerificationError as error:
        raise InputError(f"a claim cannot hold this: {error}") from None
    except UnicodeEncodeError as error:
        text = error.object[max(error.start - 20, 0) : error.end + 20]
        raise InputError(f"a claim is UTF-8, and {text!r} is not: rename it") from None
    except (TypeError, ValueError) as error:
        raise InputError(f"the request cannot be written into a claim: {error}") from None


def _asked(
    setup: EvaluationSetup, threats: Sequence[ThreatModel], provenance: Provenance | None
) -> dict[str, Any]:
    """Return all that the numbers of a claim depend on, as plain data."""
    identity = setup.identity
    return {
        "model": about_model(setup),
        "forward pass": identity["logits"],
        "data": {**about_data(setup), "part": setup.data.part},
        "threat model": setup.threat.digest,
        "suite": about_suite(setup),
        "eps": [str(threat.space.eps) for threat in threats] if len(threats) > 1 else [],
        "exhaustive": setup.exhaustive,
        "seed": setup.seed,
        "batch_size": setup.batch_size,
        "precision": setup.precision,
        "surrogate": setup.about_twin,
        "device": identity["device"],
        "threads": identity["threads"],
        "torch": identity["torch"],
        "holdfast": identity["holdfast"],
        "training run": None if provenance is None else _run(provenance),
    }


def _stored(out: Path, there: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Return the same facts from the document of a claim."""
    plain = ("seed", "batch_size", "precision", "threads", "holdfast")
    return {
        **{key: there[key] for key in plain},
        "model": _part(there["model"], asked["model"]),
        "forward pass": _logits(out),
        "data": _part(there["data"], asked["data"]),
        "threat model": there["threat_digest"],
        "suite": _part(there["suite"], asked["suite"]),
        "eps": [point["eps"] for point in there["curve"]],
        "exhaustive": there["suite"]["exhaustive"],
        "surrogate": there.get("search"),
        "device": torch.device(there["device"]).type,
        "torch": there["environment"]["torch"],
        "training run": _stored_run(there),
    }


def _part(stored: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    return {key: stored.get(key, _ABSENT) for key in asked}


def _logits(out: Path) -> str:
    return tensor_digest(load(read_file(out / PROBES))["logits"])


def _run(provenance: Provenance) -> dict[str, Any]:
    """Return the run behind the model without its path, which may be written in several ways."""
    facts = {key: value for key, value in provenance.plain().items() if key != "run"}
    return {**facts, "sha256": hashlib.sha256(provenance.metrics).hexdigest()}


def _stored_run(there: dict[str, Any]) -> dict[str, Any] | None:
    training = there["training"]
    if training is None:
        return None
    facts = {key: value for key, value in training.items() if key != "run"}
    return {**facts, "sha256": there["files"].get(training["metrics"])}


def _difference(name: str, stored: Any, asked: Any) -> str:
    """Return the name of the field that differs, with both values where they are short."""
    short = all(isinstance(value, int | float | str) for value in (stored, asked))
    if not short or max(len(str(stored)), len(str(asked))) > 20:
        return name
    return f"{name} ({stored}, now {asked})"

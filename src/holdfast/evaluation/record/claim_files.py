"""The files that prove a claim: table, counterexamples, gallery, probes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from safetensors.torch import save
from torch import Tensor

from holdfast.claims import Row, Table
from holdfast.claims.contents import GALLERY, PROBES, TABLE
from holdfast.evaluation.run.cascade import Example
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.rng import Rng
from holdfast.threat import Status

PAIRS = 24  # in the gallery
SHARD = 64 * 2**20  # bytes of counterexamples a file, about


def proofs(setup: EvaluationSetup, examples: Sequence[Example]) -> dict[str, bytes]:
    """Return the files of a claim by name."""
    files = {TABLE: Table(_row(example) for example in examples).to_csv()}
    files |= _evidence([e for e in examples if e.x_adv is not None])
    if broken := [e for e in examples if e.status is Status.BROKEN]:
        files[GALLERY] = save(_gallery(setup, broken))
    x = setup.probes()
    files[PROBES] = save({"x": x, "logits": setup.logits(x)})
    return files


def in_gallery(seed: int, broken: Sequence[int]) -> list[int]:
    """Return the ids of the pairs in the gallery: random, but the same every time.

    broken: the ids of all broken examples, in the order of the table.
    """
    ids = torch.tensor(broken)
    order = Rng(seed, ids).fold("gallery").uniform().argsort(stable=True)
    shown: list[int] = ids[order[:PAIRS].sort().values].tolist()
    return shown


def _row(e: Example) -> Row:
    return Row(id=e.id, label=e.label, status=e.status.value, size=e.size, broken_by=e.broken_by)


def _evidence(shown: Sequence[Example]) -> dict[str, bytes]:
    if not shown:
        return {}
    tensors = {"ids": torch.tensor([e.id for e in shown]), "x_adv": _stack(shown)}
    points = [e.z for e in shown if e.z is not None]
    if points:  # of a set whose audit asks for the point behind an input
        tensors["z"] = torch.stack(points)
    x_adv = tensors["x_adv"]
    per_file = max(1, SHARD // (x_adv[0].numel() * x_adv.element_size()))
    parts = zip(*(tensor.split(per_file) for tensor in tensors.values()), strict=True)
    return {
        f"evidence-{k:05d}.safetensors": save(
            {name: part.clone() for name, part in zip(tensors, pieces, strict=True)}
        )
        for k, pieces in enumerate(parts)
    }


def _gallery(setup: EvaluationSetup, broken: Sequence[Example]) -> dict[str, Tensor]:
    by_id = {e.id: e for e in broken}
    shown = [by_id[i] for i in in_gallery(setup.seed, [e.id for e in broken])]
    place = {i: k for k, i in enumerate(setup.data.ids.tolist())}
    clean = setup.data.batch(torch.tensor([place[e.id] for e in shown]))
    x_adv = _stack(shown)
    return {
        "ids": clean.ids,
        "y": clean.y,
        "x": clean.x.to(setup.dtype),
        "x_adv": x_adv,
        "logits": setup.logits(clean.x),
        "logits_adv": setup.logits(x_adv),
    }


def _stack(examples: Sequence[Example]) -> Tensor:
    return torch.stack([e.x_adv for e in examples if e.x_adv is not None])

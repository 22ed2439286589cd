"""One attack over a whole set, batch by batch."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from holdfast import api
from holdfast.attacks import Attack, Result
from holdfast.claims import Accuracy
from holdfast.claims.contents import DOCUMENT
from holdfast.components import describe
from holdfast.data import Batch, Examples
from holdfast.errors import InputError
from holdfast.evaluation.run.prepare import subset
from holdfast.inputs import as_columns
from holdfast.models import Model, frozen
from holdfast.progress import counting
from holdfast.rng import fresh_seed
from holdfast.runtime import resolve_device
from holdfast.storage import write_atomic
from holdfast.threat import ThreatModel


@dataclass(frozen=True)
class Found:
    """The outcome of one attack on a data set. clean: (N,) bool, right before the attack."""

    ids: Tensor  # (N,)
    y: Tensor  # (N,)
    clean: Tensor  # (N,)
    x_adv: Tensor  # (N, ...)
    loss: Tensor  # (N,)
    size: Tensor  # (N,)
    status: tuple[str, ...]
    passes: tuple[int, int, int]  # forward, backward, queries
    seed: int  # of all draws

    def sentence(self, threat: ThreatModel, attack: Attack) -> str:
        """Print how many examples broke, and that one attack alone is no evaluation."""
        n = len(self.y)
        unbroken = torch.tensor([status == "unbroken" for status in self.status])
        left = Accuracy(int((self.clean & unbroken).sum()), n)
        forward, backward, queries = self.passes
        return (
            f"On n={n:,} points, clean accuracy {Accuracy(int(self.clean.sum()), n)}. Against "
            f"{describe(attack)['type']} alone within {threat.sentence()}, {left} of points were "
            f"not broken, for {forward:,} forward and {backward:,} backward passes ({queries:,} "
            f"queries), seed {self.seed}. One attack is no evaluation, as a suite of them is."
        )

    def write(self, folder: Path) -> Path:
        """Write the inputs and a table about them; return the folder."""
        tensors = {"ids": self.ids, "y": self.y, "x_adv": self.x_adv.contiguous()}
        write_atomic(folder / "adversarial.safetensors", save(tensors))
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("id", "label", "clean", "status", "size", "loss"))
        columns = (self.ids, self.y, self.clean, self.size, self.loss)
        ids, y, clean, size, loss = (column.tolist() for column in columns)
        table.writerows(zip(ids, y, map(int, clean), self.status, size, loss, strict=True))
        write_atomic(folder / "per_example.csv", text.getvalue().encode())
        return folder


def check_folder(folder: Path) -> None:
    """Raise InputError for a folder whose files the inputs found would replace or mix with."""
    for there, kind in ((DOCUMENT, "a claim"), ("run.json", "a training run")):
        if (folder / there).exists():
            raise InputError(f"{folder} holds {kind}: choose another folder")


def attack_all(
    model: Model, examples: Examples, threat: ThreatModel, settings: Any, *, quiet: bool = False
) -> Found:
    """Attack the set, or a random subset of it, as an AttackConfig says."""
    device = resolve_device(settings.device)
    model = model.to(device)
    seed = fresh_seed() if settings.seed is None else settings.seed
    positions = subset(examples, settings.n, seed)
    done: list[tuple[Batch, Tensor, Result]] = []
    parts, passes = positions.split(settings.batch_size), settings.attack.passes()[0]
    with counting("attack", len(parts), "batches", passes=passes, quiet=quiet) as step:
        for part in parts:
            batch = examples.batch(part)
            found = api.attack(
                model,
                batch.x,
                batch.y,
                threat=threat,
                attack=settings.attack,
                seed=seed,
                ids=batch.ids,
            )
            with torch.no_grad(), frozen(model):
                answer = model(batch.x.to(device)).argmax(1).cpu()
                right = answer == as_columns(batch.y, model.labels)
            done.append((batch, right, found))
            step(1)
    return _joined(done, seed)


def _joined(done: list[tuple[Batch, Tensor, Result]], seed: int) -> Found:
    cost = torch.stack([torch.stack(tuple(found.cost)).sum(1).cpu() for _, _, found in done])
    forward, backward, queries = cost.sum(0).tolist()
    return Found(
        ids=torch.cat([batch.ids for batch, _, _ in done]),
        y=torch.cat([batch.y for batch, _, _ in done]),
        clean=torch.cat([right for _, right, _ in done]),
        x_adv=torch.cat([found.x_adv.cpu() for _, _, found in done]),
        loss=torch.cat([found.loss.cpu() for _, _, found in done]),
        size=torch.cat([found.size.cpu() for _, _, found in done]),
        status=tuple(str(status) for _, _, found in done for status in found.status),
        passes=(forward, backward, queries),
        seed=seed,
    )

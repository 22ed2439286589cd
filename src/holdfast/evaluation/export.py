"""Counterexamples as 8-bit PNG files, rounded so that they stay in the set, and tested again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from holdfast.arguments import checked
from holdfast.claims import Claim
from holdfast.data import Examples
from holdfast.errors import InputError
from holdfast.evaluation.recheck.evidence import read_evidence
from holdfast.evaluation.recheck.verify import bind, check_subject
from holdfast.evaluation.run.setup import EvaluationSetup, Padded
from holdfast.locking import locked
from holdfast.models import frozen
from holdfast.progress import counting
from holdfast.quantization import LEVELS, toward
from holdfast.runtime import deterministic
from holdfast.storage import user_path, write_atomic


@dataclass(frozen=True)
class Exported:
    """Counts of the images written, and of those that still fool the model after rounding."""

    written: int
    holding: int
    folder: Path

    def __str__(self) -> str:
        return (
            f"{self.written:,} images in {self.folder}; {self.holding:,} still fool the model "
            "after rounding to 8 bits within the set (their names end in -holds)"
        )


@checked
def export_png(
    claim: Claim,
    *,
    model: Any,
    data: Examples,
    out: Path | str,
    device: str | torch.device | None = None,
    quiet: bool = False,
) -> Exported:
    """Write every counterexample of `claim` as a PNG; x must be images (1 or 3, H, W) in 0..1.

    Each value goes to the grid 0..255 toward the unchanged image. Each rounded image is audited and
    shown to the model again; one that is no longer in the set (the unchanged image lies off the
    grid) is left out. Raises InputError for data that are no such images, VerificationError for
    another model or other data.
    """
    if len(data.shape) != 3 or data.shape[0] not in (1, 3) or tuple(data.range) != (0, 1):
        raise InputError(
            f"PNG files hold images (1 or 3, H, W) in 0..1, got shape {tuple(data.shape)} in "
            f"{tuple(data.range)}"
        )
    out = user_path(out, "out")
    check_subject(claim, model, data)
    evidence = read_evidence(claim)
    written = holding = 0
    with locked(out, "an export"), deterministic(), torch.random.fork_rng():
        setup = bind(claim, model, data, device)
        order = [k for k, i in enumerate(claim.per_example["id"]) if i in evidence]
        count = counting("writing PNG files", len(order), "images", quiet=quiet)
        with frozen(setup.judge), count as step:
            for batch in setup.batches(setup.positions[torch.tensor(order, dtype=torch.int64)]):
                x_adv = torch.stack([evidence[i] for i in batch.ids.tolist()])
                levels = round_toward(x_adv, batch.x.cpu())
                inside, holds = _look(setup, batch, levels)
                for i in inside[: batch.real].nonzero().flatten().tolist():
                    tail = "-holds" if holds[i] else ""
                    name = f"{int(batch.ids[i]):06d}-label-{int(batch.y[i])}{tail}.png"
                    write_atomic(out / name, png(levels[i]))
                written += int(inside[: batch.real].sum())
                holding += int(holds[: batch.real].sum())
                step(batch.real)
    return Exported(written, holding, out)


def round_toward(x_adv: Tensor, x: Tensor) -> Tensor:
    """Return (B, C, H, W) uint8: x_adv on the 8-bit grid, each value rounded toward x.

    Where no grid value lies between the two, the one nearest to x is taken.
    """
    return toward(x_adv, x).to(torch.uint8)


def png(levels: Tensor) -> bytes:
    """Return one image (1 or 3, H, W) uint8 as the bytes of a PNG file."""
    pixels = levels[0] if levels.shape[0] == 1 else levels.permute(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels.cpu().numpy()).save(buffer, format="PNG")
    return buffer.getvalue()


def _look(setup: EvaluationSetup, batch: Padded, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B,) bool twice: which rounded images are in the set, which of them fool the model."""
    x_adv = (levels.to(setup.dtype) / LEVELS).to(setup.device)
    inside = setup.threat.space.around(batch.x).contains(x_adv)
    score = setup.objective(batch).verdict(x_adv)
    return inside.cpu(), (inside & (score.harm > score.tie)).cpu()

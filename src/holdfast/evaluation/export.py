"""Counterexamples as 8-bit PNG files, rounded so that they stay in the set, and tested again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from holdfast.claims import Claim
from holdfast.data import Examples
from holdfast.errors import InputError
from holdfast.objective import Objective
from holdfast.models import frozen, wrap
from holdfast.plain import build
from holdfast.storage import write_atomic
from holdfast.threat import ThreatModel

LEVELS = 255


@dataclass(frozen=True)
class Exported:
    """How many images were written, and how many still fool the model after rounding."""

    written: int
    holding: int
    folder: Path

    def __str__(self) -> str:
        return (
            f"{self.written:,} images in {self.folder}; {self.holding:,} still fool the model after "
            "rounding to 8 bits within the set (their names end in -holds)"
        )


def export_png(claim: Claim, *, model: nn.Module, data: Examples, out: Path | str) -> Exported:
    """Write every counterexample of `claim` as a PNG; x must be images (1 or 3, H, W) in 0..1.

    Each value goes to the grid 0..255 toward the unchanged image, so the result stays in the set;
    where the unchanged image lies off the grid and no grid value is in the set, the file is left
    out. Each rounded image is audited and shown to the model again.
    """
    threat: ThreatModel = build("threat", claim.document["threat"])
    judge = wrap(model)
    place = {int(i): k for k, i in enumerate(data.ids.tolist())}
    written = holding = 0
    with frozen(judge):
        for name in sorted(n for n in claim.document["files"] if n.startswith("evidence-")):
            part = load_file(claim.folder / name)
            batch = data.batch(torch.tensor([place[int(i)] for i in part["ids"]]))
            levels = round_toward(part["x_adv"], batch.x)
            x_adv = levels.float() / LEVELS
            inside = threat.space.around(batch.x).contains(x_adv)
            score = Objective(threat, judge, batch.x, batch.y).verdict(x_adv)
            holds = inside & (score.harm > score.tie)
            for i in inside.nonzero().flatten().tolist():
                tail = "-holds" if bool(holds[i]) else ""
                path = Path(out) / f"{int(batch.ids[i]):06d}-label-{int(batch.y[i])}{tail}.png"
                write_atomic(path, png(levels[i]))
            written += int(inside.sum())
            holding += int(holds.sum())
    return Exported(written, holding, Path(out))


def round_toward(x_adv: Tensor, x: Tensor) -> Tensor:
    """Return (B, C, H, W) uint8: x_adv on the 8-bit grid, each value rounded toward x."""
    grid = x_adv.double() * LEVELS
    nearest = grid.round()
    # A value that is on the grid but for float32 rounding is that value.
    grid = torch.where((grid - nearest).abs() < 1e-3, nearest, grid)
    toward = torch.where(x_adv > x, grid.floor(), grid.ceil())
    return toward.clamp(0, LEVELS).to(torch.uint8)


def png(levels: Tensor) -> bytes:
    """Return one image (1 or 3, H, W) uint8 as the bytes of a PNG file."""
    if levels.ndim != 3 or levels.shape[0] not in (1, 3):
        raise InputError(f"a PNG needs an image (1 or 3, H, W), got shape {tuple(levels.shape)}")
    pixels = levels[0] if levels.shape[0] == 1 else levels.permute(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels.cpu().numpy()).save(buffer, format="PNG")
    return buffer.getvalue()

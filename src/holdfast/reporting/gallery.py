"""The pairs of a claim's gallery: clean input, counterexample, their difference made visible."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from holdfast.claims import Claim, read_tensors
from holdfast.claims.contents import GALLERY
from holdfast.errors import VerificationError

MOST = 1000  # pairs
LARGEST = 160  # pixels a side: beyond that a picture only makes the file heavier


@dataclass(frozen=True)
class Pair:
    """One example before and after the attack; pictures are PNG data URIs, "" if it is no image."""

    id: int
    label: str
    before: str  # predicted class
    after: str
    before_confidence: float | None  # softmax probability of that class, in 0..1
    after_confidence: float | None
    attack: str  # member of the suite that broke it first, as the author states
    clean: str
    adversarial: str
    difference: str
    magnified: float  # factor by which the difference was enlarged
    largest_change: float  # max |x_adv - x|, in the units of the data


def load_gallery(claim: Claim) -> tuple[Pair, ...]:
    """Return the pairs of a claim, none if it has no gallery.

    The file holds x and x_adv (G, ...), y (G,), and, where known, ids (G,), logits and logits_adv
    (G, K).
    """
    if GALLERY not in claim.document["files"]:
        return ()
    path = claim.folder / GALLERY
    found = read_tensors(path, ("x", "x_adv", "y"), ("ids", "logits", "logits_adv"))
    x, x_adv, y = found["x"].float(), found["x_adv"].float(), found["y"]
    if x.shape != x_adv.shape or x.ndim < 2 or x.numel() == 0 < len(x) or len(x) > MOST:
        raise VerificationError(
            f"{path} is not a gallery: x is {tuple(x.shape)} and x_adv {tuple(x_adv.shape)}, at "
            f"most {MOST} inputs of one shape"
        )
    names = claim.document["data"]["classes"]
    low, high = (float(end) for end in claim.document["model"]["range"])
    shift = (x_adv - x).abs().flatten(1).amax(dim=1) if len(x) else torch.zeros(0)
    magnified = _magnification(float(shift.max()) if len(x) else 0.0, high - low)
    ids = found.get("ids", torch.arange(len(y)))
    before = _answers(found.get("logits"), len(y), names)
    after = _answers(found.get("logits_adv"), len(y), names)
    broken_by = {row.id: row.broken_by or "" for row in claim.per_example}
    return tuple(
        Pair(
            id=int(ids[i]),
            label=_name(int(y[i]), names),
            before=before[i][0],
            before_confidence=before[i][1],
            after=after[i][0],
            after_confidence=after[i][1],
            attack=broken_by.get(int(ids[i]), ""),
            clean=_picture((x[i] - low) / (high - low)),
            adversarial=_picture((x_adv[i] - low) / (high - low)),
            difference=_picture(0.5 + magnified * (x_adv[i] - x[i]) / (high - low)),
            magnified=magnified,
            largest_change=float(shift[i]),
        )
        for i in range(len(y))
    )


def _magnification(largest: float, width: float) -> float:
    """Return the round factor that spreads the largest change over half of the gray scale."""
    if largest <= 0:
        return 1.0
    wanted = 0.5 * width / largest
    steps = [step * 10.0**power for power in range(5) for step in (1.0, 1.5, 2.0, 3.0, 5.0)]
    return max((step for step in steps if step <= wanted * 1.001), default=wanted)


def _answers(
    logits: Tensor | None, size: int, names: list[str] | None
) -> list[tuple[str, float | None]]:
    if logits is None or logits.ndim != 2 or logits.shape[1] == 0:
        return [("", None)] * size
    confidence, label = logits.float().softmax(dim=1).max(dim=1)
    pairs = zip(label.tolist(), confidence.tolist(), strict=True)
    return [(_name(int(k), names), float(p)) for k, p in pairs]


def _name(label: int, names: list[str] | None) -> str:
    return str(names[label]) if names and 0 <= label < len(names) else str(label)


def _picture(x: Tensor) -> str:
    """Return an image with values in 0..1 as a PNG data URI; "" if the shape is no image."""
    pixels = _pixels(x)
    if pixels is None:
        return ""
    image = Image.fromarray(pixels)
    if max(image.size) > LARGEST:
        scale = LARGEST / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        # Nearest: averaging would wash out the very noise that the picture is there to show.
        image = image.resize(size, Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _pixels(x: Tensor) -> NDArray[np.uint8] | None:
    if x.ndim == 2:
        x = x.unsqueeze(0)
    if x.ndim != 3 or x.shape[0] not in (1, 3) or min(x.shape[1:]) < 2:
        return None
    gray = (x.clamp(0, 1) * 255).round().to(torch.uint8)
    array: NDArray[np.uint8] = (gray[0] if len(gray) == 1 else gray.permute(1, 2, 0)).numpy()
    return np.ascontiguousarray(array)

"""One change for many inputs: found on one split and stored, or drawn by a formula."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import pi
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from holdfast.components import register
from holdfast.errors import InputError, StorageError
from holdfast.storage import read_card, read_file, user_path, write_atomic, write_card
from holdfast.tensors import as_image, expand_like
from holdfast.threat import Normed, Placed, Trait
from holdfast.units import Positive

SCHEMA = "holdfast-perturbation-1"
TENSORS, ABOUT = "perturbation.safetensors", "perturbation.json"


class Pattern:
    """The interface of every universal change; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "pattern"

    def change(self, region: Normed, y: Tensor) -> Tensor:
        """Return (B, ...): the change to add to each input, of the region's radius."""
        raise NotImplementedError

    def content(self, region: Placed, y: Tensor) -> Tensor:
        """Return (B, C, h, w): the content for the window of each input."""
        raise NotImplementedError

    def refuse(self, x: Tensor) -> None:
        """Raise InputError if one of the inputs x (B, ...) had a part in making the pattern."""


@register("pattern")
@dataclass(frozen=True, kw_only=True)
class ProceduralNoise(Pattern):
    """Stripes of equal strength, made without data or model (in the spirit of Co et al., 2019).

    Any shape is seen as (channels, height, width); all channels change alike.
    """

    periods: Positive = 4.0  # across the longer side
    degrees: float = 45.0  # the direction in which they repeat: 0 down, 90 to the right

    def change(self, region: Normed, y: Tensor) -> Tensor:
        x = region.x
        channels, height, width = as_image(x)
        stripes = self._stripes(height, width).to(x)
        wide = stripes.expand(len(x), channels, height, width).reshape(x.shape)
        return scaled(region, wide)

    def content(self, region: Placed, y: Tensor) -> Tensor:
        low, high = region.range
        stripes = torch.where(self._stripes(*region.sides) > 0, high, low).to(region.x)
        return stripes.expand(len(region.x), as_image(region.x)[0], -1, -1)

    def _stripes(self, height: int, width: int) -> Tensor:
        """Return (height, width) of 1 and -1."""
        place = torch.tensor(self.degrees * pi / 180, dtype=torch.float64)
        rows = torch.arange(height, dtype=torch.float64)[:, None] * place.cos()
        columns = torch.arange(width, dtype=torch.float64) * place.sin()
        phase = 2 * pi * self.periods * (rows + columns) / max(height, width) + pi / 4
        return torch.where(phase.sin() >= 0, 1.0, -1.0)


@register("pattern")
@dataclass(frozen=True, kw_only=True)
class Perturbation(Pattern):
    """A change that `fit` found and stored in a folder, one for all inputs or one for each class.

    In a set of another radius it is scaled. The examples that it was fitted on are refused.
    """

    path: str  # the folder
    digest: str = ""  # sha256 of its tensors, hex; empty: not checked

    def change(self, region: Normed, y: Tensor) -> Tensor:
        chosen = self._chosen(y, tuple(region.x.shape[1:]), "inputs").to(region.x)
        if Trait.INTEGER in region.traits:
            return chosen
        return chosen * expand_like(region.radius / self.about["radius"], chosen)

    def content(self, region: Placed, y: Tensor) -> Tensor:
        shape = (as_image(region.x)[0], *region.sides)
        return self._chosen(y, shape, "windows").to(region.x)

    def _chosen(self, y: Tensor, shape: tuple[int, ...], what: str) -> Tensor:
        """Return each label's change (B, *shape); InputError for one of another shape."""
        delta = self.tensors["delta"]
        if delta.shape[1:] != shape:
            raise InputError(
                f"the perturbation in {self.path} is for {what} of shape "
                f"{tuple(delta.shape[1:])}, got {shape}"
            )
        return delta.to(y.device)[y if len(delta) > 1 else torch.zeros_like(y)]

    def refuse(self, x: Tensor) -> None:
        both = sum(mark in self.marks for mark in marks(x))
        if both:
            raise InputError(
                f"{both} of {len(x)} examples were among those that the perturbation in "
                f"{self.path} was fitted on: report on another split"
            )

    @property
    def about(self) -> dict[str, Any]:
        """Return the description stored beside the tensors: space, method, split, fooling rate."""
        return _read(self.path, self.digest)[1]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Return `delta` (1 or K, ...), and `ids` (N,) of the examples that it was fitted on."""
        return _read(self.path, self.digest)[0]

    @property
    def marks(self) -> frozenset[int]:
        """Return the marks of the examples that it was fitted on."""
        return _read(self.path, self.digest)[2]


def store(
    out: Path, delta: Tensor, ids: Tensor, seen: Tensor, about: dict[str, Any]
) -> Perturbation:
    """Write a fitted change and return it: tensors first, then their description."""
    data = save({"delta": delta.cpu().contiguous(), "ids": ids.cpu(), "marks": seen.cpu()})
    digest = hashlib.sha256(data).hexdigest()
    write_atomic(out / TENSORS, data)
    write_card(out / ABOUT, {"schema": SCHEMA, "sha256": digest, **about})
    return Perturbation(path=str(out), digest=digest)


def marks(x: Tensor) -> Iterator[int]:
    """Yield 63 bits for each of x (B, ...) that no other input has, in float32."""
    for row in x.detach().float().cpu().contiguous():
        content = hashlib.sha256(row.contiguous().numpy().tobytes()).digest()
        yield int.from_bytes(content[:8], "big") >> 1


def scaled(region: Normed, change: Tensor) -> Tensor:
    """Return the change (B, ...) of the region's radius; of the range where sizes are counts."""
    if Trait.INTEGER in region.traits:
        return change * (region.range[1] - region.range[0])
    return change * expand_like(region.radius / region.norms(change).clamp_min(1e-12), change)


@lru_cache(maxsize=8)
def _read(path: str, digest: str) -> tuple[dict[str, Tensor], dict[str, Any], frozenset[int]]:
    """Return tensors, description and marks; StorageError for missing or altered files."""
    folder = user_path(path, "perturbation")
    about = read_card(folder / ABOUT, SCHEMA)
    data = read_file(folder / TENSORS)
    found = hashlib.sha256(data).hexdigest()
    if found != about["sha256"] or digest not in ("", found):
        raise StorageError(
            f"{folder / TENSORS} is not the perturbation that was stored: altered or replaced"
        )
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise StorageError(f"{folder / TENSORS} cannot be read: {error}") from None
    if absent := {"delta", "ids", "marks"} - set(tensors):
        raise StorageError(f"{folder / TENSORS} holds no perturbation: it lacks {min(absent)}")
    return tensors, json.loads(json.dumps(about)), frozenset(tensors["marks"].tolist())

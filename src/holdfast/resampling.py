"""Moving the pixels of images: bilinear sampling, differentiable in pixels and places alike.

Coordinates count pixels: (0, 0) is the center of the first one, rows go down, columns to the right.
Outside of an image is black (zero). Gathering keeps the backward pass deterministic on CUDA.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sample(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return (B, C, h, w): `image` (B, C, H, W) at the places `rows` and `columns` (B, h, w)."""
    top, left = rows.detach().floor(), columns.detach().floor()
    down, right = rows - top, columns - left
    total = torch.zeros_like(image[:, :, :1, :1])
    for row, vertical in ((top, 1 - down), (top + 1, down)):
        for column, horizontal in ((left, 1 - right), (left + 1, right)):
            weight = (vertical * horizontal)[:, None].to(image.dtype)
            total = total + weight * _pixels(image, row, column)
    return total


def rotate(rows: Tensor, columns: Tensor, radians: Tensor) -> tuple[Tensor, Tensor]:
    """Turn places (B, h, w), counted from the center, by angles (B,), clockwise as one sees it."""
    cosine, sine = radians.cos()[:, None, None], radians.sin()[:, None, None]
    return cosine * rows - sine * columns, sine * rows + cosine * columns


def centered(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows and columns (B, H, W) of every pixel, counted from the image's center."""
    batch, _, height, width = image.shape
    rows = torch.arange(height, device=image.device, dtype=image.dtype) - (height - 1) / 2
    columns = torch.arange(width, device=image.device, dtype=image.dtype) - (width - 1) / 2
    return (
        rows[None, :, None].expand(batch, height, width),
        columns[None, None].expand(batch, height, width),
    )


def sample_centered(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return `image` (B, C, H, W) at places (B, h, w) that are counted from its center."""
    height, width = image.shape[2:]
    return sample(image, rows + (height - 1) / 2, columns + (width - 1) / 2)


def _pixels(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return (B, C, h, w): pixels at whole places, zero outside the image."""
    batch, channels, height, width = image.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = rows.clamp(0, height - 1).long() * width + columns.clamp(0, width - 1).long()
    index = flat.reshape(batch, 1, -1).expand(batch, channels, -1)
    found = image.flatten(2).gather(2, index).reshape(batch, channels, *rows.shape[1:])
    return torch.where(inside[:, None], found, 0.0)

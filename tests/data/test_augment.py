from __future__ import annotations

import pytest
import torch

from holdfast.components import build, describe
from holdfast.data import FlipCrop
from holdfast.errors import InputError
from holdfast.rng import Rng

X = torch.rand(64, 3, 8, 6, generator=torch.Generator().manual_seed(0)) + 0.01


def rng(ids=None, seed=0, epoch=0):
    return Rng(seed, torch.arange(64) if ids is None else ids).fold("augment", epoch)


def views(image, pad):
    """Every shift and mirror image that FlipCrop may make of one image."""
    padded = torch.nn.functional.pad(image, (pad,) * 4)
    shifts = [
        padded[:, top : top + 8, left : left + 6]
        for top in range(2 * pad + 1)
        for left in range(2 * pad + 1)
    ]
    return torch.stack(shifts + [shift.flip(2) for shift in shifts])


def test_the_result_is_a_shift_or_its_mirror_image():
    out = FlipCrop(pad=2)(X, rng())
    which = [
        int((views(before, 2) == after).flatten(1).all(1).nonzero()[0])
        for before, after in zip(X, out, strict=True)
    ]
    assert out.shape == X.shape
    assert len(set(which)) > 30  # of 50, in 64 draws
    assert 15 < sum(view >= 25 for view in which) < 49


def test_draws_depend_on_seed_epoch_and_id_alone():
    augment, whole = FlipCrop(), FlipCrop()(X, rng())
    some = torch.tensor([40, 3, 11])
    assert torch.equal(augment(X[some], rng(some)), whole[some])
    assert not torch.equal(augment(X, rng(epoch=1)), whole)
    assert not torch.equal(augment(X, rng(seed=1)), whole)


def test_nothing_to_do_changes_nothing():
    assert torch.equal(FlipCrop(pad=0, flip=False)(X, rng()), X)


def test_it_is_its_own_configuration():
    assert build("augmentation", describe(FlipCrop(pad=2))) == FlipCrop(pad=2)


def test_only_images_can_be_cropped():
    with pytest.raises(InputError, match=r"\(B, C, H, W\)"):
        FlipCrop()(torch.rand(4, 10), rng(torch.arange(4)))

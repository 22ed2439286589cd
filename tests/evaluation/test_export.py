"""PNG files: on the grid, in the set, toward the unchanged image, and shown to the model again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation_setup import TINY, network
from holdfast.data import from_tensors
from holdfast.errors import InputError, VerificationError
from holdfast.evaluation import evaluate, export_png
from holdfast.evaluation.export import round_toward
from holdfast.spaces import L2, Linf
from holdfast.threat import ThreatModel


def on_grid(data):
    x = (data.batch(torch.arange(len(data))).x * 255).round().to(torch.uint8)
    return from_tensors(x, data.y, ids=data.ids, num_classes=5)


def read(path):
    return torch.from_numpy(np.array(Image.open(path))).float() / 255


@pytest.mark.parametrize("space", [Linf(eps="30/255"), Linf(eps=0.1211), L2(eps=0.5)])
def test_files_are_in_the_set_and_say_whether_they_hold(net, data, tmp_path, space):
    data, threat = on_grid(data), ThreatModel(space)
    claim = evaluate(
        net, data, threat=threat, suite=TINY, out=tmp_path / "c", batch_size=16, quiet=True
    )
    done = export_png(claim, model=net, data=data, out=tmp_path / "png")
    files = sorted((tmp_path / "png").iterdir())
    broken = [row.id for row in claim.per_example if row.status == "broken"]
    assert [int(file.name[:6]) for file in files] == broken
    assert done.written == len(broken) > 10
    place = {i: k for k, i in enumerate(data.ids.tolist())}
    clean = data.batch(torch.tensor([place[i] for i in broken]))
    x_adv = torch.stack([read(file)[None] for file in files])
    assert bool(space.around(clean.x).contains(x_adv).all())
    with torch.no_grad():
        fooled = net(x_adv).argmax(1) != clean.y
    assert fooled.tolist() == [file.stem.endswith("-holds") for file in files]
    assert done.holding == int(fooled.sum()) > len(broken) / 2
    assert f"{done.holding:,} still fool" in str(done)


def test_rounding_goes_toward_the_unchanged_image():
    x = torch.tensor([0.0, 10.0, 10.0, 10.0, 255.0, 20.0]) / 255
    x_adv = torch.tensor([0.4, 12.9, 7.1, 10.0, 254.5, 18.0000001]) / 255
    shape = (1, 1, 1, 6)
    assert round_toward(x_adv.reshape(shape), x.reshape(shape)).flatten().tolist() == [
        0, 12, 8, 10, 255, 18,
    ]  # fmt: skip


def test_rounding_off_the_grid_never_moves_further_than_it_must():
    draws = torch.Generator().manual_seed(0)
    x, x_adv = torch.rand(2, 500, 1, 1, 1, generator=draws)
    levels = round_toward(x_adv, x).double()
    moved, allowed = (levels - 255 * x.double()).abs(), (255 * (x_adv - x).double()).abs()
    assert bool((moved <= allowed.clamp_min(0.5) + 1e-2).all())


def test_images_off_the_grid_that_leave_the_set_are_left_out(net, data, tmp_path):
    x = (data.batch(torch.arange(90)).x * 255).floor().clamp_max(254) / 255 + 0.5 / 255
    own = from_tensors(x, data.y, num_classes=5)
    threat = ThreatModel(Linf(eps=0.4 / 255))
    flat = network()
    with torch.no_grad():
        flat[1].weight *= 300  # so that so small a change breaks
        own = from_tensors(x, flat(x).argmax(1), num_classes=5)
    claim = evaluate(
        flat, own, threat=threat, suite=TINY, out=tmp_path / "c", batch_size=16, quiet=True
    )
    assert claim.document["counts"]["broken"] > 0
    done = export_png(claim, model=flat, data=own, out=tmp_path / "png")
    assert (done.written, done.holding) == (0, 0)


def test_what_cannot_be_exported_is_refused(claim, net, data, tmp_path):
    with pytest.raises(VerificationError, match="another model"):
        export_png(claim, model=network(seed=1), data=data, out=tmp_path / "png")
    rows = from_tensors(torch.rand(9, 7), torch.arange(9) % 3)
    with pytest.raises(InputError, match="images"):
        export_png(claim, model=net, data=rows, out=tmp_path / "png")
    assert not (tmp_path / "png").exists()

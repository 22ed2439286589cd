"""Items and batches with named fields, as those of Hugging Face, and images that are Pillow's."""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset

from holdfast.data import Stream, as_examples, as_training_data, from_tensors
from holdfast.data.adapt import training_parts
from holdfast.data.examples import scale_bytes
from holdfast.data.images import read_image
from holdfast.errors import InputError

BYTES = torch.randint(256, (30, 3, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
X, Y = BYTES.float() / 255, torch.arange(30) % 3
SAME = from_tensors(X, Y).fingerprint
IMAGES = [Image.fromarray(x.permute(1, 2, 0).numpy()) for x in BYTES]


class Item(NamedTuple):
    image: object
    label: object
    path: object


@dataclass
class Record:
    path: str
    img: torch.Tensor
    target: int


class Made:
    """A map-style dataset of what `make` makes of an index."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return 30

    def __getitem__(self, row):
        return self.make(row)


class Columns(Made):
    """The interface of Hugging Face's `Dataset` as far as it is used here."""

    column_names = ("image", "label", "title")
    with_format = None

    def __init__(self, lists=Y):
        super().__init__(lambda row: {"image": IMAGES[row], "label": int(Y[row]), "title": None})
        kind = type("ClassLabel", (), {"names": ["ant", "bee", "cat"]})
        self.features, self.read = {"image": None, "label": kind}, 0
        self.with_format = lambda _: {"label": lists.tolist()}

    def __getitems__(self, rows):
        self.read += len(rows)
        return [self[row] for row in rows]


class Ordered(IterableDataset):
    def __iter__(self):
        return iter({"image": IMAGES[k], "label": int(Y[k])} for k in range(30))


def batches(make, size=8):
    return [make(part) for part in torch.arange(30).split(size)]


@pytest.mark.parametrize(
    "data",
    [
        Made(lambda k: {"pixel_values": X[k], "labels": int(Y[k]), "title": None}),
        Made(lambda k: {"img": BYTES[k].numpy(), "label": Y[k].numpy()}),
        Made(lambda k: UserDict(image=IMAGES[k], label=Y[k])),
        Made(lambda k: (IMAGES[k], int(Y[k]))),
        Made(lambda k: Item(X[k], int(Y[k]), "a.png")),
        Made(lambda k: Record("a.png", X[k], int(Y[k]))),
        Columns(),
        DataLoader(Columns(), 7, shuffle=True, collate_fn=lambda items: {
            "pixel_values": torch.stack([X[IMAGES.index(item["image"])] for item in items]),
            "labels": torch.tensor([item["label"] for item in items]),
        }),
        DataLoader(Made(lambda k: {"x": X[k], "y": int(Y[k])}), batch_size=None),
        Ordered(),
        DataLoader(Ordered(), batch_size=8, collate_fn=lambda items: {
            "image": [item["image"] for item in items], "label": [i["label"] for i in items],
        }),
        batches(lambda k: {"image": X[k], "label": Y[k]}),
        batches(lambda k: {"image": [IMAGES[i] for i in k], "label": Y[k].tolist()}),
        batches(lambda k: Record("", X[k], Y[k])),
        [{"image": IMAGES[k], "label": int(Y[k])} for k in range(30)],
        [(X[k], int(Y[k])) for k in range(30)],
        {"pixel_values": X, "label": Y},
        {"test": Columns(), "train": None},
    ],
)  # fmt: skip
def test_fields_with_a_usual_name_are_input_and_label(data):
    examples = as_examples(data)
    assert examples.fingerprint == SAME
    assert examples.batch(torch.tensor([2])).x.shape == (1, 3, 4, 4)


def test_other_fields_are_chosen_by_name_or_place():
    both = Made(lambda k: {"image": None, "pixel_values": X[k], "fine": int(Y[k]), "label": -1})
    triple = Made(lambda k: (int(Y[k]), "a.png", X[k]))
    named = Made(lambda k: Item("a.png", int(Y[k]), X[k]))
    for data, x, y in ((both, "pixel_values", "fine"), (triple, 2, 0), (named, "path", "label")):
        assert as_examples(data, x=x, y=y).fingerprint == SAME
        stream = as_training_data(iter([data[k] for k in range(30)]), x=x, y=y)
        assert isinstance(stream, Stream)
        assert stream.collect().fingerprint == SAME


@pytest.mark.parametrize(
    ("item", "chosen", "words"),
    [
        ({"image": X[0], "pixel_values": X[0], "label": 0}, {}, "'pixel_values' and 'image' could"),
        (
            {"image": X[0], "fine": 0, "coarse": 1},
            {},
            r"'fine', 'coarse'.*label.*y=\.\.\.",
        ),
        ({"image": X[0], "label": 0}, {"x": "img"}, "no field 'img' to be x: there are 'image'"),
        ({"image": X[0], "label": "cat"}, {}, "label of an item is 'cat': number the classes"),
        ({"image": {"path": "a.png"}, "label": 0}, {}, "x of an item is a dict: return a tensor"),
        ((X[0], 0, "a.png"), {}, "of 3: .*x=0, y=1"),
        ((X[0], 0, "a.png"), {"x": 3}, " of 3: "),
    ],
)
def test_fields_that_are_not_clear_are_named_with_the_fix(item, chosen, words):
    for data in (Made(lambda _: item), [item], DataLoader(Made(lambda _: item), batch_size=None)):
        with pytest.raises(InputError, match=words):
            as_examples(data, **chosen)
    with pytest.raises(InputError, match=r"no part 'test': pass one of its parts.*'train'"):
        as_examples({"train": Columns()})


def test_the_labels_of_a_column_and_their_names_are_used_without_reading_the_images():
    examples = as_examples(Columns())
    assert examples.classes == ("ant", "bee", "cat")
    wrong = Columns(torch.where(torch.arange(30) == 17, 0, Y))
    assert as_examples(wrong).y.tolist() == Y.tolist()  # its items say otherwise: they count


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGBA", "CMYK"])
def test_images_of_pillow_become_what_their_files_become(mode, tmp_path):
    image = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4) * 17)
    image = image.convert("RGB").convert(mode) if mode != "I;16" else image.convert(mode)
    path = tmp_path / ("image.tiff" if mode == "CMYK" else "image.png")
    image.save(path)
    kind = "L" if mode in ("1", "L", "I;16") else "RGB"
    found = as_examples(Made(lambda _: {"image": image, "label": 0}), num_classes=2)
    assert torch.equal(found.batch(torch.tensor([0])).x[0], scale_bytes(read_image(path, kind)))


def test_a_dictionary_of_parts_trains_on_one_and_chooses_by_another():
    data = {"train": Columns(), "validation": [{"x": X[:5], "y": Y[:5]}], "test": None}
    train, validation = training_parts(data, 0.1, (0.0, 1.0))
    assert (len(train), len(validation)) == (30, 5)
    train, validation = training_parts({"train": Columns()}, 0.2, (0.0, 1.0))
    assert (len(train), len(validation)) == (24, 6)  # a fifth of it is held out

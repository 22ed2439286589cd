"""What a dataset's items say counts, not what stands beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from holdfast.data import as_examples, from_tensors
from holdfast.errors import InputError

N = 200
X = torch.rand(N, 1, 3, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(N) % 4
NAMES = ("a", "b", "c", "d")


class Items(Dataset):
    """A dataset that gives its items, lists labels of its own, and counts how often it is read."""

    def __init__(self, y=Y, targets=None, x=X, **channels):
        self.x, self.y, self.reads = x, y, 0
        if targets is not None:
            self.targets = targets
        for name, value in channels.items():
            setattr(self, name, value)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        self.reads += 1
        return self.x[i], int(self.y[i])


class Remapped(TensorDataset):
    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x, 3 - y


class Masked(Subset):
    """A subset that numbers the labels anew."""

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x, y // 2

    def __getitems__(self, indices):
        return [self[i] for i in indices]


class Noisy(Items):
    """Labels that are drawn anew whenever an item is read."""

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x, (y + int(torch.randint(4, ()))) % 4


def after(n, y=Y):
    """Labels that agree with y for n items, and then are all wrong."""
    return torch.where(torch.arange(N) < n, y, (y + 1) % 4)


EVERY = list(range(0, N, 3))
THIRD = Y[::3]


@pytest.mark.parametrize(
    ("data", "y"),
    [
        (Items(targets=after(8).tolist()), Y),
        (Items(targets=after(150)), Y),
        (Subset(Subset(Items(targets=after(8)), EVERY), range(40)), THIRD[:40]),
        (ConcatDataset([Items(targets=after(8)), Items(targets=Y * 0)]), torch.cat([Y, Y])),
        (Items(targets=Y.tolist(), target_transform=len), Y),
        (Remapped(X, Y), 3 - Y),
        (Masked(Items(targets=Y), EVERY), THIRD // 2),
    ],
)
def test_labels_are_those_of_the_items(data, y):
    examples = as_examples(data)
    assert examples.y.tolist() == y.tolist()
    assert examples.batch(torch.arange(len(y))).y.tolist() == y.tolist()


def test_a_listed_label_that_an_item_contradicts_later_is_refused():
    lying = Y.clone()
    lying[5::20] += 1  # never among the sample that is compared at once
    sample = set(torch.linspace(0, N - 1, 64, dtype=torch.float64).long().tolist())
    lying[list(sample | set(range(8)))] = Y[list(sample | set(range(8)))]
    row = int((lying != Y).nonzero()[0])
    examples = as_examples(Items(targets=lying))
    with pytest.raises(InputError, match=rf"item {row} of Items comes with label \d, but the l"):
        examples.batch(torch.arange(N))


def test_labels_that_change_from_one_read_to_the_next_are_refused():
    with pytest.raises(InputError, match=r"came with label \d and now with \d"):
        as_examples(Noisy())
    dataset = Items(y=Y.clone())
    examples = as_examples(dataset)
    dataset.y[77] = 0 if Y[77] else 1
    with pytest.raises(InputError, match="item 77 of Items came with label"):
        examples.batch(torch.tensor([3, 77]))


def test_listed_labels_that_are_true_spare_a_pass():
    honest = Items(targets=Y)
    assert as_examples(honest).y.tolist() == Y.tolist()
    assert honest.reads < N / 2


@pytest.mark.parametrize(
    ("data", "names", "count"),
    [
        (Items(targets=Y, classes=NAMES), NAMES, 4),
        (Subset(Items(targets=Y, classes=NAMES), [0, 4, 8]), NAMES, 4),  # one class of four
        (Items(targets=Y, classes=("a", "b")), None, 4),  # too few
        (Items(targets=3 - Y, classes=NAMES), None, 4),  # those of other labels
        (Items(targets=Y, classes=NAMES, target_transform=len), None, 4),
        (
            Items(targets=Y, classes=NAMES, class_to_idx={"b": 0, "a": 1, "d": 2, "c": 3}),
            ("b", "a", "d", "c"),
            4,
        ),
        (Items(classes=NAMES, class_to_idx={"a": 0, "b": 0, "c": 1, "d": 2}, y=Y % 3), None, 3),
    ],
)
def test_names_are_kept_where_they_are_those_of_the_labels(data, names, count):
    examples = as_examples(data)
    assert (examples.classes, examples.num_classes) == (names, count)


def test_a_length_that_is_too_long_is_one_error():
    class Short(Items):
        def __getitem__(self, i):
            return list(zip(X[:150], Y[:150].tolist(), strict=True))[i]

    with pytest.raises(InputError, match="has 200 items, and reading items 0 to 199 raises"):
        as_examples(Short())
    with pytest.raises(InputError, match="has 2 items, and reading items 0 to 1 raises"):
        as_examples(Subset(Items(), [0, 999]))


KINDS = {
    "big-endian": lambda x: x.astype(">f4"),
    "mirrored": lambda x: x[..., ::-1].copy()[..., ::-1],
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "fields": lambda x: np.rec.fromarrays([x, x], names="a,b")["a"],  # strides of another size
    "long double": lambda x: x.astype(np.longdouble),
    "objects": lambda x: x.astype(object),
    "unmasked": lambda x: np.ma.array(x, mask=np.zeros(x.shape, bool)),
}
LABELS = [">i4", "uint16", "uint32", "uint64", object]


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_every_kind_are_read(kind):
    x, y = KINDS[kind](X.numpy()), Y.numpy().astype(LABELS[len(kind) % len(LABELS)])
    expected = from_tensors(X, Y).fingerprint
    assert as_examples((x, y)).fingerprint == expected
    assert as_examples([(x[:90], y[:90]), (x[90:], y[90:])]).fingerprint == expected
    assert len(as_examples((X.to(torch.float8_e4m3fn), Y))) == N
    if kind != "objects":
        assert as_examples(Items(x=x)).fingerprint == expected


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ma.array(X.numpy(), mask=X.numpy() > 0.5), r"x has \d+ masked values"),
        (np.rec.fromarrays([X.numpy(), X.numpy()], names="a,b"), "records with fields a, b"),
        (np.array([X[0].numpy(), None], dtype=object), "objects"),
        (np.array(["cat", "dog"]), "text"),
        (X.numpy().astype(complex), "complex128"),
        (X.to_sparse(), r"x\.to_dense\(\)"),
        (X.to("meta"), "x is on the device meta"),
    ],
)
def test_arrays_without_plain_numbers_are_one_error(x, words):
    with pytest.raises(InputError, match=words) as caught:
        as_examples((x, Y))
    assert "\n" not in str(caught.value)


class Sizes(Items):
    """Images of which some are larger."""

    def __init__(self, larger, form=lambda x: x):
        super().__init__()
        self.larger, self.form = larger, form

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return self.form(torch.ones(1, 5, 5) / 2 if i in self.larger else x), y


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Sizes({3}), r"item 3 of Sizes has shape \(1, 5, 5\), item 0 \(1, 3, 3\)"),
        (Sizes({190}, torch.Tensor.numpy), r"item 190 of Sizes has shape \(1, 5, 5\), item 0"),
        (Sizes(set(range(8, N))), r"item \d+ of Sizes has shape \(1, 5, 5\), item"),
        ([(X[:3], Y[:3]), (torch.ones(2, 1, 5, 5), Y[:2])], r"batch 1 of list has examples of"),
        (ConcatDataset([Items(), Items(x=X[:, :, :2])]), "item 200 of ConcatDataset has shape"),
    ],
)
def test_data_that_do_not_batch_are_one_line(data, words):
    with pytest.raises(InputError, match=words) as caught:
        examples = as_examples(data)
        examples.batch(torch.arange(len(examples)))
    assert "\n" not in str(caught.value)


class Broken(Items):
    """A dataset with an item that cannot be read."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def __getitem__(self, i):
        if i == 13:
            raise self.error
        return super().__getitem__(i)

    def batch(self, i):
        x, y = self[i]
        return x[None], torch.tensor([y])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            Broken(FileNotFoundError("13.png")),
            r"item 13 of Broken .* \(FileNotFoundError: 13.png\)",
        ),
        (Broken(KeyError("label")), "item 13 of Broken cannot be read"),
        (Subset(Broken(ValueError("two\nlines")), [9, 13]), "one of the items 0 to 1 of Subset"),
        (
            map(Broken(OSError("13.png")).batch, range(20)),
            r"batch 13 of map .* \(OSError: 13.png\)",
        ),
    ],
)
def test_an_item_that_cannot_be_read_is_one_line(data, words):
    with pytest.raises(InputError, match=words) as caught:
        as_examples(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("most", "held"), [(1, "of 0 and 1"), (16, "up to 16")])
def test_bytes_that_255_does_not_scale_are_refused_whatever_brings_them(most, held):
    binary = (X > 0.5).byte() * most
    for data in (
        (binary, Y),
        (binary.numpy(), Y.numpy()),
        Items(x=binary),
        Items(x=binary, targets=Y),
        [(binary[:90], Y[:90]), (binary[90:], Y[90:])],
    ):
        with pytest.raises(InputError, match=f"bytes {held} alone.* divided by {most},"):
            as_examples(data)
    late = torch.where(torch.arange(N)[:, None, None, None] == 151, (X > 0.5).byte() * 255, binary)
    for data in ((late, Y), Items(x=late), [(late[:90], Y[:90]), (late[90:], Y[90:])]):
        assert as_examples(data).batch(torch.tensor([151])).x.max() == 1
    assert as_examples((binary, Y), range=(0.0, 255.0)).batch(torch.arange(3)).x.max() == most


def test_the_ends_of_a_range_are_within_it_in_every_precision():
    x = torch.tensor([[0.1], [-0.7]], dtype=torch.float64)
    for given in (x, x.float()):
        assert len(as_examples((given, Y[:2]), range=(-0.7, 0.1))) == 2
    with pytest.raises(InputError, match="got values"):
        as_examples((x.float() + 1e-7, Y[:2]), range=(-0.7, 0.1))

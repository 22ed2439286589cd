from __future__ import annotations

import logging

import pytest
import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
)

from holdfast.data import Examples, Stream, as_examples, as_training_data, from_tensors, load
from holdfast.errors import InputError

X = torch.rand(30, 1, 3, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(30) % 3
SAME = from_tensors(X, Y).fingerprint


class Plain(Dataset):
    """A dataset that only indexes, and counts how often."""

    def __init__(self, x=X, y=Y):
        self.x, self.y, self.reads = x, y, 0

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        self.reads += 1
        return self.x[i], int(self.y[i])


class Listing(Plain):
    """A dataset that lists its labels, as torchvision's do."""

    classes = ("a", "b", "c")

    def __init__(self, targets, **options):
        super().__init__(**options)
        self.targets = targets


class Forward(IterableDataset):
    def __iter__(self):
        yield from zip(X, Y.tolist(), strict=True)


def dictionaries(items):
    return torch.stack([x for x, _ in items]), torch.tensor([y for _, y in items])


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        [X.numpy(), Y.numpy()],
        (X.double(), Y.int()),
        TensorDataset(X, Y),
        Plain(),
        Listing(Y.tolist()),
        from_tensors(X, Y),
        DataLoader(Plain(), batch_size=7, shuffle=True),
        DataLoader(TensorDataset(X, Y), batch_size=None),
        DataLoader(Plain(), collate_fn=dictionaries),
        DataLoader(Forward(), batch_size=4),
        Forward(),
        [(X[:20], Y[:20]), (X[20:], Y[20:])],
        ((x, y) for x, y in zip(X.split(9), Y.split(9), strict=True)),
    ],
    ids=lambda data: type(data).__name__,
)
def test_every_form_gives_the_same_examples(data):
    examples = as_examples(data)
    assert isinstance(examples, Examples)
    assert examples.fingerprint == SAME
    assert examples.num_classes == 3


def test_names_and_splits_mean_the_part_that_is_asked_for():
    splits = load("digits")
    assert as_examples("digits").fingerprint == splits.test.fingerprint
    assert as_training_data("digits").fingerprint == splits.train.fingerprint
    assert as_examples(splits, part="validation") is splits.validation
    with pytest.raises(InputError, match="'tests'"):
        as_examples(splits, part="tests")


def test_a_loader_says_that_it_is_rebuilt(caplog):
    as_examples(DataLoader(Plain()))
    assert "DataLoader rebuilt" in caplog.text
    assert "the 30 of 30 items" in caplog.text


def test_a_subset_sampler_keeps_its_subset():
    loader = DataLoader(Plain(), sampler=SubsetRandomSampler([7, 2, 5]))
    examples = as_examples(loader)
    assert torch.equal(examples.batch(torch.arange(3)).x, X[[2, 5, 7]])


def test_listed_labels_may_be_of_any_form():
    for listed in (Y.tolist(), Y.numpy(), (Y * 0).tolist(), "abc", [None] * 30):
        assert as_examples(Listing(listed)).y.tolist() == Y.tolist()
    part = as_examples(Subset(Listing(Y.tolist()), [4, 8]))
    assert part.y.tolist() == Y[[4, 8]].tolist()
    assert part.classes == ("a", "b", "c")


class Random(Plain):
    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x * torch.rand(()), y


def test_a_dataset_that_draws_at_random_is_noticed(caplog):
    as_examples(Plain())
    assert not caplog.records
    as_examples(Random())
    assert "draws at random" in caplog.text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((X * 255, Y), "divide by 255"),
        (Plain(X * 255), "divide by 255"),
        (Plain(y=Y - 1), "not be negative"),
        (Plain(X[:0], Y[:0]), "empty"),
        (
            DataLoader(Plain(), collate_fn=lambda items: {"x": 1}),
            "a usual name for the label",
        ),
        ([object(), object()], "pair of tensors"),
        ({"x": [X], "y": [Y]}, "no part 'test'"),
        ([], "yields nothing"),
        (3, "cannot read data from int"),
    ],
)
def test_anything_else_is_one_error(data, words):
    with pytest.raises(InputError, match=words):
        as_examples(data)


def test_every_batch_is_checked_not_only_the_first():
    many = X.repeat(10, 1, 1, 1)
    late = torch.where(torch.arange(300)[:, None, None, None] == 298, torch.nan, many)
    examples = as_examples(Listing(Y.repeat(10).tolist(), x=late, y=Y.repeat(10)))
    with pytest.raises(InputError, match="NaN"):
        _ = examples.fingerprint
    with pytest.raises(InputError, match="NaN"):
        as_examples([(X, Y), (late[270:], Y)])


def test_an_iterable_stays_a_stream_for_training(caplog):
    with caplog.at_level(logging.WARNING):
        stream = as_training_data(DataLoader(Forward(), batch_size=8))
    assert isinstance(stream, Stream)
    for _ in range(2):  # a loader starts anew
        batches = list(stream)
        assert torch.equal(torch.cat([batch.x for batch in batches]), X)
        assert torch.cat([batch.ids for batch in batches]).tolist() == list(range(30))
    assert not caplog.records


def test_a_generator_serves_one_pass_and_says_so():
    stream = as_training_data((x, y) for x, y in [(X, Y)])
    assert len(list(stream)) == 1
    with pytest.raises(InputError, match="can be read once only"):
        list(stream)


def test_another_range_is_stated():
    examples = as_examples((X * 2 - 1, Y), range=(-1.0, 1.0), num_classes=5)
    assert examples.range == (-1.0, 1.0)
    assert examples.num_classes == 5

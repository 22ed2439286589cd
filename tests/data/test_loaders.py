"""A DataLoader stands for the examples that it yields, each as often as it yields them."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)

from holdfast.data import Examples, Stream, as_examples, as_training_data
from holdfast.errors import InputError

N = 24
X = torch.rand(N, 1, 2, 2, generator=torch.Generator().manual_seed(0))
Y = torch.arange(N) % 3


class Plain(Dataset):
    def __init__(self):
        self.scale = 1.0

    def __len__(self):
        return N

    def __getitem__(self, i):
        return X[i] * self.scale, int(Y[i])


class Batches(Plain):
    """A dataset whose items are batches already."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return X[6 * i : 6 * i + 6], Y[6 * i : 6 * i + 6]


class Evens(Sampler):
    """A sampler of one's own, that shuffles."""

    def __iter__(self):
        return iter(random.sample(range(0, N, 2), N // 2))

    def __len__(self):
        return N // 2


class Doubling(DataLoader):
    """A loader that changes what it yields."""

    def __iter__(self):
        for x, y in super().__iter__():
            yield x / 2, y


class Endless:
    def __iter__(self):
        while True:
            yield from range(N)


def halved(item):
    return item[0] / 2, item[1]


def first_of_each_class(items):
    """Keep three items of a batch."""
    return torch.stack([x for x, _ in items[:3]]), torch.tensor([y for _, y in items[:3]])


def same(examples, x):
    """Return True if the set holds the images x, in any order."""
    found = examples.batch(torch.arange(len(examples))).x
    return len(found) == len(x) and sorted(found.flatten(1).tolist()) == sorted(
        x.flatten(1).tolist()
    )


PLAIN = Plain()
SOME = [7, 2, 5, 11, 3]


@pytest.mark.parametrize(
    ("loader", "x"),
    [
        (DataLoader(PLAIN, batch_sampler=[[7, 2], [5, 11, 3]]), X[SOME]),
        (DataLoader(PLAIN, batch_sampler=BatchSampler(SOME, 2, drop_last=True)), X[SOME[:4]]),
        (DataLoader(PLAIN, batch_size=5, sampler=SOME), X[SOME]),
        (DataLoader(PLAIN, sampler=iter(SOME)), X[SOME]),
        (DataLoader(PLAIN, sampler=[4, 4, 1]), X[[4, 4, 1]]),
        (DataLoader(PLAIN, sampler=np.array(SOME)), X[SOME]),
        (DataLoader(PLAIN, sampler=SequentialSampler(range(5))), X[:5]),
        (DataLoader(PLAIN, sampler=RandomSampler(range(5))), X[:5]),
        (DataLoader(PLAIN, 7, sampler=SubsetRandomSampler(SOME)), X[SOME]),
        (DataLoader(PLAIN, sampler=Evens()), X[::2]),
        (DataLoader(PLAIN, 10, drop_last=True), X[:20]),
        (DataLoader(PLAIN, 10, shuffle=True), X),
        (DataLoader(PLAIN, batch_size=None, collate_fn=halved, sampler=SOME), X[SOME] / 2),
        (DataLoader(TensorDataset(X, Y), batch_sampler=[[0, 9]]), X[[0, 9]]),
    ],
)
def test_a_loader_is_rebuilt_with_the_items_that_it_selects(loader, x):
    examples = as_training_data(loader)
    assert isinstance(examples, Examples)
    assert same(examples, x)


@pytest.mark.parametrize(
    ("loader", "x"),
    [
        (Doubling(PLAIN, 5), X / 2),
        (DataLoader(Batches(), batch_size=None), X),
        (
            DataLoader(
                TensorDataset(X, Y), batch_size=None, sampler=BatchSampler(SOME, 2, drop_last=False)
            ),
            X[SOME],
        ),
    ],
)
def test_what_cannot_be_rebuilt_is_read_as_it_stands(loader, x, caplog):
    assert same(as_examples(loader), x)
    assert "as it stands" in caplog.text
    assert isinstance(as_training_data(loader), Stream)


def test_a_sampler_that_draws_others_each_time_is_read_as_it_stands():
    for sampler in (
        WeightedRandomSampler([1.0] + [0.0] * (N - 1), 9),
        RandomSampler(PLAIN, replacement=True),
        RandomSampler(PLAIN, num_samples=9),
    ):
        loader = DataLoader(PLAIN, 4, sampler=sampler)
        assert len(as_examples(loader)) == len(sampler)
    weighted = as_examples(DataLoader(PLAIN, sampler=WeightedRandomSampler([0.0, 1.0], 9)))
    assert same(weighted, X[[1] * 9])


def test_nothing_is_drawn_from_the_generators_of_others():
    own = torch.Generator().manual_seed(3)
    states = [own.get_state(), torch.get_rng_state()], random.getstate()
    as_training_data(DataLoader(PLAIN, sampler=Evens(), generator=own))
    as_training_data(DataLoader(PLAIN, sampler=WeightedRandomSampler([1.0] * 3, 3, generator=own)))
    assert torch.equal(own.get_state(), states[0][0])
    assert torch.equal(torch.get_rng_state(), states[0][1])
    assert random.getstate() == states[1]


def test_what_cannot_be_honored_is_one_error():
    share = DistributedSampler(PLAIN, num_replicas=2, rank=0)
    for loader, words in (
        (DataLoader(PLAIN, sampler=share), "has a DistributedSampler: processes share"),
        (DataLoader(PLAIN, sampler=Endless()), "sampler yields more than 2,400 indices"),
        (DataLoader(PLAIN, 8, collate_fn=first_of_each_class), "makes 3 examples of 8 items"),
        (DataLoader(PLAIN, 8, collate_fn=lambda items: items[0][99]), "cannot collate the items"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            as_examples(loader)
        assert "\n" not in str(caught.value)


def initialize(worker):
    get_worker_info().dataset.scale = 0.5


def seed_alone(worker):
    random.seed(worker)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_what_only_an_initialized_worker_reads_is_read_by_it():
    loader = DataLoader(Plain(), 6, num_workers=1, worker_init_fn=initialize)
    assert same(as_examples(loader), X / 2)
    plain = DataLoader(Plain(), 6, num_workers=1, worker_init_fn=seed_alone)
    assert isinstance(as_training_data(plain), Examples)


class Forward(IterableDataset):
    """Examples one after another, all of them in every worker or a share in each."""

    def __init__(self, sharded=False, shuffled=False):
        self.sharded, self.shuffled = sharded, shuffled

    def __iter__(self):
        info = get_worker_info()
        order = list(range(N))
        if self.shuffled:
            random.Random(0 if info is None else info.seed).shuffle(order)
        if info is not None and self.sharded:
            order = order[info.id :: info.num_workers]
        for i in order:
            yield X[i], int(Y[i])


@pytest.mark.parametrize(
    "dataset",
    [Forward(), Forward(sharded=True), Forward(shuffled=True)],
    ids=["plain", "sharded", "shuffled"],
)
def test_an_iterable_dataset_counts_once_whatever_its_workers(dataset, caplog):
    loader = DataLoader(dataset, 5, num_workers=2, persistent_workers=True, timeout=60)
    assert same(as_examples(loader), X)
    assert sum(map(len, as_training_data(loader))) == N
    assert "reads Forward in one process" in caplog.text
    assert (loader.num_workers, loader.timeout) == (2, 60)


class Growing(IterableDataset):
    """Images of which the eighth is larger, as tensors or as arrays."""

    def __init__(self, form=lambda x: x):
        self.form = form

    def __iter__(self):
        for i in range(N):
            yield self.form(torch.ones(1, 5, 5) if i == 7 else X[i]), 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("data", "batch"),
    [
        (Growing(), 0),
        (DataLoader(Growing(torch.Tensor.numpy), 5), 1),
        (DataLoader(Growing(), 2, num_workers=1), 3),
        (DataLoader(Growing(lambda x: None), 2), 0),
    ],
)
def test_a_stream_that_does_not_batch_is_one_line(data, batch):
    with pytest.raises(InputError, match=rf"batch {batch} of .* cannot be made") as caught:
        list(as_training_data(data))
    assert "\n" not in str(caught.value)
    assert "one size" in str(caught.value)


def test_a_stream_takes_arrays_of_every_kind():
    class Mirrored(IterableDataset):
        def __iter__(self):
            for i in range(N):
                yield X[i].numpy()[..., ::-1].astype(">f4"), np.uint16(Y[i])

    examples = as_examples(Mirrored())
    assert torch.equal(examples.batch(torch.arange(N)).x, X.flip(3))
    assert examples.y.tolist() == Y.tolist()

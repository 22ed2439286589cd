from __future__ import annotations

import pytest
import torch

from holdfast.data import Splits, Stream, epoch_order, from_tensors, split
from holdfast.errors import InputError

X = (torch.arange(60 * 4) % 256).reshape(60, 1, 2, 2).byte()
Y = torch.arange(60) % 3


def some(**options):
    return from_tensors(X, Y, **options)


def test_bytes_stay_bytes_until_they_are_batched():
    examples = some()
    assert examples.source.x.dtype == torch.uint8
    batch = examples.batch(torch.tensor([3, 1]))
    assert torch.equal(batch.x, X[[3, 1]].float() / 255)
    assert batch.y.tolist() == [0, 1]
    assert batch.ids.tolist() == [3, 1]
    assert len(batch) == 2
    assert batch.to("cpu").x.dtype == torch.float32


def test_a_set_says_what_it_is():
    examples = some(name="squares", classes=("a", "b", "c"))
    assert (len(examples), examples.shape, examples.num_classes) == (60, (1, 2, 2), 3)
    assert (examples.name, examples.range) == ("squares", (0.0, 1.0))
    assert from_tensors(X, Y * 0).num_classes == 2


def test_ids_survive_every_selection():
    examples = some(ids=torch.arange(60) * 10)
    part = examples.take(torch.tensor([5, 7, 9])).take(torch.tensor([2, 0]))
    assert part.ids.tolist() == [90, 50]
    assert torch.equal(part.batch(torch.tensor([0])).x, X[[9]].float() / 255)
    assert examples.select(torch.tensor([590, 0])).y.tolist() == [Y[59], Y[0]]
    for absent in (5, 1000, -1):
        with pytest.raises(InputError, match=f"no example with id {absent}"):
            examples.select(torch.tensor([10, absent]))


def test_the_fingerprint_is_of_content_and_ids_not_of_storage():
    examples = some()
    same = from_tensors(X.float() / 255, Y.int(), name="another name")
    assert examples.fingerprint == same.fingerprint
    changed = X.clone()
    changed[59, 0, 1, 1] += 1
    others = [
        from_tensors(changed, Y),
        from_tensors(X, (Y + (torch.arange(60) == 59)) % 3),
        some(ids=torch.arange(60) + 1),
        examples.take(torch.arange(59)),
        examples.take(torch.arange(60).flip(0)),
        from_tensors(X.reshape(60, 1, 1, 4), Y),
    ]
    assert len({examples.fingerprint, *(other.fingerprint for other in others)}) == 7
    assert examples.take(torch.arange(60)).fingerprint == examples.fingerprint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"x": X.float()}, "divide by 255"),
        ({"x": X.float() / 255 + torch.nan}, "NaN"),
        ({"x": X.long()}, "floating point"),
        ({"x": X[:5]}, "5 examples and 60 labels"),
        ({"x": X[:0], "y": Y[:0]}, "empty"),
        ({"y": Y.float()}, "integer labels"),
        ({"y": Y - 1}, "not be negative"),
        ({"num_classes": 2}, r"0\.\.1, got 2"),
        ({"classes": ("a", "b")}, r"0\.\.1, got 2"),
        ({"ids": torch.zeros(60)}, "unique"),
        ({"ids": torch.arange(59)}, "unique"),
    ],
)
def test_what_is_no_labelled_set_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        from_tensors(**{"x": X, "y": Y, **options})


def test_the_order_of_an_epoch_is_a_permutation_that_seed_and_epoch_decide():
    state = torch.random.get_rng_state()
    orders = [tuple(epoch_order(500, seed, epoch).tolist()) for seed in (0, 1) for epoch in (0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(sorted(order) == list(range(500)) for order in orders)
    assert len(set(orders)) == 4
    assert orders[0] == tuple(epoch_order(500, 0, 0).tolist())
    assert epoch_order(0, 0, 0).tolist() == []


def test_the_order_is_uniform():
    firsts = torch.stack([epoch_order(5, 0, epoch) for epoch in range(4000)])
    for position in range(5):
        counts = firsts[:, position].bincount(minlength=5)
        assert ((counts - 800).abs() < 5 * (4000 * 0.2 * 0.8) ** 0.5).all()


def test_a_split_is_stratified_complete_and_follows_the_ids():
    examples = some()
    train, held = split(examples, validation=0.2, seed=3)
    assert sorted(train.ids.tolist() + held.ids.tolist()) == list(range(60))
    assert held.y.bincount().tolist() == [4, 4, 4]
    assert train.ids.tolist() == sorted(train.ids.tolist())
    shuffled = examples.take(epoch_order(60, 0, 0))
    assert set(split(shuffled, 0.2, seed=3)[1].ids.tolist()) == set(held.ids.tolist())
    assert set(split(examples, 0.2, seed=4)[1].ids.tolist()) != set(held.ids.tolist())


def test_a_split_leaves_each_part_something_of_every_class():
    few = some().take(torch.arange(6))  # two of each class
    for fraction in (0.01, 0.99):
        train, held = split(few, fraction)
        assert train.y.bincount().tolist() == held.y.bincount().tolist() == [1, 1, 1]


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2])
def test_a_split_needs_a_fraction(fraction):
    with pytest.raises(InputError, match=r"fraction in \(0, 1\)"):
        split(some(), fraction)


def test_a_set_too_small_to_split_is_refused():
    with pytest.raises(InputError, match="too few"):
        split(some().take(torch.arange(3)), 0.5)


def test_bytes_are_scaled_to_the_range_of_the_set():
    at = torch.arange(60)
    floats = from_tensors(X.float(), Y, range=(0.0, 255.0))
    assert torch.equal(some(range=(0.0, 255.0)).batch(at).x, floats.batch(at).x)
    assert some(range=(0.0, 255.0)).fingerprint == floats.fingerprint
    centered = some(range=(-1.0, 1.0)).batch(at).x
    assert torch.allclose(centered, X.float() / 255 * 2 - 1, atol=1e-6)
    assert float(centered.min()) == -1.0
    (batch,) = Stream([(X, Y)], range=(0.0, 255.0))
    assert torch.equal(batch.x, X.float())


def test_splits_tell_their_parts_what_they_are():
    train, held = split(some())
    assert train.part is None
    parts = Splits(train, held, held)
    assert [p.part for p in (parts.train, parts.validation, parts.test)] == [
        "train",
        "validation",
        "test",
    ]
    assert parts.test.take(torch.arange(2)).part == "test"

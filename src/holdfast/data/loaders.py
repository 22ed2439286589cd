"""DataLoaders, rebuilt around the items that they select, or read as they stand."""

from __future__ import annotations

import copy
import logging
import operator
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    default_collate,
    default_convert,
)

from holdfast.data.examples import Examples
from holdfast.data.fields import BY_NAME, Fields, is_single, pair
from holdfast.data.stream import Stream
from holdfast.data.torch_data import Collate, FromDataset, collate_arrays, from_dataset
from holdfast.errors import InputError
from holdfast.inputs import UNIT
from holdfast.rng import restored_states

logger = logging.getLogger(__name__)

_PASSES = 100  # times the length of a dataset: a sampler that yields more indices never ends
_UNSIZED = 10**6  # the length taken for that of a dataset without one
_PROBE = 8  # items that are compared as a worker reads them and as this process does


def from_loader(
    loader: DataLoader[Any],
    *,
    num_classes: int | None = None,
    range: tuple[float, float] = UNIT,
    fields: Fields = BY_NAME,
) -> Examples | Stream:
    """Return the examples of a DataLoader, and say how it was taken.

    Where each pass selects the same items of the dataset, in any order, they are a set, made
    by the loader's own collate function. Everything else is a stream of the loader's batches.
    """
    name = type(loader).__name__
    if isinstance(loader.dataset, IterableDataset):
        return Stream(_in_one_process(loader), name=name, range=range, fields=fields)
    collate = _collate(loader, range, fields)
    indices = None if collate is None else _selected(loader)
    if collate is None or indices is None:
        logger.warning(
            "%s read as it stands, batch by batch: it cannot be rebuilt from its dataset, since "
            "its passes select different items, or its batches are made elsewhere",
            name,
        )
        return Stream(loader, name=name, range=range, fields=fields)
    count = _length(loader.dataset)
    logger.warning(
        "%s rebuilt from its dataset and collate function, with the %d of %s items that it "
        "selects; order, batch size and workers are Holdfast's",
        name,
        len(indices),
        "some" if count is None else count,
    )
    whole = count is not None and indices == list(_up_to(count))
    return from_dataset(
        loader.dataset if whole else Subset(loader.dataset, indices),
        None if collate is default_collate else collate,
        num_classes=num_classes,
        range=range,
        fields=fields,
    )


def _in_one_process(loader: DataLoader[Any]) -> DataLoader[Any]:
    """Return the loader of an iterable dataset such that nothing comes more than once.

    Each of several workers yields all of a dataset that does not ask which worker it is in; one
    that does ask yields all of it where there are none.
    """
    if loader.num_workers < 2:
        return loader
    logger.warning(
        "%s reads %s in one process: each of its %d workers would yield all of it, unless it is "
        "sharded",
        type(loader).__name__,
        type(loader.dataset).__name__,
        loader.num_workers,
    )
    alone = copy.copy(loader)
    alone.num_workers, alone.timeout = 0, 0
    return alone


def _collate(loader: DataLoader[Any], range: tuple[float, float], fields: Fields) -> Collate | None:
    """Return a function that makes a batch of any items; None if only the loader can."""
    if type(loader).__iter__ is not DataLoader.__iter__:
        return None
    collate = loader.collate_fn if loader.batch_sampler is not None else _one_by_one(loader, fields)
    if collate is not None and loader.worker_init_fn is not None and loader.num_workers:
        return collate if _same_without_workers(loader, collate, range, fields) else None
    return collate


def _one_by_one(loader: DataLoader[Any], fields: Fields) -> Collate | None:
    """Return a function that makes a batch where the loader makes none; None for ready batches."""
    convert = loader.collate_fn
    with _untouched(loader.sampler, loader):
        try:
            first = operator.index(next(iter(loader.sampler)))
            _, y = fields.of(convert(loader.dataset[first]))
        except (StopIteration, TypeError, ValueError):
            return None
    if not is_single(y):
        return None
    if convert is default_convert:
        return default_collate
    return lambda items: collate_arrays([convert(item) for item in items])


def _same_without_workers(
    loader: DataLoader[Any], collate: Collate, range: tuple[float, float], fields: Fields
) -> bool:
    """Return True if the first items are the same in a worker that the loader initializes.

    Items that are drawn at random are compared in their labels alone.
    """
    rows = torch.arange(min(_length(loader.dataset) or 1, _PROBE))
    probe = DataLoader(
        loader.dataset,
        batch_sampler=[rows.tolist()],
        num_workers=1,
        collate_fn=collate,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=torch.Generator(),
    )
    (theirs,) = (pair(batch, fields) for batch in probe)
    here = FromDataset(loader.dataset, collate, range, type(loader.dataset).__name__, fields)
    try:
        ours, again = here.fetch_pair(rows), here.fetch_pair(rows)
    except Exception:  # noqa: BLE001 - it cannot be read here, for a reason of its own
        return False
    drawn = not torch.equal(ours[0], again[0])
    return torch.equal(ours[1], theirs[1]) and (drawn or torch.equal(ours[0], theirs[0]))


def _selected(loader: DataLoader[Any]) -> list[int] | None:
    """Return the indices that every pass selects, sorted; None if passes select different ones."""
    source: Any = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
    sampler = source.sampler if type(source) is BatchSampler else source
    if isinstance(sampler, DistributedSampler) and sampler.num_replicas > 1:
        raise InputError(
            f"{type(loader).__name__} has a {type(sampler).__name__}: processes share the "
            "examples by themselves here, pass it without"
        )
    # What these two select is known; a last, partial batch that is dropped is another every time.
    if type(sampler) is SubsetRandomSampler:
        return sorted(int(index) for index in sampler.indices)
    if type(sampler) is RandomSampler:
        count = len(sampler.data_source)
        return list(_up_to(count)) if _permutes(sampler, count) else None
    batched = loader.batch_sampler is not None
    limit = _PASSES * (_length(loader.dataset) or _UNSIZED)
    with _untouched(sampler, source, loader):
        first, second = (_indices(source, batched, limit) for _ in "ab")
    # A generator can be read once, so its first pass is all that it selects.
    return first if second in (first, []) else None


def _permutes(sampler: RandomSampler, count: int) -> bool:
    return not sampler.replacement and sampler.num_samples == count


def _indices(source: Iterable[Any], batched: bool, limit: int) -> list[int] | None:
    """Return the indices of one pass, sorted; None if they are not whole numbers."""
    found = chain.from_iterable(source) if batched else source
    try:
        indices = sorted(operator.index(index) for index in islice(found, limit + 1))
    except TypeError:
        return None
    if len(indices) > limit:
        raise InputError(
            f"the DataLoader's sampler yields more than {limit:,} indices: pass one that ends"
        )
    return indices


@contextmanager
def _untouched(*drawing: Any) -> Iterator[None]:
    """Leave the global generators, and those of samplers and loaders, as they were."""
    generators = [getattr(one, "generator", None) for one in drawing]
    states: list[tuple[torch.Generator, Tensor]] = [
        (one, one.get_state()) for one in generators if isinstance(one, torch.Generator)
    ]
    try:
        with restored_states():
            yield
    finally:
        for generator, state in states:
            generator.set_state(state)


def _length(dataset: Any) -> int | None:
    try:
        return len(dataset)
    except TypeError:
        return None


_up_to = range  # `range` is our name for the bounds of values

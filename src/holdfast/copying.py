"""Copies of networks, also of those that `copy.deepcopy` refuses."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

_M = TypeVar("_M", bound=nn.Module)
_Memo = dict[int, Any]  # from an object's id to its copy
_KEPT = -1  # no object's id


def copied(module: _M, shared: Iterable[Tensor] = ()) -> _M:
    """Return a copy of a network with tensors of its own, but for those in `shared`.

    `copy.deepcopy` refuses a network for one attribute: a tensor with a history (old weight norm
    keeps one), a lock, an open file, a generator, a `__deepcopy__` that raises. Then the network is
    copied part by part. A tensor with a history becomes its value; an object without a copy (a
    lock) is the same object in both.
    """
    memo = {id(tensor): tensor for tensor in shared}
    try:
        return deep_copy(module, memo)
    except Exception:  # noqa: BLE001 - an attribute may raise any type
        made: _M = _rebuilt(module, memo)
        return made


def deep_copy(module: _M, memo: _Memo | None = None) -> _M:
    """Return `copy.deepcopy` of an object; raise TypeError where that would leave out slots.

    TorchScript copies a parameter as one more step of its history, unless nobody asks for gradients
    meanwhile: a weight that is a result of others can be neither frozen nor trained.
    """
    for part in module.modules():
        for name in _slots(type(part)):
            if hasattr(part, name):
                raise TypeError(f"{type(part).__name__} keeps {name!r} in a slot")
    with torch.no_grad():
        made = copy.deepcopy(module, dict(memo or {}))
    for ours, theirs in zip(made.parameters(), module.parameters(), strict=True):
        if ours.requires_grad != theirs.requires_grad:
            ours.requires_grad_(theirs.requires_grad)
    return made


def _copy(value: Any, memo: _Memo) -> Any:
    """Return the copy of a part, made once however often it occurs."""
    if id(value) in memo:
        return memo[id(value)]
    kind = type(value)
    if isinstance(value, Tensor) and not value.is_leaf:
        made: Any = value.detach().clone()
    elif kind in (dict, OrderedDict):
        made = memo[id(value)] = kind()
        made.update((key, _copy(item, memo)) for key, item in value.items())
    elif kind is list:
        made = memo[id(value)] = []
        made.extend(_copy(item, memo) for item in value)
    elif kind is tuple:
        made = tuple(_copy(item, memo) for item in value)
    elif isinstance(value, nn.Module) and not hasattr(kind, "__deepcopy__"):
        made = _rebuilt(value, memo)
    else:
        made = _whole(value, memo)
    memo[id(value)] = made
    return made


def _whole(value: Any, memo: _Memo) -> Any:
    """Return the copy that an object's own protocol makes, or one made part by part."""
    attempt = dict(memo)  # a failed attempt leaves half of its copies behind
    try:
        made = copy.deepcopy(value, attempt)
    except Exception:  # noqa: BLE001 - an attribute may raise any type
        return _rebuilt(value, memo)
    memo.update(attempt)
    memo.setdefault(_KEPT, []).append(attempt)  # else its id, a key, may be another object's soon
    return made


def _rebuilt(value: Any, memo: _Memo) -> Any:
    """Return an object of the same class with copies of its attributes; itself if it has none."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    try:
        made = object.__new__(type(value))
    except TypeError:  # a lock, a file, a generator: made in C, and not by us
        return value
    memo[id(value)] = made
    if hasattr(value, "__dict__"):
        made.__dict__.update((name, _copy(part, memo)) for name, part in vars(value).items())
    for name in _slots(type(value)):
        if hasattr(value, name):
            object.__setattr__(made, name, _copy(getattr(value, name), memo))
    return made


def _slots(kind: type) -> Iterator[str]:
    """Yield the names of the attributes that a class keeps in slots."""
    for base in kind.__mro__:
        names = vars(base).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if name.startswith("__") and not name.endswith("__"):
                yield f"_{base.__name__.lstrip('_')}{name}"
            elif name not in ("__dict__", "__weakref__"):
                yield name

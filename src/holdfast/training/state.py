"""The training state: everything that a resumed run needs, and nothing that it does not.

A checkpoint is a folder of one safetensors file and one JSON file. It is written under a temporary
name, renamed when whole, and only then does `newest.json` point to it; older ones go last. A kill
at any moment leaves a checkpoint that loads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.errors import InputError, StorageError
from holdfast.storage import (
    TEMPORARY,
    guarded,
    make_folder,
    read_card,
    read_json,
    sync_folder,
    write_card,
    write_json,
)
from holdfast.training.ema import EMA
from holdfast.training.safetensors_io import (
    assign,
    read_tensors,
    tensors_of,
    write_tensors,
)

SCHEMA = "holdfast-state-1"
_POINTER = '{"checkpoint": "epoch-00001-batch-0000000"}'
KEPT = 2  # the newest checkpoint and the one before it
Record = dict[str, Any]
"""One epoch's line of metrics.jsonl."""


@dataclass
class TrainState:
    """All of the training state; one or several networks, each under its name.

    step counts optimizer steps, epoch completed epochs, position the steps done in the present
    epoch. totals (T,) are the running sums of the present epoch (see `step`), seconds its time.
    """

    seed: int
    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    averages: dict[str, EMA]
    totals: Tensor  # (T,) float64
    step: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    finished: str | None = None  # why training ended, None while it has not
    history: list[Record] = field(default_factory=list)

    @property
    def best(self) -> Record | None:
        """Return the record of the best epoch so far, None before the first."""
        return next((record for record in reversed(self.history) if record["best"]), None)


_SCALARS = ("seed", "step", "epoch", "position", "seconds", "finished", "history")


def save(state: TrainState, folder: Path, environment: Mapping[str, Any]) -> Path:
    """Write a checkpoint below `folder` and return its path; StorageError if that fails.

    Saving the same moment twice writes once.
    """
    name = f"epoch-{state.epoch:05d}-batch-{state.position:07d}"
    target = folder / name
    if _newest(folder) == name and target.is_dir():
        return target
    make_folder(folder)
    temporary = folder / f"{TEMPORARY}{os.getpid()}-{name}"
    with guarded(target):
        try:
            sha256 = write_tensors(temporary / "tensors.safetensors", dict(_flatten(state)))
            write_card(temporary / "state.json", _card(state, sha256, environment))
            if target.exists():
                shutil.rmtree(target)  # whole, but a kill came before the pointer moved
            os.replace(temporary, target)
            sync_folder(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    write_json(folder / "newest.json", {"checkpoint": name})
    _prune(folder, name)
    return target


def newest(folder: Path) -> Path | None:
    """Return the checkpoint to resume from, None if there is none.

    That is the one that `newest.json` names, or the latest other one if its folder was removed.
    """
    name = _newest(folder)
    if name is None:
        return None
    if (folder / name).is_dir():
        return folder / name
    others = sorted(folder.glob("epoch-*"))
    if not others:
        raise StorageError(f"{folder / name} is missing: start again in another folder")
    return others[-1]


def environment_of(checkpoint: Path) -> dict[str, Any]:
    """Return the environment in which a checkpoint was written."""
    found: dict[str, Any] = _read(checkpoint)["environment"]
    return found


def load(state: TrainState, checkpoint: Path) -> None:
    """Put a checkpoint into a state built for the same network and plan.

    Raises StorageError if the checkpoint is damaged, InputError if it is of another architecture.
    """
    card = _read(checkpoint)
    tensors = read_tensors(checkpoint / "tensors.safetensors", card["sha256"])
    for name, module in state.modules.items():
        assign(module, _below(tensors, f"modules/{name}/"), checkpoint)
    if set(card["averages"]) != set(state.averages):
        raise InputError(f"{checkpoint} was written with another ema setting: resume with the same")
    for name, average in state.averages.items():
        assign(average.module, _below(tensors, f"averages/{name}/"), checkpoint)
        average.updates = card["averages"][name]["updates"]
    for name, optimizer in state.optimizers.items():
        stored = _below(tensors, f"optimizers/{name}/")
        _load_optimizer(optimizer, card["optimizers"][name], stored)
    state.totals.copy_(tensors["totals"])
    for key in _SCALARS:
        setattr(state, key, card[key])


def _card(state: TrainState, sha256: str, environment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "sha256": sha256,
        "environment": dict(environment),
        **{key: getattr(state, key) for key in _SCALARS},
        "averages": {
            name: {"decay": average.decay, "updates": average.updates}
            for name, average in state.averages.items()
        },
        "optimizers": {
            name: _optimizer_card(optimizer) for name, optimizer in state.optimizers.items()
        },
    }


def _flatten(state: TrainState) -> Iterator[tuple[str, Tensor]]:
    yield "totals", state.totals
    for name, module in state.modules.items():
        for key, tensor in tensors_of(module).items():
            yield f"modules/{name}/{key}", tensor
    for name, average in state.averages.items():
        for key, tensor in tensors_of(average.module).items():
            yield f"averages/{name}/{key}", tensor
    for name, optimizer in state.optimizers.items():
        for index, values in optimizer.state_dict()["state"].items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    yield f"optimizers/{name}/{index}/{key}", value


def _optimizer_card(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the state of an optimizer without its tensors."""
    stored = optimizer.state_dict()
    scalars = {
        str(index): {key: value for key, value in values.items() if not isinstance(value, Tensor)}
        for index, values in stored["state"].items()
    }
    groups = [
        {key: list(value) if isinstance(value, tuple) else value for key, value in group.items()}
        for group in stored["param_groups"]
    ]
    return {"scalars": scalars, "groups": groups}


def _load_optimizer(
    optimizer: torch.optim.Optimizer, card: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    values: dict[int, dict[str, Any]] = {
        int(index): dict(scalars) for index, scalars in card["scalars"].items()
    }
    for name, tensor in tensors.items():
        index, _, key = name.partition("/")
        values[int(index)][key] = tensor
    groups = [
        {
            key: tuple(value) if isinstance(value, list) and key != "params" else value
            for key, value in group.items()
        }
        for group in card["groups"]
    ]
    optimizer.load_state_dict({"state": values, "param_groups": groups})


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _read(checkpoint: Path) -> dict[str, Any]:
    try:
        return read_card(checkpoint / "state.json", SCHEMA)
    except StorageError as error:
        raise StorageError(
            f"{error}; remove the folder {checkpoint} to continue from the checkpoint before it"
        ) from None


def _newest(folder: Path) -> str | None:
    pointer = folder / "newest.json"
    if not pointer.exists():
        return None
    found = read_json(pointer)
    name = found.get("checkpoint") if isinstance(found, dict) else None
    if not isinstance(name, str) or Path(name).name != name:
        raise StorageError(
            f"{pointer} names no checkpoint: altered; write into it the name of the latest folder "
            f"beside it, as in {_POINTER}"
        )
    return name


def _prune(folder: Path, name: str) -> None:
    """Remove leftovers of a kill and all but the newest checkpoints."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)
        leftover.unlink(missing_ok=True)
    others = [path for path in sorted(folder.glob("epoch-*")) if path.name != name]
    for path in others[: len(others) - KEPT + 1]:
        shutil.rmtree(path, ignore_errors=True)

"""Checkpoints: complete, checked, and whole whatever happens while they are written."""

from __future__ import annotations

import json
import os

import pytest
import torch
from torch import nn

from holdfast.errors import InputError, StorageError
from holdfast.models import wrap
from holdfast.training import EMA, SGD, Adam, TrainState
from holdfast.training import state as checkpoints

HERE = {"torch": torch.__version__, "threads": 1}


def new_state(net, optimizer=None, ema=0.9):
    model = wrap(net)
    return TrainState(
        seed=3,
        modules={"network": model},
        optimizers={"network": (optimizer or Adam()).build(model)},
        averages={"network": EMA(model, ema)} if ema else {},
        totals=torch.zeros(5, dtype=torch.float64),
    )


def advance(state, steps=3):
    generator = torch.Generator().manual_seed(state.step)
    model, optimizer = state.modules["network"], state.optimizers["network"]
    for _ in range(steps):
        loss = model(torch.rand((8, 1, 6, 6), generator=generator)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state.averages["network"].update(model)
        state.totals += 0.1
        state.step += 1
        state.position += 1
    state.seconds += 1.25


def everything(state):
    return dict(checkpoints._flatten(state)), checkpoints._card(state, "", {})


@pytest.mark.parametrize("optimizer", [SGD(), SGD(momentum=0.0), Adam()])
def test_a_loaded_state_is_the_saved_one(optimizer, net, tmp_path):
    net[3].p = 0.0
    state = new_state(net, optimizer)
    advance(state)
    state.history.append({"epoch": 1, "robust": 0.1 + 0.2, "best": True})
    path = checkpoints.save(state, tmp_path, HERE)
    assert checkpoints.environment_of(path) == HERE
    fresh = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.0),
        nn.Flatten(),
        nn.Linear(64, 3),
    )
    other = new_state(fresh, optimizer)
    checkpoints.load(other, checkpoints.newest(tmp_path))
    assert other.best == state.best
    for s in (state, other):
        advance(s)  # the same future, too
    (tensors, card), (tensors_2, card_2) = everything(state), everything(other)
    assert card == card_2
    assert tensors.keys() == tensors_2.keys()
    assert all(torch.equal(tensors[name], tensors_2[name]) for name in tensors)


def test_nothing_is_pickled(net, tmp_path):
    path = checkpoints.save(new_state(net), tmp_path, HERE)
    assert sorted(p.name for p in path.iterdir()) == ["state.json", "tensors.safetensors"]


def test_old_checkpoints_are_pruned_and_leftovers_removed(net, tmp_path):
    state = new_state(net)
    (tmp_path / ".tmp-1-epoch").mkdir()
    for _ in range(4):
        advance(state, 1)
        checkpoints.save(state, tmp_path, HERE)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "epoch-00000-batch-0000003",
        "epoch-00000-batch-0000004",
        "newest.json",
    ]


def test_a_removed_checkpoint_falls_back_to_the_one_before(net, tmp_path):
    state = new_state(net)
    for _ in range(2):
        advance(state, 1)
        path = checkpoints.save(state, tmp_path, HERE)
    path.rename(tmp_path / "elsewhere")
    checkpoints.load(state, checkpoints.newest(tmp_path))
    assert state.step == 1


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert checkpoints.newest(tmp_path) is None


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_damage_is_one_clear_error(name, damage, net, tmp_path):
    state = new_state(net)
    advance(state)
    path = checkpoints.save(state, tmp_path, HERE) / name
    data = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        place = data.index(b'"step": 3') + 8 if name == "state.json" else len(data) - 5
        data[place] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
    with pytest.raises(StorageError) as caught:
        checkpoints.load(state, checkpoints.newest(tmp_path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_architecture_is_refused_and_nothing_changes(net, tmp_path):
    path = checkpoints.save(new_state(net), tmp_path, HERE)
    other = new_state(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)))
    before = everything(other)
    with pytest.raises(InputError, match="another architecture") as caught:
        checkpoints.load(other, path)
    assert "\n" not in str(caught.value)
    tensors, card = everything(other)
    assert card == before[1]
    assert all(torch.equal(tensors[name], before[0][name]) for name in tensors)


def test_another_width_names_both_shapes(net, tmp_path):
    path = checkpoints.save(new_state(net), tmp_path, HERE)
    net[5] = nn.Linear(64, 4)
    with pytest.raises(InputError, match=r"\(3, 64\) in the file, \(4, 64\) in the network"):
        checkpoints.load(new_state(net), path)


def test_a_state_without_average_is_refused(net, tmp_path):
    path = checkpoints.save(new_state(net), tmp_path, HERE)
    with pytest.raises(InputError, match="ema"):
        checkpoints.load(new_state(net, ema=None), path)


def test_a_failing_write_leaves_the_checkpoint_before(net, tmp_path, monkeypatch):
    state = new_state(net)
    checkpoints.save(state, tmp_path, HERE)
    advance(state)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="disk is full"):
            checkpoints.save(state, tmp_path, HERE)
    assert [p.name for p in tmp_path.glob(".tmp*")] == []
    checkpoints.load(state, checkpoints.newest(tmp_path))
    assert state.step == 0


def test_a_kill_before_the_pointer_moves_is_repaired(net, tmp_path, monkeypatch):
    state = new_state(net)
    checkpoints.save(state, tmp_path, HERE)
    advance(state)
    pointer = (tmp_path / "newest.json").read_text()
    checkpoints.save(state, tmp_path, HERE)
    (tmp_path / "newest.json").write_text(pointer)
    assert checkpoints.newest(tmp_path).name == "epoch-00000-batch-0000000"
    path = checkpoints.save(state, tmp_path, HERE)
    assert json.loads((tmp_path / "newest.json").read_text())["checkpoint"] == path.name
    checkpoints.load(state, path)

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from holdfast.claims import file_digest, model_digest, tensor_digest
from holdfast.errors import StorageError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
        self.head = nn.Linear(3, 2)
        self.register_buffer("mean", torch.tensor([0.5]), persistent=False)


def fresh() -> Net:
    net = Net()
    with torch.no_grad():
        for i, weight in enumerate(net.parameters()):
            weight.copy_(torch.arange(weight.numel()).reshape(weight.shape) * 0.1 + i)
    return net


REFERENCE = model_digest(fresh())


def test_the_digest_is_the_same_for_the_same_model() -> None:
    assert model_digest(fresh()) == REFERENCE


def test_it_ignores_mode_gradients_and_layout() -> None:
    net = fresh().train()
    net.head.weight.grad = torch.ones_like(net.head.weight)
    net.requires_grad_(False)
    net.to(memory_format=torch.channels_last)
    net.head.weight = nn.Parameter(net.head.weight.t().contiguous().t())
    assert not net.head.weight.is_contiguous()
    assert model_digest(net) == REFERENCE


@pytest.mark.parametrize("where", ["around", "inside", "both", "twice"])
def test_it_ignores_data_parallel_wrappers(where: str) -> None:
    net: nn.Module = fresh()
    if where in ("inside", "both"):
        net.body = nn.DataParallel(net.body)  # type: ignore[assignment]
    if where in ("around", "both", "twice"):
        net = nn.DataParallel(net)
    if where == "twice":
        net = nn.DataParallel(net)
    assert model_digest(net) == REFERENCE


def test_it_ignores_compilation() -> None:
    net = fresh()
    net.body = torch.compile(net.body, backend="eager")  # type: ignore[assignment]
    assert model_digest(net) == REFERENCE
    assert model_digest(torch.compile(fresh(), backend="eager")) == REFERENCE
    assert model_digest(nn.DataParallel(torch.compile(fresh(), backend="eager"))) == REFERENCE


def test_a_child_that_happens_to_be_called_module_still_counts() -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = fresh()

    assert model_digest(Wrapper()) != REFERENCE


def test_what_computes_something_else_than_its_child_is_no_wrapper() -> None:
    class Doubled(nn.DataParallel):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * self.module(x)

    class Negated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self._orig_mod = fresh()

    assert model_digest(Doubled(fresh())) != REFERENCE
    assert model_digest(Negated()) != REFERENCE


def change_weight(net: Net) -> None:
    net.head.weight.data[0, 0] = torch.nextafter(net.head.weight.data[0, 0], torch.tensor(9.0))


def change_bn_statistic(net: Net) -> None:
    net.body[1].running_mean[2] += 1e-6


def change_bn_counter(net: Net) -> None:
    net.body[1].num_batches_tracked += 1


def change_hidden_buffer(net: Net) -> None:
    net.mean += 0.01


def change_dtype(net: Net) -> None:
    net.double()


def change_activation(net: Net) -> None:
    net.body[2] = nn.GELU()


def change_setting(net: Net) -> None:
    net.body[1].eps = 1e-3


def change_name(net: Net) -> None:
    net.tail = net.head
    del net.head


def change_shape(net: Net) -> None:
    net.head.bias = nn.Parameter(net.head.bias.detach().reshape(1, 2))


@pytest.mark.parametrize(
    "change",
    [
        change_weight,
        change_bn_statistic,
        change_bn_counter,
        change_hidden_buffer,
        change_dtype,
        change_activation,
        change_setting,
        change_name,
        change_shape,
    ],
)
def test_whatever_changes_the_model_changes_the_digest(change) -> None:
    net = fresh()
    change(net)
    assert model_digest(net) != REFERENCE


def test_swapped_weights_of_the_same_shape_are_another_model() -> None:
    a = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    b = nn.Sequential(a[1], a[0])
    assert model_digest(a) != model_digest(b)


def test_tensor_digests_see_dtype_shape_and_values() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    same = tensor_digest(x)
    assert tensor_digest(x.t().contiguous().t()) == same
    assert tensor_digest(x[:, :]) == same
    assert len({same, *map(tensor_digest, (x.reshape(3, 2), x.double(), x.t(), x + 1))}) == 5
    scalar, empty = torch.tensor(1.0).to(torch.bfloat16), torch.zeros(0, 3)
    assert tensor_digest(scalar) != tensor_digest(empty)


def test_file_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "a") == known
    with pytest.raises(StorageError, match="missing"):
        file_digest(tmp_path / "missing")

from __future__ import annotations

import contextlib
import importlib
import json
import sys

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast import context, runtime
from holdfast.errors import ConfigError, InputError


def test_the_cpu_is_found_and_a_missing_device_is_one_error():
    assert runtime.resolve_device("cpu") == torch.device("cpu")
    assert runtime.resolve_device().type in {"cpu", "cuda"}
    for device in ("cuda:99", "gpu"):
        with pytest.raises(InputError, match="leave device out"):
            runtime.resolve_device(device)


def test_float32_is_the_module_itself():
    net = nn.Linear(3, 2)
    assert runtime.precision("float32").convert(net) is net


def test_bfloat16_is_a_copy_that_speaks_float32():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    twin = runtime.BFLOAT16.convert(net)
    x = torch.rand(5, 3, 8, 8, requires_grad=True)
    logits = twin(x)
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, net(x), atol=0.05)
    assert not torch.equal(logits, net(x))
    (grad,) = torch.autograd.grad(logits.sum(), x)
    assert grad.dtype == torch.float32
    assert net[0].weight.dtype == torch.float32
    assert next(twin.parameters()).is_contiguous(memory_format=torch.channels_last)


def test_bfloat16_takes_vectors():
    assert runtime.BFLOAT16.convert(nn.Linear(3, 2))(torch.rand(4, 3)).shape == (4, 2)


def test_an_unknown_precision_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'bfloat16'"):
        runtime.precision("bfloat")


def test_threads_are_restored():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), runtime.threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before
    with runtime.threads(None):
        assert torch.get_num_threads() == before
    with pytest.raises(InputError, match="at least 1"), runtime.threads(0):
        pass


def settings():
    backends = torch.backends
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        backends.cudnn.benchmark,
        backends.cuda.matmul.allow_tf32,
        backends.cudnn.allow_tf32,
    )


def test_deterministic_is_exact_inside_and_restores():
    before = settings()
    with pytest.raises(KeyError), runtime.deterministic():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
        with runtime.deterministic():
            pass
        assert torch.are_deterministic_algorithms_enabled()
        raise KeyError
    assert settings() == before


@pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="needs PyTorch 2.9"
)
def test_deterministic_copes_with_the_new_settings_of_float32():
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = matmul.fp32_precision, conv.fp32_precision
    matmul.fp32_precision, conv.fp32_precision = "tf32", "ieee"
    try:
        with runtime.deterministic():
            assert (matmul.fp32_precision, conv.fp32_precision) == ("ieee", "ieee")
            assert not torch.backends.cudnn.allow_tf32
        assert (matmul.fp32_precision, conv.fp32_precision) == ("tf32", "ieee")
    finally:
        matmul.fp32_precision, conv.fp32_precision = before


@pytest.mark.parametrize("mode", ["default", "warn", "error"])
def test_deterministic_imports_no_compiler_for_networks_that_are_not_compiled(mode, monkeypatch):
    """Triton comes with the compiler, and its import ends a process that has TensorFlow."""
    monkeypatch.delitem(sys.modules, "torch._inductor.config", raising=False)
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode(mode)
    try:
        with runtime.deterministic():
            assert torch.get_deterministic_debug_mode() == 1
        assert torch.get_deterministic_debug_mode() == ["default", "warn", "error"].index(mode)
    finally:
        torch.set_deterministic_debug_mode(before)
    assert "torch._inductor.config" not in sys.modules


@pytest.mark.parametrize("first", ["tensorflow", None])
def test_optimizers_import_no_triton_after_tensorflow(first, monkeypatch):
    """Fakes stand for both; the real pair ends the process, if Triton comes second."""
    tried = []

    def dynamo(name):
        with contextlib.suppress(ImportError):
            tried.append(importlib.import_module("triton"))
        return name

    for name in ("tensorflow", "triton", "torch._dynamo"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    if first:
        monkeypatch.setitem(sys.modules, first, torch)
    calls = []
    monkeypatch.setattr(context, "import_module", lambda name: calls.append(dynamo(name)))
    context.import_without_triton()
    assert calls == (["torch._dynamo"] if first else [])
    assert not tried
    assert "triton" not in sys.modules
    monkeypatch.setitem(sys.modules, "triton", torch)
    context.import_without_triton()
    assert sys.modules["triton"] is torch
    assert len(calls) == bool(first)


@pytest.mark.parametrize("use", ["train", "imitate"])
def test_what_makes_an_optimizer_spares_triton(use, monkeypatch, tmp_path):
    """Where both were imported before, the guard has nothing to do: it is enough that it ran."""

    class Ran(Exception):
        pass

    def guard():
        raise Ran

    module = {"train": "holdfast.training.setup", "imitate": "holdfast.models.wrappers.bpda"}[use]
    monkeypatch.setattr(importlib.import_module(module), "import_without_triton", guard)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with pytest.raises(Ran):
        if use == "train":
            threat = hf.ThreatModel(hf.Linf(eps=0.1))
            hf.train(net, "digits", threat=threat, epochs=1, out=tmp_path / "run", quiet=True)
        else:
            hf.models.imitate(nn.Identity(), nn.Linear(4, 4), torch.rand(2, 4))


def test_deterministic_tells_the_compiler_that_is_there():
    config = pytest.importorskip("torch._inductor.config")
    if not hasattr(config, "deterministic"):
        pytest.skip("needs PyTorch 2.9")
    with runtime.deterministic():
        assert config.deterministic
    assert not config.deterministic


def test_deterministic_switches_autocast_off():
    a = torch.rand(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with runtime.deterministic():
            assert (a @ a).dtype == torch.float32
        assert (a @ a).dtype == torch.bfloat16


def test_the_environment_is_plain_data():
    facts = runtime.environment()
    assert json.loads(json.dumps(facts)) == facts
    assert {"python", "torch", "numpy", "holdfast", "cpu", "cores", "threads", "os"} <= set(facts)
    assert facts["amx"] is runtime.has_amx()

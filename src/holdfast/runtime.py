"""Hardware and its settings: devices, precision, threads, exactness. No other file knows them."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.copying import copied
from holdfast.errors import ConfigError, InputError, did_you_mean

_WARN = 1  # PyTorch's deterministic mode that warns where it has to do without

Setting = tuple[Any, str, Any]
"""A setting of PyTorch: the object that holds it, its name, a value."""


def resolve_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device to use: the one asked for, or a CUDA device if there is one, or the CPU."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError) as error:
        here = f"cpu, {torch.cuda.device_count()} cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(
            f"device {str(device)!r} cannot be used; here there is: {here}; "
            "leave device out to take the best one"
        ) from error
    return resolved


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The number format in which a network searches; verdicts are always taken in float32."""

    name: str
    dtype: torch.dtype

    def convert(self, module: nn.Module) -> nn.Module:
        """Return a copy of `module` in this format, channels last, that takes and returns float32.

        float32 returns the module itself. The copy does not follow later changes of the weights.
        """
        if self.dtype is torch.float32:
            return module
        twin = copied(module).to(self.dtype)
        # torch's annotations know `memory_format` only together with tensors
        twin = twin.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return _Cast(twin, self.dtype)


class _Cast(nn.Module):
    """A low-precision network behind a float32 front."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = module
        self.dtype = dtype

    def forward(self, x: Tensor) -> Any:
        layout = torch.channels_last if x.dim() == 4 else torch.preserve_format
        output = self.module(x.to(self.dtype, memory_format=layout))
        return output.float() if isinstance(output, Tensor) else output


FLOAT32 = Precision(name="float32", dtype=torch.float32)
BFLOAT16 = Precision(name="bfloat16", dtype=torch.bfloat16)

_PRECISIONS = {precision.name: precision for precision in (FLOAT32, BFLOAT16)}


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's weights lie; a model without any is on the CPU."""
    devices = [tensor.device for tensor in (*model.parameters(), *model.buffers())]
    return devices[0] if devices else torch.device("cpu")


def dtype_of(model: nn.Module) -> torch.dtype:
    """Return float64 for a model that computes in it, else float32: a search needs no less."""
    kinds = (p.dtype for p in model.parameters() if p.is_floating_point())
    return torch.float64 if next(kinds, torch.float32) is torch.float64 else torch.float32


def precision(name: str) -> Precision:
    """Return the precision called `name`: "float32" or "bfloat16"."""
    if name not in _PRECISIONS:
        raise ConfigError(f"unknown precision {name!r}{did_you_mean(name, _PRECISIONS)}")
    return _PRECISIONS[name]


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute on `count` CPU threads inside the block; None leaves the number as it is.

    Results are bit-equal for equal thread counts only, so a resume restores the stored one.
    """
    before = torch.get_num_threads()
    if count is not None and count < 1:
        raise InputError(f"threads must be at least 1, got {count}")
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic() -> Iterator[None]:
    """Compute repeatably in true float32: deterministic algorithms, no TF32, no autocast.

    An operation that has no deterministic form on the device still runs, with PyTorch's warning.
    """
    # cuBLAS reads this when its first handle is made; it costs some device memory, hence not global
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    mode = torch.get_deterministic_debug_mode()
    exact = [
        *_float32_settings(),
        (torch.backends.cudnn, "benchmark", False),
        # filling fresh memory with NaN finds bugs of PyTorch's users, and costs time
        (torch.utils.deterministic, "fill_uninitialized_memory", False),
    ]
    before = _read(exact)
    try:
        _assign(exact)
        _set_deterministic(_WARN)
        with ExitStack() as stack:
            for kind in ("cpu", "cuda"):
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            yield
    finally:
        _set_deterministic(mode)
        _assign(before)


def _set_deterministic(mode: int) -> None:
    """Set PyTorch's mode: 0 off, 1 with a warning, 2 with an error where there is no such form.

    `use_deterministic_algorithms` also tells the compiler, and imports it for that: with Triton,
    whose import ends the process once TensorFlow was imported, since both bring an LLVM. Without
    compiled networks there is no compiler to tell.
    """
    if "torch._inductor.config" in sys.modules:
        torch.use_deterministic_algorithms(mode > 0, warn_only=mode == _WARN)
    else:
        torch.set_deterministic_debug_mode(mode)


def _float32_settings() -> list[Setting]:
    """Return where PyTorch may be allowed to round float32, and the value that forbids it.

    PyTorch 2.9 replaced the two `allow_tf32` by one setting an operation. Both are set, the old
    ones first, because a reader of the old ones fails where the two disagree.
    """
    backends: Any = torch.backends
    settings: list[Setting] = [
        (backends.cuda.matmul, "allow_tf32", False),
        (backends.cudnn, "allow_tf32", False),
    ]
    if hasattr(backends.cuda.matmul, "fp32_precision"):
        holders = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
        holders += [backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn]
        settings += [(holder, "fp32_precision", "ieee") for holder in holders]
    return settings


def _read(settings: list[Setting]) -> list[Setting]:
    """Return the present values, without those that PyTorch refuses to read."""
    present = []
    for holder, name, _ in settings:
        with suppress(RuntimeError):  # the old setting, where a user mixed it with the new ones
            present.append((holder, name, getattr(holder, name)))
    return present


def _assign(settings: list[Setting]) -> None:
    for holder, name, value in settings:
        setattr(holder, name, value)


def environment() -> dict[str, Any]:
    """Return the versions and the machine, as plain data for claims and run folders."""
    facts: dict[str, Any] = {
        "holdfast": _version("holdfast"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": _cores(),
        "threads": torch.get_num_threads(),
        "amx": has_amx(),
    }
    if torch.cuda.is_available():
        facts["cuda"] = torch.version.cuda
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def has_amx() -> bool:
    """Return True if the CPU multiplies bfloat16 matrices in AMX tiles (known on Linux only)."""
    return "amx_bf16" in _cpuinfo().get("flags", "").split()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "source"


def _cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


@cache
def _cpuinfo() -> dict[str, str]:
    """Return Linux's facts about its first processor; nothing on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}

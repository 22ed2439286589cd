"""Networks that others wrote: import the function that builds one, load its weights safely."""

from __future__ import annotations

import importlib
import inspect
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.errors import HoldfastError, InputError, first_line, in_one_line
from holdfast.rng import own_randomness
from holdfast.storage import user_path
from holdfast.units import Seed

_NESTS = ("state_dict", "model_state_dict", "model", "net")  # where trainers put the weights
_PREFIXES = ("module.", "_orig_mod.")  # prefixes of DataParallel and torch.compile


@checked
def load_user_model(path: str, weights: str | Path | None = None, *, seed: Seed = 0) -> nn.Module:
    """Return the network that `path` ("package.module:function") builds, with `weights` loaded.

    The function is called without arguments; a module instance is taken as it is. The working
    folder counts as importable. seed: of the weights that are drawn while it is built; the global
    generators stay as they are. Raises InputError if there is no such function, if it or its module
    raises, if it does not return a torch.nn.Module, or if the weights do not fit.
    """
    with _working_folder_importable():
        with own_randomness(torch.device("cpu"), seed, "import"):
            made = _find(path)
        if callable(made) and not isinstance(made, nn.Module):
            with own_randomness(torch.device("cpu"), seed, "build"):
                made = _call(made, path)
    if not isinstance(made, nn.Module):
        raise InputError(
            f"{path} must return a torch.nn.Module, got {type(made).__name__}: of another kind of "
            "model return hf.wrap(model)"
        )
    if weights is not None:
        load_weights(made, weights)
    return made


@checked
def load_weights(module: nn.Module, path: str | Path) -> None:
    """Load a state dict into `module` from safetensors or from torch.save, never from a pickle."""
    path = user_path(path, "weights")
    if not path.is_file():
        raise InputError(f"no weights at {path}: check the path")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    state = _without_prefixes(_state_within(content, path), module.state_dict())
    load_state(module, state, f"weights {path}")


@checked
def load_state(module: nn.Module, state: Mapping[Any, Any], source: str) -> None:
    """Load `state` into `module`; InputError names the first key that is missing or does not fit.

    source: of the state, for the message.
    """
    problem = _mismatch(module.state_dict(), state)
    if problem:
        raise InputError(
            f"{source} do not fit {type(module).__name__}: {problem}; "
            "build the architecture that they were trained in"
        )
    try:
        module.load_state_dict(dict(state))
    except Exception as error:  # a module with loading hooks of its own
        raise InputError(f"{source} do not fit: {' '.join(str(error).split())}") from error


@contextmanager
def _working_folder_importable() -> Iterator[None]:
    """Import as `python -m` would, also from a console script."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)


def _find(path: str) -> Any:
    package, _, name = path.partition(":")
    if not package or not name:
        raise InputError(f"a model is named package.module:function, got {path!r}")
    try:
        module = importlib.import_module(package)
        if hasattr(module, name):
            return getattr(module, name)
    except ImportError as error:
        raise InputError(
            f"cannot import {package!r} ({first_line(error)}): run in its folder or install it"
        ) from error
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        raise InputError(f"cannot import {package!r}: {_raised(error)}") from error
    raise InputError(f"{package} has no {name!r}: check the function's name")


def _call(function: Callable[..., Any], path: str) -> Any:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise InputError(
            f"{path} must be callable without arguments ({error}): write a function that fills them"
        ) from error
    except ValueError:  # a function of C's without a signature
        pass
    try:
        return function()
    except HoldfastError:
        raise
    except (Exception, SystemExit) as error:  # a user's function may raise anything
        raise InputError(f"{path} did not build a network: {_raised(error)}") from error


def _raised(error: BaseException) -> str:
    """Return the error of a user's code and its place, in one line."""
    if isinstance(error, SyntaxError):
        place = (error.filename, error.lineno)
    else:
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [frame for frame in frames if _is_below(Path(frame.filename), Path.cwd())]
        frame = (theirs or frames)[-1]
        place = (frame.filename, frame.lineno)
    where = f"{Path(place[0] or '?').name}, line {place[1]}"
    return f"{in_one_line(error)} ({where}): mend it there"


def _is_below(file: Path, folder: Path) -> bool:
    """Return True for a user's own file: below the working folder, and of no installed package."""
    return folder in file.parents and "site-packages" not in file.parts and str(file) != __file__


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot read weights {path} ({error}): truncated or altered") from error


def _read_torch(path: Path) -> Any:
    _refuse_packed(path)
    try:
        with warnings.catch_warnings():  # about old pickle protocols; errors are raised here
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"weights {path} hold Python objects, which could run code when loaded, or are "
            "damaged: save model.state_dict() alone, with safetensors or torch.save"
        ) from error
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"cannot read weights {path} ({reason}): truncated or altered") from error


def _refuse_packed(path: Path) -> None:
    """Raise InputError if an archive is larger inside: a small file could fill the memory."""
    try:
        with ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (BadZipFile, OSError):
        return  # another format, or damaged: its reader says so
    if size > path.stat().st_size:
        raise InputError(
            f"weights {path} unpack to {size:,} bytes, and torch.save packs nothing: save them anew"
        )


def _state_within(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dict in the contents of a checkpoint file."""
    if isinstance(content, Mapping):
        nested = next(
            (content[key] for key in _NESTS if isinstance(content.get(key), Mapping)), None
        )
        content = content if nested is None else nested
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"weights {path} hold no state dict: save model.state_dict()")
    return dict(content)


def _without_prefixes(state: dict[str, Tensor], wanted: Mapping[str, Any]) -> dict[str, Tensor]:
    """Take wrappers' prefixes off the names, unless the names are the wanted ones already."""
    for prefix in _PREFIXES:
        wrapped = all(str(key).startswith(prefix) for key in state)
        if wrapped and not any(key in wanted for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _mismatch(wanted: Mapping[str, Any], state: Mapping[str, Any]) -> str | None:
    """Describe the first difference of two state dicts, or return None."""
    for key, value in wanted.items():
        if key not in state:
            return f"missing {key!r}{_and_more(set(wanted) - set(state))}"
        if _shape(state[key]) != _shape(value):
            return f"{key!r} has shape {_shape(state[key])}, wanted {_shape(value)}"
    extra = [key for key in state if key not in wanted]
    return f"unexpected {extra[0]!r}{_and_more(extra)}" if extra else None


def _shape(value: Any) -> tuple[int, ...] | str:
    """Return a tensor's shape; of anything else (a module's extra state, say) the type's name."""
    return tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__


def _and_more(keys: Any) -> str:
    return f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""

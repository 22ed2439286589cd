"""The words that re-check a claim, for a reader to copy: a shell line, else a Python program.

They come from the statements of the claim about how its model and data were given. Copying them
runs no code that a claim names: a function that would be imported is a gap which the reader fills
in.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.claims import Claim
from holdfast.data.load import BUILT_IN, HOME
from holdfast.printable import printable
from holdfast.storage import shell_path

FUNCTION = "MODULE:FUNCTION"  # a gap in a shell line; in Python it is `...`
UNIT = [0.0, 1.0]
IMPORTS = (
    f"{FUNCTION} stands for the function that builds the network, package.module:function: fill in "
    "your own, or the author's after reading its code."
)
ASKS = "No command line can name Python objects: fill in each `...`."
_ODD = re.compile(r"[\\:\0]|^//")  # in a path that is not looked for on a claim's word


@dataclass(frozen=True)
class Recheck:
    """The re-check of a claim: one line in a shell, else a program, and what to heed."""

    shell: str  # "" where no line can name model and data
    python: tuple[str, ...]  # the lines of a program, none where there is a line for a shell
    note: str

    @property
    def text(self) -> str:
        """Return the text to copy."""
        return self.shell or "\n".join(self.python)


@dataclass(frozen=True)
class _Words:
    """The words that give one part of a claim again.

    options: on the command line, none where that cannot be. lines: in Python. path: that they name.
    """

    lines: tuple[str, ...]
    options: tuple[str, ...] = ()
    path: str = ""
    note: str = ""  # on either
    shell_note: str = ""

    @property
    def gaps(self) -> bool:
        """Return True if the lines leave something to fill in."""
        return any(" = ...  # " in line for line in self.lines)


def recheck(claim: Claim) -> Recheck:
    """Return the words that re-check a claim from the folder in which they are printed."""
    document, folder = claim.document, str(claim.folder)
    given = document.get("given", {})
    model = _model(given.get("model", {}), document["model"])
    data = _data(given.get("data"), document["data"])
    search = _search(given.get("search", {}), document.get("search"))
    parts = [model, data, *([search] if search else [])]
    paths = _about_paths([folder, *(part.path for part in parts if part.path)])
    notes = [part.note for part in parts]
    if model.options and data.options:
        options = [shlex.quote(option) for part in parts for option in part.options]
        line = " ".join(["holdfast", "verify", shell_path(folder), *options])
        return Recheck(line, (), _joined([*(part.shell_note for part in parts), *notes, *paths]))
    asks = [ASKS] if any(part.gaps for part in parts) else []
    return Recheck("", _program(folder, parts), _joined([*asks, *notes, *paths]))


def _program(folder: str, parts: Iterable[_Words]) -> tuple[str, ...]:
    lines = [line for part in parts for line in part.lines]
    names = ", ".join(
        f"{name}={name}" for name in ("model", "data", "surrogate") if _sets(name, lines)
    )
    verify = f"print(hf.verify({folder!r}, {names}))"
    return ("import holdfast as hf", "", *lines, verify)


def _sets(name: str, lines: Iterable[str]) -> bool:
    return any(line.startswith(f"{name} = ") for line in lines)


def _model(given: Mapping[str, Any], model: Mapping[str, Any], name: str = "model") -> _Words:
    """Return the words for a model; name: of the option and of the variable."""
    if "run" in given:
        return _of_run(given, model, name)
    if given.get("file", "").lower().endswith(".onnx"):
        file, outputs = given["file"], given.get("outputs", "logits")
        line = f"{name} = hf.wrap({file!r}, outputs={outputs!r})"
        return _Words((line,), (f"--{name}", file), file)
    lines = (f"{name} = ...  # {printable(_described(given, model))}",)
    if "function" not in given:
        return _Words(lines)
    weights = given.get("weights", "")
    options = (f"--{name}", FUNCTION, *(("--weights", weights) if weights else ()))
    return _Words(lines, options, weights, shell_note=IMPORTS)


def _of_run(given: Mapping[str, Any], model: Mapping[str, Any], name: str) -> _Words:
    run = given["run"] + ("/last" if given.get("which") == "last" else "")
    if "network" in given:
        # The command line would import a name with a colon, were there no such folder.
        options = () if ":" in run else (f"--{name}", run)
        return _Words((f"{name} = hf.load({run!r})",), options, run)
    lines = (
        f"network = ...  # the module {printable(model['name'])} that was trained, freshly built",
        f"{name} = hf.load({run!r}, network=network)",
    )
    return _Words(lines, (f"--{name}", FUNCTION, "--weights", run), run, shell_note=IMPORTS)


def _search(given: Mapping[str, Any], search: Mapping[str, Any] | None) -> _Words | None:
    if search is None:
        return None
    words = _model(given, search, "surrogate")
    if words.options and FUNCTION not in words.options:
        return words
    note = "Attacking survivors again needs the surrogate as well: --surrogate, named like a model."
    return _Words(words.lines, shell_note=note)


def _described(given: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Return the model or data that a reader has to supply, in the words of the claim."""
    target, name = model.get("target"), model["name"]
    facts = ["normalize=(mean, std)"] if given.get("normalized") else []
    if model.get("range", UNIT) != UNIT:
        facts.append(f"range={tuple(model['range'])}")
    if target is None:
        said, what = given.get("outputs"), f"the network {name}, with the weights of the evaluation"
    elif name.endswith(" of scikit-learn"):
        said, what = None, f"the scikit-learn classifier {name.removesuffix(' of scikit-learn')}"
        what += f", fitted as it was, which answers {target['outputs']}"
    elif name.startswith("endpoint "):
        said, what = None, f"the {name}, which answers {target['outputs']}"
    else:
        said, what = target["outputs"], f"the {name}"
    facts += [f"outputs={said!r}"] if said else []
    return f"{what}, in hf.wrap(..., {', '.join(facts)})" if facts else what


def _data(given: str | None, data: Mapping[str, Any]) -> _Words:
    if given is None:
        called, n = printable(data["name"]), data["available"]
        line = f"data = ...  # the {n:,} examples that the author calls {called}: (x, y), a Dataset"
        return _Words((f"{line} or a DataLoader",))
    part = data.get("part")
    words = f"{given}:{part}" if part in ("train", "validation") else given
    found = _Words((f"data = {words!r}",), ("--data", words))
    if given == BUILT_IN:
        return found
    if re.search(r"[/\\]|\.npz$", given):
        return _Words(found.lines, found.options, given)
    if _is_here(given):
        return found
    note = f"{HOME} must name the folder that holds {printable(given)}."
    return _Words(found.lines, found.options, note=note)


def _about_paths(paths: Iterable[str]) -> list[str]:
    """Return notes on paths: that they are relative, and those that lead nowhere from here."""
    known = list(dict.fromkeys(paths))
    relative = any(not path.startswith(("/", "~")) for path in known)
    said = ["Paths are relative to the folder in which this report was made."] if relative else []
    absent = [printable(path) for path in known if not _ODD.search(path) and not _is_here(path)]
    lost = [f"{path} was not found from there: give your own copy's path." for path in absent]
    return [*said, *lost]


def _is_here(path: str) -> bool:
    """Return True if something has this name; nothing is opened."""
    return not _ODD.search(path) and os.path.lexists(os.path.expanduser(path))  # noqa: PTH111 - any text


def _joined(notes: Iterable[str]) -> str:
    return " ".join(note for note in dict.fromkeys(notes) if note)

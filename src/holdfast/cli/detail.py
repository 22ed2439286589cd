"""One component in full: `holdfast list pgd`."""

from __future__ import annotations

import dataclasses
import shlex
from importlib import import_module
from typing import Any, NamedTuple

import yaml
from rich.console import Console
from rich.table import Table

import holdfast as hf
from holdfast import recipes, reference
from holdfast.cli import listing
from holdfast.components import describe, kinds, known, name_of
from holdfast.errors import ConfigError, in_words, nearest
from holdfast.evaluation import Suite, get_suite
from holdfast.plugins import load_plugins
from holdfast.printable import printable
from holdfast.spaces.catalog import in_sets
from holdfast.threat import Knowledge, Normed
from holdfast.translation import alike, hint

ROOMS = ("attacks", "losses", "models", "data", "training", "spaces", "threat", "evaluation")

# Where a component of a kind stands in a file, and which words give it to a command.
_IN_FILE = {
    "loss": "attack: {{type: pgd, loss: {}}}",
    "start": "attack: {{type: pgd, start: {}}}",
    "space": "threat: {}",
    "optimizer": "plan: {{optimizer: {}}}",
    "schedule": "plan: {{schedule: {}}}",
    "augmentation": "plan: {{augment: {}}}",
}
_COMMAND = {
    "attack": "holdfast attack --model runs/a --attack {}",
    "method": "holdfast train digits_linf --out runs/a --method {}",
    "network": "holdfast train digits_linf --out runs/a --model {}",
    "suite": "holdfast evaluate --model runs/a --suite {} --out claims/a",
    "recipe": "holdfast train {} --out runs/a",
    "data": "holdfast train digits_linf --data {} --out runs/a",
    "space": "holdfast attack --model runs/a --threat {}:{}",
}
_KEY = {  # under which a component stands in a configuration, and the command that reads it
    "attack": ("attack", "holdfast attack --model runs/a"),
    "loss": ("attack.loss", "holdfast attack --model runs/a"),
    "start": ("attack.start", "holdfast attack --model runs/a"),
    "method": ("method", "holdfast train digits_linf --out runs/a"),
    "network": ("network", "holdfast train digits_linf --out runs/a"),
    "optimizer": ("plan.optimizer", "holdfast train digits_linf --out runs/a"),
    "schedule": ("plan.schedule", "holdfast train digits_linf --out runs/a"),
    "augmentation": ("plan.augment", "holdfast train digits_linf --out runs/a"),
}
_INNER = ("config", "member", "suite_definition")  # which nobody writes by name


_SEES = {
    Knowledge.GRADIENT: "gradients (white box)",
    Knowledge.SCORE: "scores",
    Knowledge.DECISION: "labels alone",
    Knowledge.TRANSFER: "nothing of the model",
}


class Found(NamedTuple):
    """A component by its kind and its registered name."""

    kind: str
    name: str
    component: Any


def find(name: str) -> list[Found]:
    """Return every component that is called so, by its registered name or that of its class."""
    load_plugins()
    found = [
        Found(kind, label, component)
        for kind in kinds()
        for label, component in known(kind).items()
        if alike(label, name) or alike(getattr(component, "__name__", ""), name)
    ]
    shorts = {label.rpartition("-")[0] for label in known("suite")}
    found += [Found("suite", get_suite(s).name, get_suite(s)) for s in shorts if alike(s, name)]
    for kind in listing.READ:
        found += [Found(kind, each, None) for each, _ in listing.rows(kind) if alike(each, name)]
    return found


def show(name: str, console: Console) -> None:
    """Print the component called `name`; ConfigError names the nearest names of every kind."""
    found = find(name)
    if not found:
        raise ConfigError(f"nothing is called {name!r}{_near(name)}")
    for each in found:
        _show(each, console)


def _near(name: str) -> str:
    """Return the tail of an error: another library's name, or the nearest names and their kinds."""
    for kind in ("attack", "suite", "method"):
        labels = {
            cls.__name__: label for label, cls in known(kind).items() if isinstance(cls, type)
        }
        if foreign := hint(kind, name, labels):
            return foreign
    every = {label: kind for kind in kinds() if kind not in _INNER for label in known(kind)}
    every |= dict.fromkeys(listing.KINDS, "kind")
    for kind in listing.READ:
        every |= {label: kind for label, _ in listing.rows(kind)}
    near = [f"{label} ({every[label]})" for label in nearest(name, every)]
    return f"; did you mean {in_words(near, 'or')}?" if near else "; holdfast list names all"


def _show(found: Found, console: Console) -> None:
    """Print a component: its description, its fields and its configuration."""
    console.print(f"{found.name}  ({found.kind})", style="bold", highlight=False, markup=False)
    for paragraph in _about(found):
        console.print(printable(paragraph), highlight=False, markup=False)
    for title, rows in (("", _facts(found)), ("fields", _fields(found))):
        if rows:
            console.print("\n" * bool(title) + title, highlight=False)
            console.print(_table(rows))
    console.print()
    for label, text in usage(found):  # not folded, so that it can be copied
        console.print(
            f"{label:<12}{printable(text)}", soft_wrap=True, highlight=False, markup=False
        )
    console.print()


def usage(found: Found) -> list[tuple[str, ...]]:
    """Return how a component is written in Python, in a YAML file and on the command line."""
    rows = []
    if isinstance(found.component, Suite):
        rows = [("Python", f'suite="{found.name}"'), ("YAML", f"suite: {found.name}")]
    elif found.kind == "data":
        rows = [("Python", f'hf.load_data("{found.name}")')]
    elif found.kind in _INNER:
        return []
    elif found.component is not None:
        shown = _shown(found.component)
        rows = [("Python", _python(found.component, shown)), ("YAML", _in_file(found, shown))]
    shell = _on_shell(found)
    return [*rows, ("shell", shell)] if shell else [*rows]


def _on_shell(found: Found) -> str | None:
    """Return a command that uses a component, and one of its fields where it has a plain one."""
    words = _COMMAND.get(found.kind)
    if found.kind == "space":
        return _COMMAND["space"].format(found.name, _eps(found.component))
    if found.kind not in _KEY:
        return words.format(found.name) if words else None
    key, command = _KEY[found.kind]
    shown = _shown(found.component)
    if any(reference.required(f) for f in dataclasses.fields(found.component)):
        return f"{command} --set {shlex.quote(f'{key}={_flow(found, shown)}')}"
    chosen = words.format(found.name) if words else f"{command} --set {key}={found.name}"
    changes = [f" --set {key}.{name}={value}" for name, value in shown.items()]
    return chosen + "".join(changes)


def _about(found: Found) -> list[str]:
    if found.kind == "data":
        return [dict(listing.rows("data"))[found.name]]
    if found.kind == "recipe":
        return recipes.read(found.name)[0].splitlines()
    if isinstance(found.component, Suite):
        return [
            f"{member.name}: {reference.short(member.attack, budgets=True)}, {member.attack.cost()}"
            for member in found.component.members
        ]
    return reference.paragraphs(found.component)


def _facts(found: Found) -> list[tuple[str, ...]]:
    """Return the knowledge, goal and cost of an attack, and the sets in which it works."""
    if found.kind != "attack":
        return []
    attack = reference.example(found.component)
    demands = attack.demands()
    needs = (*demands.needs, *([Normed] if demands.nearest else []))
    aim = "the nearest counterexample" if demands.nearest else "the worst input within the radius"
    ours = [("origin", f"ours alone; published: {attack.baseline}")] if attack.baseline else []
    return [
        *ours,
        ("sees", _SEES[demands.knowledge]),
        ("finds", aim),
        ("works in", in_sets(needs)),
        ("cost", f"{attack.cost()} passes per example"),
    ]


def _fields(found: Found) -> list[tuple[str, ...]]:
    if not isinstance(found.component, type):
        return []
    return [
        (
            field.name,
            f"{field.type}, {field.range}" if field.range else field.type,
            "required" if field.default is None else f"default {field.default}",
            field.meaning,
        )
        for field in reference.fields(found.component)
    ]


def _shown(cls: Any) -> dict[str, Any]:
    """Return the fields of an example: those that must be given, else the first number."""
    every = dataclasses.fields(cls)
    needed = {f.name: reference.usual(cls, f.name) for f in every if reference.required(f)}
    numbers = {
        f.name: reference.default(f)
        for f in every
        if not reference.required(f) and type(reference.default(f)) in (int, float)
    }
    return needed or dict(list(numbers.items())[:1])


def _eps(cls: Any) -> Any:
    return getattr(reference.example(cls), "eps", 1)


def _python(cls: type[Any], shown: dict[str, Any]) -> str:
    """Return the expression that makes a component, for a program that has `hf`."""
    placed = [f.name for f in dataclasses.fields(cls) if not f.kw_only]
    inside = ", ".join(
        _written(value) if name in placed else f"{name}={_written(value)}"
        for name, value in shown.items()
    )
    return f"{_home(cls)}({inside})"


def _written(value: Any) -> str:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return repr(value)
    return _python(type(value), _changed(value))


def _plain(value: Any) -> Any:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return describe(value)
    inner = {name: _plain(item) for name, item in _changed(value).items()}
    return {"type": name_of(type(value)), **inner}


def _changed(value: Any) -> dict[str, Any]:
    """Return the fields of a component that are not as they are by default."""
    return {
        f.name: getattr(value, f.name)
        for f in dataclasses.fields(value)
        if reference.required(f) or getattr(value, f.name) != reference.default(f)
    }


def _home(cls: type[Any]) -> str:
    """Return where a class is found: hf.Linf, hf.attacks.PGD, or its module."""
    if getattr(hf, cls.__name__, None) is cls:
        return f"hf.{cls.__name__}"
    for room in ROOMS:
        if getattr(import_module(f"holdfast.{room}"), cls.__name__, None) is cls:
            return f"hf.{room}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__name__}"


def _in_file(found: Found, shown: dict[str, Any]) -> str:
    return _IN_FILE.get(found.kind, f"{found.kind}: {{}}").format(_flow(found, shown))


def _flow(found: Found, shown: dict[str, Any]) -> str:
    """Return a component as YAML on one line."""
    plain = {} if found.kind == "plan" else {"type": found.name}
    plain |= {name: _plain(value) for name, value in shown.items()}
    dumped = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10_000)
    return str(dumped).strip()


def _table(rows: list[tuple[str, ...]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True, min_width=10)
    for _ in rows[0][1:]:
        table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    return table

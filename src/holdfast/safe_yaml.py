"""YAML as plain data, within limits that no configuration of ours comes near."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from holdfast.errors import ConfigError
from holdfast.storage import DEEPEST

LARGEST = 2**20  # characters
MOST = 10_000  # values, where an alias (*name) counts as all that it stands for


def parse_yaml(text: str, source: str) -> Any:
    """Return the data of a YAML text; ConfigError says in one line where it is broken.

    source: where the text comes from, for messages. Refused are more than LARGEST characters, MOST
    values or DEEPEST levels, a key that comes twice and an alias inside of its own anchor.
    """
    if len(text) > LARGEST:
        raise ConfigError(f"{source} has {len(text):,} characters: at most {LARGEST:,} are read")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - derives from SafeLoader
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from None
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        # PyYAML raises it for impossible dates, numbers and tags.
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"{source} has a value that cannot be read ({reason}): quote it"
        ) from None


class _Loader(yaml.SafeLoader):
    """YAML in which `5e-3` is a number and an exploding alias is an error."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.level = 0
        self.count = 0  # of the values so far
        self.sizes: dict[yaml.Node, int] = {}  # of the finished nodes, in values

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node, counted before its data are made."""
        line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
        before = self.count
        alias = self.check_event(yaml.AliasEvent)
        self.level += 1
        if self.level > DEEPEST:
            raise ConfigError(f"line {line}: it is nested more than {DEEPEST} levels deep")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.level -= 1
        if node is None:
            return None
        if alias and node not in self.sizes:
            raise ConfigError(f"line {line}: an alias stands inside of its own anchor")
        self.count += self.sizes[node] if alias else 1
        if self.count > MOST:
            raise ConfigError(
                f"line {line}: it has more than {MOST:,} values, aliases (*name) written out: "
                "write fewer"
            )
        self.sizes.setdefault(node, self.count - before)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping whose keys are all different."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                break  # refused below
            if key in seen:
                raise ConfigError(f"line {node.start_mark.line + 1}: the key {key!r} comes twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)

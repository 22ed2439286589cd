"""Names of suites: a name of ours is printed as such only for the suites it stands for.

`suites.json` lists the digests that each name has had. It grows: a rename of classes or fields
keeps the name of a suite and adds its new digest, other algorithms or budgets take a new name. It
lies here, below the suites themselves, because the sentence of a claim is made here.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from holdfast.printable import shortened

CUSTOM = "custom: "  # before the name of any other suite
LONGEST = 60  # characters of a name that are printed


@cache
def listed() -> Mapping[str, frozenset[str]]:
    """Return the digests that each name of ours has had."""
    text = resources.files("holdfast.claims").joinpath("suites.json").read_text(encoding="utf-8")
    return {name: frozenset(digests) for name, digests in json.loads(text).items()}


def is_ours(name: str, digest: str) -> bool:
    """Return True if the name stands for the suite of this digest."""
    return digest in listed().get(name, ())


def is_reserved(name: str) -> bool:
    """Return True if a name is one of ours in any version and case, or is read like one."""
    plain = unicodedata.normalize("NFKC", name).strip().casefold()
    return re.sub(r"-\d+$", "", plain) in {ours.rpartition("-")[0] for ours in listed()}


def printed_name(suite: Mapping[str, Any]) -> str:
    """Return how the suite of a claim is called: by its name if that is ours, else as custom.

    suite: the entry of claim.json, whose digest is that of its definition. In a name of others
    every character beyond ASCII is written out: letters of other scripts look like ours.
    """
    name = str(suite["name"])
    if is_ours(name, str(suite["digest"])):
        return name
    shown = name.encode("unicode_escape").decode()
    return CUSTOM + shortened(shown, LONGEST)

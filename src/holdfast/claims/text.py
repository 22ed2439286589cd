"""The one byte sequence that stands for a JSON document of ours, so that any changed byte shows."""

from __future__ import annotations

import json
from typing import Any


def compact_bytes(document: Any) -> bytes:
    """Return JSON on one line with sorted keys; ValueError for NaN or infinity."""
    return _dump(document, separators=(",", ":"))


def readable_bytes(document: Any) -> bytes:
    """Return the same document indented, for files that people open."""
    return _dump(document, indent=1)


def _dump(document: Any, **layout: Any) -> bytes:
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, **layout)
    return (text + "\n").encode()

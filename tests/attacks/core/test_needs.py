"""The set that an attack types its search over is one that its needs have checked."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from components import example, load_all
from holdfast.components import known
from holdfast.threat import Normed, Region

load_all()


@pytest.mark.parametrize("name", known("attack"))
def test_a_search_uses_no_more_of_a_set_than_was_checked(name):
    attack = example(known("attack")[name])
    used, demands = get_type_hints(type(attack).iterate)["region"], attack.demands()
    checked = (*demands.needs, *([Normed] if demands.nearest else []))
    assert used in (Any, Region) or any(used in getattr(need, "__mro__", ()) for need in checked)

"""Former digests of the suites: the same algorithms and budgets under the names of their day."""

from __future__ import annotations

import pytest

from holdfast.claims.suites import listed
from holdfast.components import describe, digest
from holdfast.evaluation.suites import DECISION_1, QUICK_1, SCORE_1, STANDARD_1

# Names now -> before, of the components and of their fields.
COMPONENTS = {"warm_start": "chain", "target_rank": "to_rank"}
FIELDS = {
    "boundary": {"spherical_step": "aside", "source_step": "nearer"},
    "geoda": {"initial_gradient_queries": "probes"},
    "hopskipjump": {"initial_gradient_queries": "probes"},
    "sign_opt": {"first_step": "step_size"},
}


def before(value):
    """Return plain data in the former names."""
    if isinstance(value, list):
        return [before(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = FIELDS.get(value.get("type"), {})
    renamed = {fields.get(key, key): before(item) for key, item in value.items()}
    if "type" in renamed:
        renamed["type"] = COMPONENTS.get(renamed["type"], renamed["type"])
    return renamed


@pytest.mark.parametrize("suite", [STANDARD_1, QUICK_1, SCORE_1, DECISION_1], ids=lambda s: s.name)
def test_the_first_digest_of_a_suite_is_that_of_its_former_names(suite):
    digests = {digest(suite), digest(before(describe(suite)))}
    assert digests == listed()[suite.name]

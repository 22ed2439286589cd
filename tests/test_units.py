"""Numbers as people write them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from holdfast.errors import InputError
from holdfast.units import number


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("8/255", 8 / 255),
        (" 8 / 255 ", 8 / 255),
        ("0.3", 0.3),
        ("1e-3", 0.001),
        ("-1/4", -0.25),
        (0.5, 0.5),
        (1, 1.0),
        (Fraction(8, 255), 8 / 255),
    ],
)
def test_numbers_and_quotients(written, value):
    assert number(written) == value
    assert isinstance(number(written), float)


@pytest.mark.parametrize(
    "written", ["", "eight", "8/", "/255", "1/0", "1/2/3", "nan", "inf", True, None, [1], 1j]
)
def test_everything_else_is_refused_by_name(written):
    with pytest.raises(InputError, match="radius must be") as error:
        number(written, "radius")
    assert "\n" not in str(error.value)
    assert repr(written) in str(error.value)

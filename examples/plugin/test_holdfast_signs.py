"""What every attack must hold, and that the plug-in is found once it is installed."""

from __future__ import annotations

from holdfast_signs import RandomSigns

import holdfast as hf


def test_it_holds_what_every_attack_must():
    hf.testing.check_attack(RandomSigns(queries=5))


def test_its_suite_is_found_by_name():
    assert hf.evaluation.get_suite("signs").name == "signs-1"

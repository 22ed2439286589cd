"""Names of other libraries: ours exists and does what the table says, and errors say it."""

from __future__ import annotations

import re

import pytest
import torch

import holdfast as hf
from holdfast import config, translation
from holdfast.attacks.core.base import Attack
from holdfast.cli.main import run
from holdfast.evaluation import get_suite
from holdfast.spaces.catalog import fits

ROWS = translation.rows()
SHAPE = (1, 3, 32, 32)  # large enough for the windows of every search


def _sets(remark):
    """Return the sets that a remark names; Linf where it names none."""
    named = re.match(r"in the set ([\w ]+)", remark)
    return named[1].split(" or ") if named else ["Linf"]


def test_ours_exists_and_attacks_the_set_that_is_named():
    for row in ROWS:
        made = _made(row)
        for name in _sets(row.remark) if row.ours and isinstance(made, Attack) else ():
            region = getattr(hf, name)(eps=1).around(torch.full(SHAPE, 0.5))
            assert fits(region, made.demands().needs), (row, name)


def _made(row):
    if row.kind == "suite":
        return get_suite(row.ours.split("'")[1])
    return eval(row.written, {"hf": hf}) if row.written else None


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("AutoAttack", "the suite 'standard'"),
        ("PGDL2", "torchattacks is hf.attacks.PGD() here, in the set L2"),
        ("LinfPGD", "foolbox is hf.attacks.PGD() here"),
        ("ProjectedGradientDescent", "ART and cleverhans is hf.attacks.PGD() here"),
        ("CarliniL2Method", "hf.attacks.CW() here, in the set L2"),
        ("L2CarliniWagnerAttack", "hf.attacks.CW() here, in the set L2"),
        ("DeepFoolAttack", "hf.attacks.DeepFool() here"),
        ("BoundaryAttack", "foolbox and ART is hf.attacks.Boundary() here"),
        ("TPGD", "hf.attacks.PGD(loss=hf.losses.KL()) here"),
        ("Wasserstein", "is not here"),
        ("L2BrendelBethgeAttack", "not here, the nearest is hf.attacks.FMN()"),
    ],
)
def test_an_attack_of_another_library_is_called_by_our_name(name, ours):
    for home in (hf, hf.attacks):
        with pytest.raises(AttributeError, match=re.escape(ours)):
            getattr(home, name)
    with pytest.raises(hf.ConfigError, match="standard" if "suite" in ours else "hf.attacks|not"):
        config.build("attack", {"attack": {"type": name}})


@pytest.mark.parametrize("name", ["autoattack", "AutoAttack", "aa", "plus", "auto_attack"])
def test_autoattack_is_no_name_of_ours_and_the_error_says_what_differs(name):
    with pytest.raises(hf.ConfigError, match="'standard'"):
        get_suite(name)
    with pytest.raises(hf.ConfigError, match=r"square-apgd in place of fab-t.*not AutoAttack"):
        get_suite("autoattack")


@pytest.mark.parametrize("name", ["apgd-ce", "apgd-dlr", "apgd-t", "fab-t"])
def test_a_part_of_autoattack_is_an_attack_and_no_suite(name):
    with pytest.raises(hf.ConfigError, match=r"is hf\.attacks\.(APGD|EachTarget)\("):
        get_suite(name)


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("suite", "square", "'square' is an attack"),
        ("attack", "trades", "'trades' is a method"),
        ("attack", "standard", "'standard' is a method and a suite"),
        ("method", "pgd", "'pgd' is an attack"),
        ("method", "AT", r"hf\.Madry\(\) here \('madry' by name\)"),
        ("method", "MART", r"not here, the nearest is hf\.TRADES\(\)"),
        ("method", "AWP", "AWP of MAIR is not here$"),
        ("attack", "fgm", r"hf\.attacks\.FGSM\(\) here \('fgsm' by name\), in the set L2"),
        ("attack", "Deep_Fool", "did you mean 'deepfool'"),  # ours, misspelled
        ("attack", "PGD", "did you mean 'pgd'"),
    ],
)
def test_a_name_of_another_kind_or_library_says_so(kind, name, said):
    with pytest.raises(hf.ConfigError, match=said):
        get_suite(name) if kind == "suite" else config.plain.build(kind, name)


def test_the_command_line_says_it_too(capsys):
    assert run(["attack", "--model", "x:y", "--data", "digits", "--attack", "fgm"]) == 2
    assert "'fgsm' by name" in capsys.readouterr().err


def test_a_name_in_another_room_is_shown_there():
    with pytest.raises(AttributeError, match=r"it is hf\.attacks\.PGD$"):
        _ = hf.PGD
    with pytest.raises(AttributeError, match=r"it is hf\.losses\.Margin$"):
        _ = hf.Margin
    with pytest.raises(AttributeError, match=r"no attribute 'NotThere'$"):
        _ = hf.NotThere
    assert not hasattr(hf.attacks, "NotThere")

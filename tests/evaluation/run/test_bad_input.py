"""Whatever cannot be evaluated is one clear error, and nothing is written."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest
import torch
from torch import nn

from evaluation_setup import TINY, network
from holdfast.attacks import PGD, EachTarget, Restarts, Square
from holdfast.data import Examples, from_tensors
from holdfast.errors import ConfigError, HoldfastError, InputError, StorageError, Unsupported
from holdfast.evaluation import Member, Suite, get_suite
from holdfast.models import wrap
from holdfast.spaces import Linf
from holdfast.threat import Knowledge, Targeted, ThreatModel


def altered(data: Examples, change) -> Examples:
    """Examples whose values are only seen to be wrong when they are looked at."""
    x = data.source.x.clone()
    change(x)
    return replace(data, source=replace(data.source, x=x))


def put(value):
    def change(x):
        x[77, 0, 2, 2] = value

    return change


class Softmax(nn.Module):
    def forward(self, x):
        return network()(x).softmax(1)


class Undifferentiable(nn.Module):
    """Breaks in the backward pass."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, grad):
            raise RuntimeError("no derivative")

    def forward(self, x):
        return network()(self.Function.apply(x))


def cases(data):
    wide = from_tensors(torch.rand(20, 1, 6, 6), torch.arange(20) % 5)
    short = replace(data, y=data.y.clone().index_fill_(0, torch.tensor([80]), 5))
    negative = replace(data, y=data.y.clone().index_fill_(0, torch.tensor([80]), -1))
    gradient = ThreatModel(Linf(eps=0.1))
    linf = gradient.space
    return [
        ({"examples": altered(data, lambda x: x.mul_(255))}, "divide by 255"),
        ({"examples": altered(data, put(torch.nan))}, "NaN"),
        ({"examples": altered(data, put(torch.inf))}, "infinite"),
        ({"examples": altered(data, put(1.01))}, "must be in"),
        ({"examples": short}, r"labels must be in 0\.\.4, got 5"),
        ({"examples": negative}, "negative"),
        ({"examples": wide}, r"cannot take torch.float32 inputs \(N, 1, 6, 6\)"),
        ({"model": Softmax()}, "returns probabilities"),
        ({"model": Undifferentiable()}, "cannot be differentiated: RuntimeError: no derivative"),
        ({"model": wrap(network(), range=(-1, 1))}, "same range"),
        ({"model": nn.Linear(3, 2)}, "cannot take"),
        ({"n": 0}, "n must be"),
        ({"n": 91}, "n must be"),
        ({"batch_size": 0}, "batch_size"),
        ({"device": "cuda:7"}, "device"),
        ({"eps": ["8/255", "2"]}, "eps must be"),
        ({"eps": "8/255"}, "list of radii"),
        ({"eps": [-0.1]}, "eps must be"),
        ({"suite": "standrad"}, "did you mean 'standard'"),
        ({"precision": "bfloat61"}, "did you mean 'bfloat16'"),
        ({"threat": replace(gradient, goal=Targeted())}, "target class"),
        ({"threat": replace(gradient, goal=Targeted(to=5))}, r"0\.\.4"),
        (
            {"threat": ThreatModel(linf, knowledge=Knowledge.SCORE)},
            "pgd of the suite .* does not fit",
        ),
        ({"threat": ThreatModel(linf, knowledge=Knowledge.DECISION)}, "knowledge"),
        ({"suite": Suite(name="none", members=())}, "needs members"),
        ({"suite": Suite(name="two", members=TINY.members[:1] * 2)}, "names of their own"),
    ]


@pytest.mark.parametrize("case", range(26))
def test_one_clear_error_and_nothing_written(run, data, tmp_path, case):
    changes, message = cases(data)[case]
    out = tmp_path / "deep" / "claim"
    with pytest.raises((InputError, ConfigError, Unsupported), match=message) as caught:
        run(**{"out": out, **changes})
    assert "\n" not in str(caught.value)
    assert not out.parent.exists()


def test_every_case_is_tried(data):
    assert len(cases(data)) == 26


def test_an_unwritable_folder(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another folder"):
        run(out=tmp_path / "file" / "claim")


def test_a_full_disk(run, tmp_path):
    """The ledger survives: with more space the same command ends the claim."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only, where mounting is allowed")
    try:
        with pytest.raises(StorageError, match="disk is full") as caught:
            run(out=disk / "claim")
        assert isinstance(caught.value, HoldfastError)
        assert "\n" not in str(caught.value)
        assert not (disk / "claim" / "claim.json").exists()
        again = ["mount", "-o", "remount,size=4m", str(disk)]
        subprocess.run(again, capture_output=True, check=True)
        assert run(out=disk / "claim").document["counts"]["failed"] == 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_newest_version_of_a_suite_and_its_parts():
    assert get_suite("standard").name == "standard-1"
    names = [[m.name for m in get_suite("standard").parts(classes)] for classes in (10, 3, 2)]
    targeted = [[name for name in each if name.startswith("apgd-t")] for each in names]
    assert targeted[0] == [f"apgd-t-{rank}" for rank in range(1, 10)]
    assert targeted[1:] == [["apgd-t-1", "apgd-t-2"], ["apgd-t"]]
    assert {"apgd-ce", "apgd-dlr", "square"} < set(names[2])


def test_no_run_towards_a_class_that_there_is_not():
    nested = EachTarget(attack=Restarts(attack=PGD(steps=2), restarts=3), top=9)
    suite = Suite(name="x", members=(Member(name="t", attack=nested),))
    assert len(suite.parts(4)) == 3 * 3
    outer = Restarts(attack=EachTarget(attack=PGD(steps=2), top=9), restarts=2)
    suite = Suite(name="x", members=(Member(name="t", attack=outer),))
    assert len(suite.parts(4)) == 2 * 3


def test_score_knowledge_with_attacks_that_need_no_more(run):
    square = Suite(name="square", members=(Member(name="square", attack=Square(queries=5)),))
    claim = run(threat=ThreatModel(Linf(eps=0.1), knowledge=Knowledge.SCORE), suite=square)
    assert claim.cost.backward == 0

from __future__ import annotations

import importlib
import pickle
import sys
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from holdfast.errors import InputError
from holdfast.models import load_user_model, load_weights

SOURCE = """
from torch import nn

def build():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))

ready = build()
number = 3

def wrong():
    return number

def needy(width):
    return nn.Linear(width, 3)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "their_nets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield "their_nets"
    sys.modules.pop("their_nets", None)


def network():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize("name", ["build", "ready"])
def test_a_function_or_a_module_is_found_in_the_working_folder(package, name):
    path = list(sys.path)
    assert isinstance(load_user_model(f"{package}:{name}"), nn.Sequential)
    assert sys.path == path


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("their_nets", "package.module:function"),
        ("no_such_package:build", "install it"),
        ("their_nets:construct", "no 'construct'"),
        ("their_nets:wrong", "got int"),
        ("their_nets:needy", "without arguments .*'width'"),
    ],
)
def test_a_wrong_name_is_one_error(package, path, words):
    with pytest.raises(InputError, match=words):
        load_user_model(path)


def test_the_users_own_line_is_named_not_the_one_inside_a_library(package, tmp_path):
    source = "import torch\nfrom torch import nn\n\ndef build():\n"
    source += "    nn.Linear(4, 3)(torch.zeros(2, 5))\n"
    (tmp_path / "broken_nets.py").write_text(source)
    try:
        with pytest.raises(InputError, match=r"RuntimeError: .* \(broken_nets\.py, line 5\)"):
            load_user_model("broken_nets:build")
    finally:
        sys.modules.pop("broken_nets", None)


class Hooked(nn.Linear):
    """A layer whose own loading code raises."""

    def _load_from_state_dict(self, *arguments):
        raise KeyError("version")


def test_a_loading_hook_that_raises_is_one_error(tmp_path):
    theirs = Hooked(2, 2)
    torch.save(theirs.state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match="do not fit: 'version'"):
        load_weights(theirs, tmp_path / "w.pt")


@pytest.mark.parametrize("nest", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
def test_weights_load_from_what_trainers_save(package, tmp_path, nest, prefix):
    theirs = network()
    state = {prefix + key: value for key, value in theirs.state_dict().items()}
    torch.save(nest(state), tmp_path / "w.pt")
    ours = load_user_model(f"{package}:build", tmp_path / "w.pt")
    assert torch.equal(ours[2].weight, theirs[2].weight)


def test_weights_load_from_safetensors(tmp_path):
    theirs, ours = network(), network()
    save_file(theirs.state_dict(), tmp_path / "w.safetensors")
    load_weights(ours, tmp_path / "w.safetensors")
    assert torch.equal(ours[0].weight, theirs[0].weight)


def test_names_that_begin_like_a_wrapper_are_kept(tmp_path):
    theirs, ours = (nn.ModuleDict({"module": nn.Linear(2, 2)}) for _ in range(2))
    torch.save(theirs.state_dict(), tmp_path / "w.pt")
    load_weights(ours, tmp_path / "w.pt")
    assert torch.equal(ours["module"].weight, theirs["module"].weight)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("2.weight"), r"missing '2\.weight'"),
        (lambda s: s.update({"9.weight": torch.ones(1)}), r"unexpected '9\.weight'"),
        (lambda s: s.update({"0.bias": 3}), r"'0\.bias' has shape int, wanted \(8,\)"),
        (lambda s: s.update({"0.bias": torch.ones(5)}), r"'0\.bias' has shape \(5,\), wanted \(8,"),
    ],
)
def test_another_architecture_names_the_first_difference(tmp_path, change, words):
    state = network().state_dict()
    change(state)
    torch.save(state, tmp_path / "w.pt")
    ours = network()
    before = ours[0].weight.clone()
    with pytest.raises(InputError, match=words):
        load_weights(ours, tmp_path / "w.pt")
    assert torch.equal(ours[0].weight, before)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code ran while weights were loaded",))


def test_a_pickle_is_refused_and_not_run(tmp_path):
    torch.save({"a": Bomb()}, tmp_path / "saved.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb()))
    torch.save(network(), tmp_path / "module.pt")
    for name in ("saved.pt", "plain.pt", "module.pt"):
        with pytest.raises(InputError, match="hold Python objects"):
            load_weights(network(), tmp_path / name)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 100, 400])
def test_truncated_weights_are_one_error(tmp_path, name, keep):
    path = tmp_path / name
    state = network().state_dict()
    save_file(state, path) if name.endswith("safetensors") else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"damaged|truncated"):
        load_weights(network(), path)


def test_missing_and_empty_weights(tmp_path):
    with pytest.raises(InputError, match="no weights at"):
        load_weights(network(), tmp_path / "none.pt")
    torch.save({1: torch.ones(2)}, tmp_path / "numbers.pt")
    with pytest.raises(InputError, match="missing"):
        load_weights(network(), tmp_path / "numbers.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(InputError, match="no state dict"):
        load_weights(network(), tmp_path / "list.pt")


def test_weights_that_are_larger_inside_are_refused(tmp_path):
    torch.save({"0.weight": torch.zeros(1000, 1000)}, tmp_path / "w.pt")
    with (
        zipfile.ZipFile(tmp_path / "w.pt") as saved,
        zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in saved.namelist():
            packed.writestr(name, saved.read(name))
    with pytest.raises(InputError, match=r"unpack to 4,000,\d+ bytes"):
        load_weights(network(), tmp_path / "small.pt")


BROKEN = {
    "x = (": "cannot import 'net_broken': SyntaxError",
    "undefined_name": r"NameError: .*\(net_broken.py, line 1\)",
    "import sys; sys.exit(3)": "cannot import 'net_broken': SystemExit: 3",
    "def build():\n    return {}['weights']": r"did not build a network: KeyError.*line 2\)",
    "import sys\ndef build():\n    sys.exit('bye')": "did not build a network: SystemExit: bye",
    "def build():\n    raise RuntimeError('a\\nb')": "RuntimeError: a ",
    "def __getattr__(name):\n    raise OSError('no')": "OSError: no",
    "build = max": "did not build a network: TypeError",
}


@pytest.mark.parametrize("source", BROKEN, ids=BROKEN.values())
def test_a_module_that_raises_is_one_error_that_says_where(tmp_path, monkeypatch, source):
    (tmp_path / "net_broken.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "net_broken", raising=False)
    importlib.invalidate_caches()
    with pytest.raises(InputError, match=BROKEN[source]) as caught:
        load_user_model("net_broken:build")
    assert "\n" not in str(caught.value)
    monkeypatch.delitem(sys.modules, "net_broken", raising=False)

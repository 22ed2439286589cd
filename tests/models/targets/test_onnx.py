"""ONNX models, run by ONNX Runtime: digests of bytes, shapes and outputs as the file has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import holdfast as hf
from holdfast.claims import model_digest
from holdfast.errors import InputError
from holdfast.models import Onnx, wrap

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

X = torch.rand(10, 2, 3, generator=torch.Generator().manual_seed(1))
WEIGHT = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LOGITS = torch.from_numpy(X.flatten(1).numpy() @ WEIGHT)


def saved(folder, name="net.onnx", shape=("N", 6), softmax=False, weight=WEIGHT, extra=False):
    """A file with x @ weight, perhaps behind a softmax, perhaps with a second output."""
    helper, numbers = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"])]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["z"], ["p"], axis=1))
    given = helper.make_tensor_value_info("x", numbers, shape)
    out = ["p"] if softmax else ["z"]
    out = [*out, "z"] if extra else out
    infos = [helper.make_tensor_value_info(o, numbers, (shape[0], weight.shape[1])) for o in out]
    graph = helper.make_graph(
        nodes, "net", [given], infos, [onnx.numpy_helper.from_array(weight, "w")]
    )
    versions = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, ir_version=8, opset_imports=versions)
    onnx.save(model, folder / name)
    return folder / name


def test_a_file_is_a_model(tmp_path):
    path = saved(tmp_path)
    for given in (path, str(path)):
        assert torch.allclose(wrap(given, outputs="logits")(X), LOGITS, atol=1e-5)
    model = wrap(path, outputs="logits")
    assert model.title == "ONNX net.onnx"
    assert model.offers == "score"
    assert model.box.target.sealed
    soft = wrap(saved(tmp_path, softmax=True), outputs="probabilities")
    assert torch.allclose(soft(X), LOGITS.log_softmax(1), atol=1e-5)


def test_a_session_is_one_too_without_a_digest(tmp_path):
    import onnxruntime

    session = onnxruntime.InferenceSession(saved(tmp_path), providers=["CPUExecutionProvider"])
    model = wrap(session, outputs="logits")
    assert torch.allclose(model(X), LOGITS, atol=1e-5)
    assert not model.box.target.sealed


def test_a_fixed_batch_size_is_filled_up(tmp_path):
    model = wrap(saved(tmp_path, shape=(4, 6)), outputs="logits")
    assert torch.allclose(model(X), LOGITS, atol=1e-5)


def test_the_digest_is_that_of_the_bytes(tmp_path):
    def digest(path, outputs="logits"):
        return model_digest(wrap(path, outputs=outputs))

    one = saved(tmp_path)
    moved = tmp_path / "elsewhere.onnx"
    moved.write_bytes(one.read_bytes())
    assert digest(one) == digest(moved)
    assert digest(one) != digest(saved(tmp_path, "b.onnx", weight=WEIGHT + 1e-6))
    assert digest(one) != digest(one, "probabilities")


def test_mistakes_are_named(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    two = saved(tmp_path, "two.onnx", softmax=True, extra=True)
    cases = [
        (lambda: wrap(saved(tmp_path)), "state what ONNX net.onnx returns"),
        (lambda: wrap("absent.onnx", outputs="logits"), "no ONNX model at"),
        (lambda: wrap(tmp_path / "no.onnx", outputs="logits"), "cannot read"),
        (lambda: wrap(two, outputs="logits"), "has the outputs p, z"),
        (lambda: Onnx(two, "logits", output="q"), "got 'q'"),
    ]
    for make, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            make()
        assert "\n" not in str(caught.value)
    assert torch.allclose(wrap(Onnx(two, "logits", output="z"))(X), LOGITS, atol=1e-5)


def test_attack_claim_and_verification(tmp_path):
    path, y = saved(tmp_path), LOGITS.argmax(1)
    threat = hf.ThreatModel(hf.Linf(eps=0.2), knowledge="score", queries=30)
    claim = hf.evaluate(
        wrap(path, outputs="logits"), (X, y), threat=threat, suite="score",
        out=tmp_path / "claim", quiet=True,
    )  # fmt: skip
    assert claim.document["model"]["name"] == "ONNX net.onnx"
    assert claim.document["model"]["target"]["sealed"]
    assert claim.cost.backward == 0
    hf.verify(tmp_path / "claim", model=wrap(path, outputs="logits"), data=(X, y))
    assert claim.document["counts"]["broken"] > 3
    other = wrap(saved(tmp_path, "b.onnx", weight=WEIGHT + 1e-6), outputs="logits")
    with pytest.raises(hf.VerificationError, match="the model is not the claim's"):
        hf.verify(tmp_path / "claim", model=other, data=(X, y))


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    from holdfast.cli.main import run

    monkeypatch.chdir(tmp_path)
    saved(tmp_path)
    x, y = X.numpy(), LOGITS.argmax(1).numpy()
    np.savez("data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    words = ["evaluate", "--model", "net.onnx", "--data", "data.npz", "--threat", "linf:0.2"]
    words += ["--suite", "score", "--set", "threat.knowledge=score", "--set", "threat.queries=30"]
    assert run([*words, "--out", "claim", "--quiet"]) == 2
    assert "state what ONNX net.onnx returns" in capsys.readouterr().err
    words += ["--set", "outputs=logits", "--out", "claim", "--quiet"]
    assert run(words) == 0, capsys.readouterr().err
    assert "BLACK BOX" in capsys.readouterr().out
    assert run(["verify", "claim", "--model", "net.onnx", "--data", "data.npz"]) == 0


def outside(folder, name="net.onnx", weight=WEIGHT, location="weights.bin", where="initializer"):
    """The same network with its weights in a file beside it; `where` they are in the graph."""
    helper, numbers = onnx.helper, onnx.TensorProto.FLOAT
    tensor = onnx.numpy_helper.from_array(weight, "w")
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    nodes, kept = [helper.make_node("MatMul", ["x", "w"], ["z"])], [tensor]
    if where != "initializer":
        kept, constant = [], helper.make_node("Constant", [], ["w"], value=tensor)
        nodes = [constant, *nodes]
    given = helper.make_tensor_value_info("x", numbers, ("N", 6))
    out = helper.make_tensor_value_info("z", numbers, ("N", weight.shape[1]))
    graph = helper.make_graph(nodes, "net", [given], [out], kept)
    if where == "branch":
        yes = helper.make_node(
            "Constant", [], ["yes"], value=onnx.numpy_helper.from_array(np.array(True))
        )
        inner = helper.make_graph(nodes, "inner", [], [out])
        either = helper.make_node("If", ["yes"], ["z"], then_branch=inner, else_branch=inner)
        graph = helper.make_graph([yes, either], "net", [given], [out])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    (folder / name).write_bytes(model.SerializeToString())
    if not location.startswith(("/", "..")):
        (folder / location).parent.mkdir(exist_ok=True)
        (folder / location).write_bytes(weight.tobytes())
    return folder / name


@pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
def test_weights_in_files_of_their_own_are_part_of_the_digest(tmp_path, where):
    from holdfast.models.targets.onnx_file import read

    path = outside(tmp_path, where=where, location="deep/weights.bin")
    assert read(path).external == ("deep/weights.bin",)
    same, other = tmp_path / "same", tmp_path / "other"
    same.mkdir(), other.mkdir()
    outside(same, where=where, location="deep/weights.bin")
    outside(other, where=where, location="deep/weights.bin", weight=WEIGHT + 1e-6)
    assert (other / "net.onnx").read_bytes() == path.read_bytes()
    assert read(path).sha256 == read(same / "net.onnx").sha256
    assert read(path).sha256 != read(other / "net.onnx").sha256


def test_a_model_with_weights_outside_is_sealed_by_both_files(tmp_path):
    model = wrap(outside(tmp_path), outputs="logits")
    assert torch.allclose(model(X), LOGITS, atol=1e-5)
    assert model.box.target.sealed
    before = model_digest(model)
    (tmp_path / "weights.bin").write_bytes((WEIGHT + 1e-6).tobytes())
    assert model_digest(wrap(tmp_path / "net.onnx", outputs="logits")) != before


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "gone.bin", "C:\\w.bin"])
def test_weights_elsewhere_or_nowhere_are_one_clear_error(tmp_path, location):
    path = outside(tmp_path, location=location)
    if location in ("gone.bin", "C:\\w.bin"):
        (tmp_path / location).unlink()
    with pytest.raises(InputError, match="wants weights at") as caught:
        wrap(path, outputs="logits")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"\xff" * 40, b"\x3a\xff\xff\xff\xff\x0f", b"\x0b\x0c", b"\x3a"]
)
def test_bytes_that_are_no_model_are_one_clear_error(tmp_path, content):
    (tmp_path / "no.onnx").write_bytes(content)
    with pytest.raises(InputError, match="no ONNX model"):
        wrap(tmp_path / "no.onnx", outputs="logits")


@pytest.mark.parametrize("output", ["label", "scores"])
def test_what_a_classifier_says_of_its_labels_is_heeded(tmp_path, output):
    helper, numbers = onnx.helper, onnx.TensorProto
    node = helper.make_node(
        "LinearClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
        classlabels_ints=[2, 3, 5, 9], coefficients=WEIGHT.T.flatten().tolist(),
        intercepts=[0.0] * 4, multi_class=1, post_transform="NONE",
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "net", [helper.make_tensor_value_info("x", numbers.FLOAT, ("N", 6))],
        [helper.make_tensor_value_info("label", numbers.INT64, ("N",)),
         helper.make_tensor_value_info("scores", numbers.FLOAT, ("N", 4))],
    )  # fmt: skip
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=versions), tmp_path / "c.onnx")
    kind = "labels" if output == "label" else "logits"
    model = wrap(Onnx(tmp_path / "c.onnx", kind, output=output))
    y = torch.tensor([2, 3, 5, 9])[LOGITS.argmax(1)]
    threat = hf.ThreatModel(hf.L2(eps=1e-4))
    for rows in (torch.arange(10), (y < 4).nonzero()[:, 0]):
        found = hf.attack(
            model, X[rows], y[rows], threat=threat, attack=hf.attacks.Boundary(queries=2), seed=0
        )
        assert not found.success.any()

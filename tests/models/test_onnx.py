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
        (lambda: wrap(saved(tmp_path)), "say what ONNX net.onnx returns"),
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
    assert "say what ONNX net.onnx returns" in capsys.readouterr().err
    words += ["--set", "outputs=logits", "--out", "claim", "--quiet"]
    assert run(words) == 0, capsys.readouterr().err
    assert "BLACK BOX" in capsys.readouterr().out
    assert run(["verify", "claim", "--model", "net.onnx", "--data", "data.npz"]) == 0

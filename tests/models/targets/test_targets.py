"""Targets outside of PyTorch: what they say is what is scored, and what they do not say fails."""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

import holdfast as hf
from holdfast.claims import model_digest
from holdfast.errors import InputError, TargetError, Unsupported
from holdfast.evaluation import transfer_matrix
from holdfast.models import BlackBox, Endpoint, Estimator, Function, inspect, wrap

THREAT = hf.ThreatModel(hf.Linf(eps=0.3))
WEIGHT = torch.randn(3, 6, generator=torch.Generator().manual_seed(0)).numpy()
X = torch.rand(12, 6, generator=torch.Generator().manual_seed(1))
Y = torch.from_numpy(((X.numpy() - 0.5) @ WEIGHT.T).argmax(1))
SQUARE = hf.attacks.Square(queries=60)


def logits(x):
    return (x - 0.5) @ WEIGHT.T


def probabilities(x):
    powers = np.exp(logits(x))
    return powers / powers.sum(1, keepdims=True)


def labels(x):
    return logits(x).argmax(1)


def fitted(kind, classes=3):
    x, y = X.numpy(), Y.numpy()
    return kind.fit(x, y if classes == 3 else y > 0)


class Linear(nn.Module):
    def forward(self, x):
        return (x - 0.5) @ torch.from_numpy(WEIGHT).T


def test_a_function_gives_the_scores_that_it_returns():
    model = wrap(logits, outputs="logits")
    assert torch.equal(model(X), torch.from_numpy(logits(X.numpy())))
    assert not model(X.requires_grad_()).requires_grad
    assert model.offers == "score"
    X.requires_grad_(False)


def test_probabilities_become_their_logarithms_and_zero_stays_finite():
    model = wrap(probabilities, outputs="probabilities")
    assert torch.allclose(model(X), wrap(logits, outputs="logits")(X).log_softmax(1), atol=1e-5)
    certain = wrap(lambda x: np.eye(3)[labels(x)], outputs="probabilities")(X)
    assert bool(certain.isfinite().all())
    single = wrap(lambda x: probabilities(x)[:, 1], outputs="probabilities")(X)
    assert torch.allclose(single.exp().sum(1), torch.ones(12))


def test_labels_become_one_against_the_rest():
    model = wrap(labels, outputs="labels", num_classes=3)
    assert torch.equal(model(X).argmax(1), Y)
    assert set(model(X).flatten().tolist()) == {-1.0, 1.0}
    assert model.offers == "decision"


def test_a_network_of_probabilities_stays_differentiable():
    net = nn.Sequential(Linear(), nn.Softmax(dim=1))
    model = wrap(net, outputs="probabilities")
    assert model.offers == "gradient"
    found = hf.attack(model, X, Y, threat=THREAT, attack=hf.attacks.PGD(), seed=0)
    plain = hf.attack(Linear(), X, Y, threat=THREAT, attack=hf.attacks.PGD(), seed=0)
    assert torch.equal(found.success, plain.success)
    with pytest.raises(InputError, match="its rows are none"):
        wrap(Linear(), outputs="probabilities")(X)
    with pytest.raises(InputError, match="knowledge='decision'"):
        wrap(Linear(), outputs="labels")


@pytest.mark.parametrize(
    ("estimator", "method", "offers"),
    [
        (LogisticRegression(), "decision_function", "score"),
        (RandomForestClassifier(10, random_state=0), "predict_proba", "score"),
        (GaussianNB(), "predict_proba", "score"),
        (Perceptron(), "decision_function", "score"),
    ],
    ids=lambda value: getattr(type(value), "__name__", value),
)
def test_estimators_are_asked_by_the_best_method_that_they_have(estimator, method, offers):
    for classes in (2, 3):
        fit = fitted(estimator, classes)
        model = wrap(fit)
        assert model.box.target.outputs == (
            "logits" if method == "decision_function" else "probabilities"
        )
        assert model(X[:, :, None]).shape == (12, classes)  # inputs are flattened
        predicted = np.searchsorted(fit.classes_, fit.predict(X.numpy()))
        assert model(X).argmax(1).tolist() == predicted.tolist()
        assert model.offers == offers


def test_an_estimator_of_labels_alone_and_one_made_so():
    words = np.array(["a", "b", "c"])[Y.numpy()]
    model = wrap(NearestCentroid().fit(X.numpy(), words), outputs="labels")
    assert model(X).argmax(1).tolist() == [
        "abc".index(word) for word in model.box.target.estimator.predict(X.numpy())
    ]
    forest = wrap(fitted(RandomForestClassifier(10, random_state=0)), outputs="labels")
    assert forest.offers == "decision"


@pytest.mark.parametrize("classes", [(1, 2, 3), (0, 2, 7), (2.0, 4.0, 40.0)])
@pytest.mark.parametrize("outputs", [None, "probabilities", "labels"])
def test_data_mean_the_classes_of_an_estimator_and_not_its_columns(classes, outputs):
    y = np.array(classes)[Y.numpy()]
    model = wrap(Estimator(LogisticRegression().fit(X.numpy(), y), outputs))
    right = torch.from_numpy(model.box.target.estimator.predict(X.numpy()) == y)
    assert right.sum() > 8
    seen = torch.from_numpy(y).long()
    for rows in (torch.arange(12), (Y < 2).nonzero()[:, 0]):  # all classes; the last one is absent
        found = hf.attack(model, X[rows], seen[rows], threat=STILL, attack=NO_MOVE, seed=0)
        assert torch.equal(~found.success, right[rows])


STILL = hf.ThreatModel(hf.L2(eps=1e-4))
NO_MOVE = hf.attacks.Boundary(queries=2)


class Unordered:
    """A classifier whose columns are in an order of their own."""

    classes_ = np.array([3, 1, 2])

    def get_params(self, deep=True):
        return {}

    def predict(self, x):
        return self.classes_[logits(x).argmax(1)]

    def predict_proba(self, x):
        return probabilities(x)


class Upset(Unordered):
    """One whose columns are not in the order of its classes."""

    def predict(self, x):
        return np.array([1, 2, 3])[logits(x).argmax(1)]


def test_columns_in_any_order_and_columns_that_are_not_those_of_the_classes():
    y = torch.from_numpy(Unordered().predict(X.numpy()))
    for outputs in ("probabilities", "labels"):
        target = Estimator(Unordered(), outputs)
        assert not hf.attack(target, X, y, threat=STILL, attack=NO_MOVE, seed=0).success.any()
    with pytest.raises(InputError, match="another class than it predicts on 12 of 12"):
        wrap(Upset())(X)
    votes = fitted(SVC(decision_function_shape="ovo"))  # three pairs of three classes
    with pytest.raises(InputError, match="decision_function_shape='ovr'"):
        wrap(votes)(X)


def test_pipelines_and_searches_are_estimators_and_two_classes_are_told_apart():
    signs = np.where(X[:, 0].numpy() > np.median(X[:, 0]), 1, -1)
    for kind in (
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 10.0]}, cv=2),
    ):
        fit = kind.fit(X.numpy(), signs)
        model = wrap(fit)  # -1 and 1: data cannot say them, and count columns
        assert model(X).argmax(1).tolist() == (fit.predict(X.numpy()) > 0).astype(int).tolist()
        assert model.labels is None


def test_classes_that_data_cannot_mean_are_one_clear_error(tmp_path):
    x, one = X.numpy(), LogisticRegression().fit(X.numpy(), Y.numpy() + 1)
    both = np.stack([Y.numpy() > 0, Y.numpy() > 1], 1).astype(int)
    uneven = np.stack([Y.numpy() > 0, Y.numpy()], 1)
    far = hf.ThreatModel(hf.Linf(eps=0.1), goal=hf.Targeted(to=1), knowledge="score")
    cases = [
        (lambda: hf.attack(one, X, Y, threat=STILL, attack=NO_MOVE, seed=0), "label 0 is none of"),
        (
            lambda: hf.attack(one, X, Y + 1, threat=far, attack=SQUARE, seed=0),
            "counts the model's columns",
        ),
        (lambda: wrap(LogisticRegression().fit(x, Y.numpy() - 1)), "a class or a column"),
        (lambda: wrap(RandomForestClassifier(3).fit(x, both)), "one label per example"),
        (lambda: wrap(RandomForestClassifier(3).fit(x, uneven)), "one label per example"),
        (lambda: wrap(OneVsRestClassifier(LogisticRegression()).fit(x, both))(X), "one label per"),
        (lambda: wrap(GaussianNB().fit(x, Y.numpy() * 0)), "two classes or more"),
    ]
    for make, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            make()
        assert "\n" not in str(caught.value)
    targets = (Y + 1) % 3 + 1
    aimed = hf.attack(one, X, Y + 1, threat=STILL, attack=NO_MOVE, targets=targets, seed=0)
    assert aimed.success.tolist() == (one.predict(x) == targets.numpy()).tolist()


def test_a_claim_about_such_a_classifier_counts_its_classes(tmp_path):
    y = torch.from_numpy(np.array([1, 4, 9])[Y.numpy()])
    forest = RandomForestClassifier(10, random_state=0).fit(X.numpy(), y.numpy())
    threat = hf.ThreatModel(hf.Linf(eps=0.02), knowledge="score", queries=10)
    claim = hf.evaluate(
        forest, (X, y), threat=threat, suite="score", out=tmp_path / "claim", quiet=True
    )
    wrong = int((forest.predict(X.numpy()) != y.numpy()).sum())
    assert claim.document["counts"]["clean-wrong"] == wrong
    assert [entry["name"] for entry in claim.document["per_class"]] == ["1", "4", "9"]
    hf.verify(tmp_path / "claim", model=forest, data=(X, y))


def test_a_judge_of_other_classes_in_a_transfer_matrix():
    y = torch.from_numpy(np.array([1, 4, 9])[Y.numpy()])
    judge = wrap(LogisticRegression().fit(X.numpy(), y.numpy()))
    source = wrap(lambda x: logits(x)[:, [0, 0, 0, 0, 1, 0, 0, 0, 0, 2]], outputs="logits")
    threat = hf.ThreatModel(hf.Linf(eps=0.01))
    found = transfer_matrix(SQUARE, threat, {"a": source}, X, y, judges={"b": judge})
    assert (
        found.right[0].sum() == (judge.box.target.estimator.predict(X.numpy()) == y.numpy()).sum()
    )


def test_what_a_target_is_said_to_return_is_held_against_it():
    cases = [
        (Function(logits, "probabilities"), "its rows are none"),
        (Function(labels, "logits"), "say outputs='labels'"),
        (Function(logits, "labels", num_classes=3), "say outputs='logits'"),
        (Function(labels, "labels"), "say num_classes"),
        (Function(labels, "labels", num_classes=2), r"labels in 0\.\.1"),
        (Function(lambda x: logits(x)[:3], "logits"), "one row or number per example"),
        (Function(lambda x: ["a"] * len(x), "labels", num_classes=3), "must return numbers"),
        (Function(logits, "logits", num_classes=4), "3 scores for an example, 4 were expected"),
    ]
    for target, message in cases:
        with pytest.raises(InputError, match=message):
            hf.attack(target, X, Y, threat=THREAT, attack=SQUARE, seed=0)
    with pytest.raises(InputError, match=r"pass hf\.wrap\(model, outputs='probabilities'\)"):
        hf.attack(Function(probabilities, "logits"), X, Y, threat=THREAT, attack=SQUARE, seed=0)


def test_what_is_no_model_and_what_nobody_said_is_one_clear_error():
    cases = [
        (lambda: wrap(logits), "state what function logits returns"),
        (lambda: wrap(logits, outputs="logit"), "did you mean 'logits'"),
        (lambda: wrap(3), "got int"),
        (lambda: wrap("resnet18"), "got str"),
        (lambda: wrap(nn.Linear), "got the class Linear"),
        (lambda: wrap(LogisticRegression()), "fit it first"),
        (lambda: wrap(fitted(GaussianNB()), outputs="logits"), "has no decision_function"),
        (lambda: wrap(LinearRegression().fit(X, Y)), "must be a classifier"),
        (lambda: wrap(Function(logits, "logits"), outputs="logits"), r"stated in Function"),
        (lambda: wrap(wrap(logits, outputs="logits"), outputs="logits"), "wrapped already"),
    ]
    for make, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_gradient_attacks_refuse_and_name_what_works():
    scores, only = wrap(logits, outputs="logits"), wrap(labels, outputs="labels", num_classes=3)
    with pytest.raises(Unsupported, match="pgd needs gradient knowledge, the model gives scores"):
        hf.attack(scores, X, Y, threat=THREAT, seed=0)
    with pytest.raises(Unsupported, match=r"use one of .*square") as caught:
        hf.attack(scores, X, Y, threat=THREAT, attack="apgd", seed=0)
    assert "pgd" not in str(caught.value).split("use one of")[1]
    with pytest.raises(Unsupported, match="square needs score knowledge, the model gives labels"):
        hf.attack(only, X, Y, threat=THREAT, attack="square", seed=0)
    with pytest.raises(Unsupported, match=r"use one of .*hopskipjump") as caught:
        hf.attack(only, X, Y, threat=THREAT, attack="square", seed=0)
    assert "square" not in str(caught.value).split("use one of")[1]


def test_black_boxes_fall_to_the_attacks_that_fit_as_the_network_does():
    network = hf.attack(Linear(), X, Y, threat=THREAT, attack=SQUARE, seed=0)
    asked = hf.attack(wrap(logits, outputs="logits"), X, Y, threat=THREAT, attack=SQUARE, seed=0)
    assert int(asked.success.sum()) > 6
    assert torch.equal(asked.success, network.success)
    hop = hf.attacks.HopSkipJump(queries=150)
    found = hf.attack(
        wrap(labels, outputs="labels", num_classes=3), X, Y, threat=THREAT, attack=hop, seed=0
    )
    assert int(found.success.sum()) > 6
    assert (labels(found.x_adv.numpy()) != Y.numpy()).tolist() == found.reached.tolist()


def fails_on(row):
    """A function that raises whenever something near this row is among its inputs."""

    def classify(x):
        if (np.abs(x - row).max(1) < 0.31).any():
            raise ConnectionError("gone")
        return logits(x)

    return classify


def test_an_example_on_which_a_target_raises_fails_alone():
    model = wrap(fails_on(X[3].numpy()), outputs="logits")
    found = hf.attack(model, X, Y, threat=THREAT, attack=SQUARE, seed=0)
    whole = hf.attack(wrap(logits, outputs="logits"), X, Y, threat=THREAT, attack=SQUARE, seed=0)
    others = torch.arange(12) != 3
    assert str(found.status[3]) == "failed"
    assert torch.equal(found.success[others], whole.success[others])


def test_a_target_that_never_answers_is_one_error():
    def mute(x):
        raise OSError("no such device")

    with pytest.raises(TargetError, match="answers nothing, it raised OSError: no such device"):
        hf.attack(Function(mute, "logits"), X, Y, threat=THREAT, attack=SQUARE, seed=0)


def test_copies_are_asked_once():
    asked = []

    def counted(x):
        asked.append(len(x))
        return logits(x)

    model = wrap(counted, outputs="logits")
    twice = torch.cat([X, X[:1].expand(20, 6)])
    assert torch.equal(model(twice)[12:], model(X)[:1].expand(20, 3))
    assert asked == [12, 12]


def test_inspection_says_what_a_target_gives():
    ids = {f.id: f for f in inspect(wrap(logits, outputs="logits"), X, Y)}
    assert set(ids) == {"finite-outputs", "logits", "repeatable", "black-box", "batch-independent"}
    assert ids["black-box"].status == "warn"
    assert "not its function" in ids["black-box"].message
    assert all(f.status == "pass" for name, f in ids.items() if name != "black-box")
    said = {f.id: f for f in inspect(wrap(probabilities, outputs="probabilities"), X, Y)}
    assert said["logits"].status == "pass"


def test_digests_cover_name_settings_and_what_is_answered():
    def digest(target):
        return model_digest(wrap(target))

    one = LogisticRegression(C=2.0)
    assert digest(fitted(one)) == digest(fitted(LogisticRegression(C=2.0)))
    assert digest(fitted(one)) != digest(fitted(LogisticRegression(C=3.0)))
    assert digest(fitted(one)) != digest(Estimator(fitted(one), "labels"))
    assert digest(Function(logits, "logits")) != digest(Function(probabilities, "probabilities"))
    box = BlackBox(Function(logits, "logits"))
    assert copy.deepcopy(box).target is box.target


class Answered(Exception):
    """The behavior has written the whole reply itself."""


class Server:
    """A classifier behind HTTP that can be told to misbehave."""

    def __init__(self):
        self.requests, self.sizes, self.behave = 0, [], lambda rows, handler: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                outer.requests += 1
                outer.seen = dict(self.headers)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                rows = np.array(body["inputs"], dtype=np.float32)
                outer.sizes.append(len(rows))
                try:
                    status = outer.behave(rows, self) or 200
                except Answered:
                    return
                answer = json.dumps({"outputs": logits(rows).tolist()}).encode()
                try:
                    self.send_response(status)
                    if 300 <= status < 400:
                        self.send_header("Location", "/elsewhere")
                    self.end_headers()
                    self.wfile.write(answer if status == 200 else b"no")
                except OSError:  # the client has given up
                    pass

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}/classify"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_an_endpoint_is_asked_in_parts_and_breaks_as_the_function_does(server):
    target = Endpoint(server.address, "logits", at_once=5)
    assert torch.allclose(wrap(target)(X), torch.from_numpy(logits(X.numpy())))
    assert server.sizes == [5, 5, 2]
    found = hf.attack(target, X, Y, threat=THREAT, attack=SQUARE, seed=0)
    whole = hf.attack(wrap(logits, outputs="logits"), X, Y, threat=THREAT, attack=SQUARE, seed=0)
    assert torch.equal(found.success, whole.success)


def test_an_endpoint_keeps_credentials_to_itself(server):
    user = server.address.replace("127", "user:secret@127") + "?key=secret"
    target = Endpoint(server.address + "?key=secret", "logits", headers={"X-Key": "secret"})
    wrap(target)(X)
    assert server.seen["X-Key"] == "secret"
    for one in (target, Endpoint(user, "logits")):
        assert "secret" not in repr(wrap(one)) + one.name + one.settings()
    assert model_digest(wrap(target)) == model_digest(wrap(Endpoint(server.address, "logits")))
    server.behave = lambda rows, handler: 401
    with pytest.raises(TargetError, match="HTTP status 401") as caught:
        wrap(target)(X)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_endpoint_that_stumbles_is_asked_again(server):
    server.behave = lambda rows, handler: 503 if server.requests % 3 else None
    target = Endpoint(server.address, "logits", pause=0.01)
    assert wrap(target)(X).shape == (12, 3)
    assert server.requests == 3


@pytest.mark.parametrize("status", [302, 403, 404, 503])
def test_an_endpoint_that_refuses_is_one_error(server, status):
    server.behave = lambda rows, handler: status
    with pytest.raises(TargetError, match=f"HTTP status {status}") as caught:
        wrap(Endpoint(server.address, "logits", pause=0.01))(X)
    assert "\n" not in str(caught.value)
    assert server.requests == (3 if status == 503 else 1)


def test_an_endpoint_that_times_out_on_an_example_fails_it_alone(server):
    slow = X[3].numpy()

    def behave(rows, handler):
        if (np.abs(rows - slow).max(1) < 0.31).any():
            time.sleep(0.3)

    target = Endpoint(server.address, "logits", timeout=0.1, tries=1)
    model = wrap(target)
    model(X)
    server.behave = behave
    found = hf.attack(model, X, Y, threat=THREAT, attack=hf.attacks.Square(queries=2), seed=0)
    assert str(found.status[3]) == "failed"
    assert "failed" not in [str(s) for i, s in enumerate(found.status) if i != 3]


def test_an_endpoint_that_is_gone_ends_the_search(server):
    target = Endpoint(server.address, "logits", tries=2, pause=0.01)
    model = wrap(target)
    model(X)
    server.behave = lambda rows, handler: 500
    with pytest.raises(TargetError, match="does not answer"):
        hf.attack(model, X, Y, threat=THREAT, attack=SQUARE, seed=0)
    assert server.requests < 30


def test_an_endpoint_keeps_to_its_rate(server):
    target = Endpoint(server.address, "logits", at_once=4, rate=20.0)
    began = time.perf_counter()
    wrap(target)(X)
    assert time.perf_counter() - began > 2 / 20


def test_impossible_endpoints():
    for url in ("ftp://host/x", "http://", "file:///etc/hosts"):
        with pytest.raises(InputError, match="http or https"):
            Endpoint(url, "logits")
    with pytest.raises(InputError, match="timeout > 0"):
        Endpoint("http://host/x", "logits", timeout=0)
    with pytest.raises(TargetError, match="does not answer"):
        wrap(Endpoint("http://127.0.0.1:9/x", "logits", tries=1))(X)


def sends(*pieces, pause=0.0, headers=()):
    """A behavior that answers with these bytes, piece by piece, whatever it was asked."""

    def behave(_rows, handler):
        handler.send_response(200)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for piece in pieces:
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(pause)
        raise Answered

    return behave


ANSWER = json.dumps({"outputs": logits(X.numpy()).tolist()}).encode()


@pytest.mark.parametrize(
    ("pieces", "headers"),
    [
        ([b" " * 3000], []),  # says nothing of its length, and never ends in an answer
        ([b"[" * 2000], [("Content-Length", "10000000000")]),
        ([b"[" * 1500], [("Content-Length", "1500")]),
    ],
)
def test_a_reply_that_is_too_long_is_not_read(server, pieces, headers):
    server.behave = sends(*pieces, headers=headers)
    target = Endpoint(server.address, "logits", max_bytes=1024)
    with pytest.raises(TargetError, match="longer than max_bytes=1024"):
        wrap(target)(X)
    assert server.requests == 1


def test_a_compressed_reply_is_refused_unread(server):
    bomb = gzip.compress(b" " * 10_000_000 + ANSWER)
    server.behave = sends(bomb, headers=[("Content-Encoding", "gzip")])
    with pytest.raises(TargetError, match="compressed, which was not asked for"):
        wrap(Endpoint(server.address, "logits"))(X)


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_reply_that_drips_is_given_up_in_time(server, where):
    def drip(_rows, handler):
        start = b"HTTP/1.1 200 OK\r\n" + (b"X-A: " if where == "headers" else b"\r\n")
        with contextlib.suppress(OSError):
            for piece in (start, *[b" "] * 15):
                handler.wfile.write(piece)
                time.sleep(0.1)  # each byte is in time, all of them are not
        raise Answered

    server.behave = drip
    began = time.perf_counter()
    with pytest.raises(TargetError, match="timed out"):
        wrap(Endpoint(server.address, "logits", timeout=0.25, tries=1))(X)
    assert time.perf_counter() - began < 1


def test_a_host_whose_name_is_looked_up_for_ever_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1.0) or [])
    began = time.perf_counter()
    with pytest.raises(TargetError, match="timed out"):
        wrap(Endpoint("http://host.invalid/x", "logits", timeout=0.1, tries=1))(X)
    assert time.perf_counter() - began < 0.8


def test_user_and_password_of_a_url_are_sent_and_never_shown(server):
    user = server.address.replace("127", "me%40home:s%2Fcret:x@127")
    target = Endpoint(user, "logits")
    assert wrap(target)(X).shape == (12, 3)
    assert server.seen["Authorization"] == "Basic " + base64.b64encode(b"me@home:s/cret:x").decode()
    assert server.seen["Host"].startswith("127.0.0.1")
    assert "cret" not in repr(wrap(target)) + target.name + target.settings()
    with pytest.raises(InputError, match="say one of them"):
        Endpoint(user, "logits", headers={"authorization": "Bearer 1"})


@pytest.mark.parametrize("url", ["http://me:pa/ss@host/x", "http://[::1/x", "http://me:a?b@host"])
def test_a_url_that_cannot_be_read_is_one_line_that_does_not_quote_it(url):
    with pytest.raises(InputError, match="http or https URL") as caught:
        Endpoint(url, "logits")
    assert not any(part in str(caught.value) for part in ("\n", "host/", "me:", "[::1"))
    assert caught.value.__suppress_context__

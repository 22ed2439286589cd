"""The Python surface is what the README shows, and takes what a user has."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import holdfast as hf
from holdfast.data.digits import digits
from tiny import (
    METHOD,
    NETWORK,
    PLAN,
    THREAT,
    own_network,
    some_digits,
    tiny_claim,
    tiny_run,
    with_source,
)


def test_every_public_name_is_there():
    assert all(getattr(hf, name) is not None for name in hf.__all__)
    assert set(hf.__all__) <= set(dir(hf))
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = hf.nothing_like_this


def test_importing_the_package_does_not_import_torch():
    code = "import sys, holdfast; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=with_source(), check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (hf.train, "model train_data threat method epochs out seed resume"),
        (hf.load, "path"),
        (hf.evaluate, "model test_data threat suite out seed n batch_size device"),
        (hf.verify, "path model data"),
        (hf.wrap, "model normalize range"),
        (hf.attack, "model x y threat attack targets seed"),
        (hf.report, "claims out"),
    ],
)
def test_signatures_are_the_fixed_ones(function, names):
    assert set(names.split()) <= set(inspect.signature(function).parameters)


def test_the_readme_from_training_to_verification(tmp_path):
    result = tiny_run(tmp_path / "a")
    assert result.best.robust >= result.last.robust or result.best.epoch == result.last.epoch
    assert not result.model.training
    model = hf.load(tmp_path / "a")
    x, y = some_digits()
    torch.testing.assert_close(model(x), result.model(x))

    claim = tiny_claim(model, tmp_path / "claim")
    assert "UPPER bound" in str(claim)
    assert 0 <= claim.robust_accuracy.low <= float(claim.robust_accuracy)
    assert float(claim.robust_accuracy) <= float(claim.clean_accuracy) <= claim.clean_accuracy.high
    assert len(claim.per_example) == 24
    assert claim.cost.forward > claim.cost.backward > 0
    assert claim.document["model"]["name"] == "mlp"
    assert claim.document["training"]["run"] == str(tmp_path / "a")
    proven = hf.verify(tmp_path / "claim", model=model, data="digits", replay=2)
    assert "Verified" in str(proven)

    attack = hf.attacks.PGD(steps=5)
    found = hf.attack(model, x, y, threat=THREAT, attack=attack, targets=None, seed=0)
    for per_example in (found.x_adv, found.loss, found.success, found.status, *found.cost):
        assert len(per_example) == len(y)
    assert found.success.any()


def test_a_run_resumes_to_the_same_result_and_is_not_overwritten(run):
    before = (run / "metrics.jsonl").read_bytes()
    with pytest.raises(hf.InputError, match="resume"):
        tiny_run(run)
    again = tiny_run(run, resume=True)
    assert again.finished == "completed"
    assert (run / "metrics.jsonl").read_bytes() == before


def test_load_gives_best_and_last(run):
    x, _ = some_digits()
    torch.testing.assert_close(hf.load(run)(x), hf.load(run / "best")(x))
    assert hf.load(str(run / "last"))(x).shape == (16, 10)


def test_a_model_that_was_changed_has_no_history(run, tmp_path):
    model = hf.load(run)
    with torch.no_grad():
        next(model.parameters()).add_(0.01)
    assert tiny_claim(model, tmp_path / "claim", n=4).document["training"] is None


def test_the_users_own_network_trains_in_place_and_loads_into_a_fresh_one(tmp_path):
    network = own_network()
    x, y = some_digits(64)
    result = hf.train(
        network, (x, y), threat=THREAT, method=METHOD, plan=PLAN, epochs=1, out=tmp_path, quiet=True
    )
    assert result.model.module is network
    with pytest.raises(hf.InputError, match="network="):
        hf.load(tmp_path)
    torch.testing.assert_close(hf.load(tmp_path, own_network())(x), result.model(x))


@pytest.mark.parametrize("form", ["pair", "arrays", "dataset", "loader", "examples", "splits"])
def test_data_come_in_every_form(form, tmp_path):
    x, y = some_digits(40)
    forms = {
        "pair": (x, y),
        "arrays": (x.numpy(), y.numpy()),
        "dataset": TensorDataset(x, y),
        "loader": DataLoader(TensorDataset(x, y), batch_size=7, shuffle=True),
        "examples": hf.load_data("digits").test.take(torch.arange(40)),
        "splits": hf.load_data("digits"),
    }
    plan = hf.TrainPlan(epochs=1, batch_size=16)
    options = {"threat": THREAT, "quiet": True}
    result = hf.train(
        NETWORK, forms[form], method=hf.Standard(), plan=plan, out=tmp_path / "run", **options
    )
    claim = hf.evaluate(
        result.model, forms[form], suite="quick", n=8, out=tmp_path / "claim", **options
    )
    assert len(claim.per_example) == 8


def test_validation_is_a_fraction_or_other_examples(tmp_path):
    x, y = some_digits(60)
    options = {"threat": THREAT, "method": hf.Standard(), "epochs": 1, "quiet": True}
    options["plan"] = hf.TrainPlan(batch_size=16)
    hf.train(NETWORK, (x[:40], y[:40]), validation=(x[40:], y[40:]), out=tmp_path / "a", **options)
    hf.train(NETWORK, (x, y), validation=0.3, out=tmp_path / "b", **options)
    with pytest.raises(hf.InputError, match="validation"):
        hf.train(NETWORK, [(x, y), (x, y)], out=tmp_path / "c", **options)


class TestAttack:
    ATTACK = hf.attacks.PGD(steps=4, step_size=0.4)

    def test_plain_modules_and_arrays_are_taken(self):
        x, y = some_digits()
        plain = hf.attack(own_network(), x, y, threat=THREAT, attack=self.ATTACK, seed=0)
        arrays = hf.attack(
            hf.wrap(own_network()), x.numpy(), y.numpy(), threat=THREAT, attack=self.ATTACK, seed=0
        )
        assert torch.equal(plain.x_adv, arrays.x_adv)
        assert float((plain.x_adv - x).abs().max()) <= 0.1 + 1e-6

    def test_doubles_are_computed_in_the_models_own_format(self):
        x, y = some_digits()
        found = hf.attack(
            own_network(), x.double(), y.int(), threat=THREAT, attack=self.ATTACK, seed=0
        )
        assert found.x_adv.dtype is torch.float32

    def test_targets_make_the_goal_targeted(self, run):
        x, y = some_digits()
        model, wide = hf.load(run), hf.ThreatModel(hf.Linf(eps=0.5))
        targets = (y + 1) % 10
        found = hf.attack(model, x, y, threat=wide, targets=targets.numpy(), seed=0)
        assert found.success.float().mean() > 0.5
        reached = model(found.x_adv).argmax(1) == targets
        assert torch.equal(reached, found.success)

    def test_draws_belong_to_ids_and_not_to_the_batch(self):
        x, y = some_digits()
        ids = np.arange(100, 116)
        options = {"threat": THREAT, "attack": hf.attacks.RFGSM(), "seed": 3}
        whole = hf.attack(own_network(), x, y, ids=ids, **options)
        part = hf.attack(own_network(), x[5:9], y[5:9], ids=ids[5:9], **options)
        torch.testing.assert_close(whole.x_adv[5:9], part.x_adv)
        other = hf.attack(own_network(), x, y, ids=ids, **{**options, "seed": 4})
        assert not torch.equal(whole.x_adv, other.x_adv)

    def test_the_network_is_left_as_it_was(self):
        x, y = some_digits()
        network = own_network().train()
        hf.attack(network, x, y, threat=THREAT, attack=self.ATTACK, seed=0)
        assert network.training
        assert all(p.requires_grad and p.grad is None for p in network.parameters())

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"targets": [0, 1]}, "targets must be one number per example"),
            ({"targets": np.full(16, 10)}, "labels must be in 0..9, got 10"),
            ({"ids": torch.zeros(16, 2)}, "ids must be one number per example"),
        ],
    )
    def test_bad_options_are_one_error(self, changes, message):
        x, y = some_digits()
        with pytest.raises(hf.InputError, match=message):
            hf.attack(own_network(), x, y, threat=THREAT, attack=self.ATTACK, **changes)

    def test_an_attack_that_needs_more_than_is_granted_is_refused(self):
        x, y = some_digits()
        threat = hf.ThreatModel(hf.Linf(eps=0.1), knowledge=hf.Knowledge.SCORE)
        with pytest.raises(hf.Unsupported, match="square"):
            hf.attack(own_network(), x, y, threat=threat, attack=self.ATTACK, seed=0)


class TestReport:
    def test_formats_follow_the_name(self, claim, tmp_path, capsys):
        page = hf.report(claim, tmp_path / "r.html")
        text = hf.report([claim.folder, claim], tmp_path / "r.md")
        assert page.read_text().lstrip().startswith("<!")
        assert "mlp" in text.read_text()
        assert hf.report(str(claim.folder)) is None
        assert "mlp" in capsys.readouterr().out

    def test_other_names_are_refused(self, claim, tmp_path):
        with pytest.raises(hf.InputError, match=r"\.html or \.md"):
            hf.report(claim, tmp_path / "r.pdf")
        assert not (tmp_path / "r.pdf").exists()


@pytest.mark.parametrize(
    ("part", "status", "words"),
    [
        ("train", "fail", "training points"),
        ("validation", "fail", "validation points"),
        ("test", "pass", "test points"),
    ],
)
def test_a_claim_on_what_the_model_has_seen_says_so(run, part, status, words, tmp_path):
    claim = hf.evaluate(
        hf.load(run), f"digits:{part}", threat=THREAT, suite="quick", n=8, out=tmp_path, quiet=True
    )
    found = {check["id"]: check["status"] for check in claim.checks}
    assert found["training-data"] == status
    assert claim.document["data"]["part"] == part
    assert words in str(claim)
    assert ("UNRELIABLE" in str(claim)) is (status == "fail")


def test_the_whole_set_holds_what_the_model_has_seen(run, tmp_path):
    whole = digits()
    claim = hf.evaluate(
        hf.load(run), whole, threat=THREAT, suite="quick", n=8, out=tmp_path, quiet=True
    )
    found = {check["id"]: check["status"] for check in claim.checks}
    assert found["training-data"] == "fail"
    assert "8 of 1,797 points" in str(claim)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_network_of_low_precision_is_attacked_in_float32(dtype):
    x, y = some_digits()
    found = hf.attack(own_network().to(dtype), x, y, threat=THREAT, attack="fgsm", seed=0)
    assert found.x_adv.dtype == torch.float32
    assert THREAT.space.around(x).contains(found.x_adv).all()
    assert found.success.any()


def test_a_device_may_be_one_of_torchs_own(tmp_path):
    net, data, device = own_network(), some_digits(), torch.device("cpu")
    hf.evaluate(net, data, threat=THREAT, suite="quick", out=tmp_path, device=device, quiet=True)
    assert hf.verify(tmp_path, model=net, data=data, replay=0, device=device)

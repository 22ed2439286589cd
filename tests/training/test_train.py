"""Whole runs: what is kept, what is chosen, what is noticed, what is refused."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch import nn

from holdfast.claims.digest import model_digest
from holdfast.data import FlipCrop, Splits, Stream, from_tensors
from holdfast.errors import ConfigError, HoldfastError, InputError, StorageError, Unsupported
from holdfast.models import MLP, wrap
from holdfast.spaces import Linf
from holdfast.threat import Targeted, ThreatModel
from holdfast.training import (
    SGD,
    TRADES,
    Adam,
    Constant,
    FastAT,
    Madry,
    Standard,
    TrainPlan,
    load_run,
    train,
)
from holdfast.training import failure_detection as watch
from holdfast.training.validation import Validator

PLAN = TrainPlan(epochs=3, batch_size=16, optimizer=Adam(lr=0.02))
SPEC = MLP(hidden=(16,))


@pytest.fixture
def run(splits, threat, tmp_path):
    def start(network=SPEC, data=splits, **changes):
        options = {
            "threat": threat,
            "method": FastAT(),
            "plan": PLAN,
            "out": tmp_path / "run",
            "quiet": True,
            **changes,
        }
        return train(network, data, **options)

    return start


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def scripted(*robust, clean=0.9):
    """A validation that returns given numbers, one epoch after the other."""
    values = iter(robust)
    return lambda model: {"clean": clean, "robust": next(values)}


def test_a_run_learns_and_keeps_everything(run, splits, tmp_path):
    result = run(plan=TrainPlan(epochs=16, batch_size=16, optimizer=Adam(lr=0.05)))
    assert result.finished == "completed"
    assert result.best.robust > 0.8
    assert result.best.robust == max(record["robust"] for record in result.history)
    assert result.last.epoch == 16
    out = tmp_path / "run"
    assert lines(out) == result.history
    assert [record["epoch"] for record in lines(out)] == list(range(1, 17))
    parts = json.loads((out / "splits.json").read_text())
    assert parts == {name: getattr(splits, name).ids.tolist() for name in parts}
    assert set(parts) == {"train", "validation", "test"}
    run_json = json.loads((out / "run.json").read_text())
    assert run_json["method"]["type"] == "fast"
    assert run_json["data"]["train"]["fingerprint"] == splits.train.fingerprint
    keys = "epoch train_loss train_clean clean robust lr seconds examples_per_second best event"
    assert set(keys.split()) <= set(lines(out)[0])
    files = [path.suffix for path in out.rglob("*") if path.is_file()]
    assert set(files) == {".json", ".jsonl", ".safetensors"}


def test_best_and_last_are_kept_and_load_without_the_code_that_made_them(run):
    result = run(validate=scripted(0.3, 0.5, 0.4))
    assert (result.best.epoch, result.best.robust) == (2, 0.5)
    assert (result.last.epoch, result.last.robust) == (3, 0.4)
    best, last = load_run(result.out), load_run(result.out, "last")
    assert model_digest(best) == model_digest(result.model) == model_digest(result.best.model)
    assert model_digest(last) == model_digest(result.last.model)
    assert model_digest(best) != model_digest(last)
    assert not best.training
    assert not result.model.training


def test_among_equals_in_robustness_the_more_accurate_epoch_is_best(run):
    values = iter([(0.5, 0.3), (0.7, 0.3), (0.6, 0.3)])
    keys = ("clean", "robust")
    result = run(validate=lambda model: dict(zip(keys, next(values), strict=True)))
    assert result.best.epoch == 2


def test_standard_training_is_judged_by_what_it_is_for(run):
    values = iter([(0.5, 0.3), (0.9, 0.1), (0.8, 0.0)])
    keys = ("clean", "robust")
    result = run(
        method=Standard(), validate=lambda model: dict(zip(keys, next(values), strict=True))
    )
    assert result.best.epoch == 2
    assert [record["event"] for record in result.history] == [None] * 3


def test_clean_training_accuracy_is_counted_where_it_costs_nothing(run, tmp_path):
    counted = {
        method: run(method=method, out=tmp_path / type(method).__name__).history[-1]["train_clean"]
        for method in (Standard(), TRADES(), Madry())
    }
    assert 0 < counted[Standard()] < 1
    assert 0 < counted[TRADES()] < 1
    assert counted[Madry()] is None


def test_catastrophic_overfitting_restores_the_best_and_stops(run, capsys):
    seen = []
    numbers = scripted(0.70, 0.75, 0.20, 0.15, 0.10, 0.90)

    def validate(model):
        seen.append(model_digest(model))
        return numbers(model)

    result = run(plan=TrainPlan(epochs=6, batch_size=16), validate=validate, quiet=False)
    assert result.finished == "catastrophic-overfitting"
    collapse = "catastrophic-overfitting"
    events = [record["event"] for record in lines(result.out)]
    assert events == [None, None, collapse, collapse, collapse]
    assert (result.best.epoch, result.last.epoch) == (2, 5)
    said = capsys.readouterr().err
    assert "catastrophic overfitting in epoch 3" in said
    assert "75.0%" in said
    assert "20.0%" in said
    trained = load_run(result.out)
    assert model_digest(result.model) == model_digest(trained)
    assert model_digest(trained) != model_digest(load_run(result.out, "last"))


class Dead(nn.Module):
    """One class for everything."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([0.01, 0.0, 0.0]))

    def forward(self, x):
        return self.bias + 0 * x.flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("settled", "events"),
    [
        (8, [None, "constant-predictor", "constant-predictor"]),
        (500, [None, None, None, None, "constant-predictor"]),  # at the end at the latest
    ],
)
def test_a_constant_predictor_is_noticed(settled, events, run, capsys, monkeypatch):
    monkeypatch.setattr(watch, "SETTLED", settled)
    plan = TrainPlan(epochs=5, batch_size=16, optimizer=SGD(lr=1e-6))
    result = run(Dead(), plan=plan, method=Madry(), quiet=False)
    assert result.finished == "constant-predictor"
    assert [record["event"] for record in result.history] == events
    assert f"constant predictor in epoch {len(events)}" in capsys.readouterr().err


@pytest.mark.parametrize("network", [Dead, None], ids=["dead", "untrained"])
def test_a_result_no_better_than_a_guess_says_so(network, run, capsys):
    plan = TrainPlan(epochs=1, batch_size=64, optimizer=SGD(lr=1e-9))
    run(*([network()] if network else []), plan=plan, method=Madry(), quiet=False)
    assert "CHANCE: the best epoch is right on" in capsys.readouterr().err


def test_a_result_better_than_a_guess_has_nothing_to_say_of_it(run, capsys):
    result = run(plan=TrainPlan(epochs=6, batch_size=16), quiet=False)
    assert result.best.clean > 0.4
    assert "CHANCE" not in capsys.readouterr().err


def test_a_healthy_network_is_not_called_constant(run):
    result = run(plan=TrainPlan(epochs=3, batch_size=16, optimizer=SGD(lr=1e-6)))
    assert [record["event"] for record in result.history] == [None] * 3


def test_a_diverging_run_goes_back_to_the_last_good_epoch(run):
    def poison(model):
        poison.epochs += 1
        if poison.epochs == 2:
            with torch.no_grad():
                next(model.parameters()).fill_(torch.nan)
        return {"clean": 0.5, "robust": 0.5}

    poison.epochs = 0
    result = run(validate=poison)
    assert result.finished == "diverged"
    assert result.history[-1]["train_loss"] is None
    assert all(torch.isfinite(p).all() for p in result.model.parameters())


def test_a_run_that_diverges_at_once_is_an_error(run):
    plan = TrainPlan(epochs=2, batch_size=16, optimizer=SGD(lr=1e30), schedule=Constant())
    with pytest.raises(HoldfastError, match="not finite"):
        run(plan=plan)
    with pytest.raises(HoldfastError, match="not finite"):
        run(plan=plan, resume=True)


def test_patience(run):
    plan = TrainPlan(epochs=9, batch_size=16, patience=2)
    result = run(plan=plan, validate=scripted(0.3, 0.4, 0.39, 0.38, 0.9))
    assert result.finished == "early-stop"
    assert (result.best.epoch, result.last.epoch) == (2, 4)


def test_averaged_weights_are_validated_and_are_the_model(run):
    validated = []

    def validate(model):
        validated.append((model_digest(model), model.training))
        return {"clean": 0.5, "robust": 0.5}

    plan = TrainPlan(epochs=2, batch_size=16, ema=0.9)
    result = run(plan=plan, validate=validate)
    assert [digest for digest, _ in validated] == [
        model_digest(result.best.model),
        model_digest(result.last.model),
    ]
    without = run(plan=TrainPlan(epochs=2, batch_size=16), out=result.out.parent / "plain")
    assert model_digest(without.last.model) != model_digest(result.last.model)


def test_a_users_module_is_trained_in_place_and_ends_with_the_best_weights(run, net):
    result = run(net, normalize=(0.3, 0.5), validate=scripted(0.3, 0.5, 0.4))
    assert result.model.module is net
    assert model_digest(result.model) == model_digest(result.best.model)
    assert model_digest(result.last.model) != model_digest(result.model)
    with pytest.raises(InputError, match="network="):
        load_run(result.out)
    other = copy.deepcopy(net)
    nn.init.zeros_(other[5].weight)
    assert model_digest(load_run(result.out, network=other)) == model_digest(result.model)
    assert load_run(result.out, network=other).mean.item() == pytest.approx(0.3)


def test_layers_frozen_on_purpose_stay_so(run, net):
    net[1].eval()
    before = net[1].running_mean.clone()
    run(net)
    assert torch.equal(net[1].running_mean, before)


def test_no_global_random_state_is_read_or_moved(run, net, tmp_path):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = run(copy.deepcopy(net), out=tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    second = run(copy.deepcopy(net), out=tmp_path / "b")
    assert model_digest(first.model) == model_digest(second.model)
    third = run(copy.deepcopy(net), out=tmp_path / "c", seed=1)
    assert model_digest(first.model) != model_digest(third.model)


def test_gradients_are_clipped(run, tmp_path):
    plan = {"epochs": 1, "batch_size": 64, "optimizer": SGD(lr=1.0, momentum=0, weight_decay=0)}
    start = run(plan=TrainPlan(**plan, schedule=Constant(), clip=1e-12), out=tmp_path / "a")
    fresh = wrap(SPEC.build((1, 6, 6), 3))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = wrap(SPEC.build((1, 6, 6), 3))
    for ours, theirs in zip(start.model.parameters(), fresh.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_augmentation_belongs_to_seed_epoch_and_example(run, net, tmp_path):
    plan = TrainPlan(epochs=2, batch_size=16, augment=FlipCrop(pad=1))
    digests = {
        name: model_digest(run(copy.deepcopy(net), plan=chosen, out=tmp_path / name).model)
        for name, chosen in {"a": plan, "b": plan, "none": PLAN}.items()
    }
    assert digests["a"] == digests["b"] != digests["none"]


def test_a_stream_trains_like_the_batches_it_gives(run, splits, tmp_path):
    batches = [
        (splits.train.batch(torch.arange(i, i + 16)).x, splits.train.y[i : i + 16])
        for i in range(0, 64, 16)
    ]
    result = run(data=(Stream(batches), splits.validation), plan=PLAN)
    assert result.finished == "completed"
    again = run(data=(Stream(batches), splits.validation), plan=PLAN, out=tmp_path / "again")
    assert model_digest(again.model) == model_digest(result.model)


def test_a_finished_run_resumes_to_its_result(run):
    result = run()
    again = run(resume=True, validate=lambda model: pytest.fail("nothing is left to do"))
    assert again.history == result.history
    assert model_digest(again.model) == model_digest(result.model)


def test_a_run_is_never_overwritten(run, splits):
    run()
    with pytest.raises(InputError, match="resume=True"):
        run()
    other = ThreatModel(Linf(eps=0.2))
    cases = {
        "seed": {"seed": 1},
        "plan.epochs": {"plan": TrainPlan(epochs=4)},
        "method.type": {"method": Madry()},
        "threat.space.eps": {"threat": other},
        "network.hidden": {"network": MLP(hidden=(17,))},
        "data.train.fingerprint": {
            "data": Splits(splits.test, splits.validation, splits.train),
        },
    }
    for what, changes in cases.items():
        with pytest.raises(ConfigError) as caught:
            run(resume=True, **changes)
        assert what.partition(".")[0] in str(caught.value)
        assert "\n" not in str(caught.value)


def test_another_torch_is_refused_and_threads_are_restored(run, monkeypatch):
    validated = []
    run(validate=scripted(0.1, 0.2, 0.3))
    from holdfast import runtime

    real = runtime.environment()
    monkeypatch.setattr(runtime, "environment", lambda: {**real, "torch": "9.9"})
    with pytest.raises(StorageError, match=r"torch .* here it is 9\.9"):
        run(resume=True)
    monkeypatch.undo()
    del validated


PLAIN = torch.rand(12, 1, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threat": ThreatModel(Linf(eps=0.1, range=(-1.0, 1.0)))}, "range"),
        (
            {"network": nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.Softmax(1))},
            "returns probabilities",
        ),
        ({"network": "mlpp"}, "mlp"),
        ({"network": nn.Sequential(nn.Flatten())}, "parameters"),
        (
            {
                "data": (
                    from_tensors(PLAIN, torch.arange(12) % 3),
                    from_tensors(PLAIN[:, :, :5], torch.arange(12) % 3),
                )
            },
            "differ in shape",
        ),
    ],
)
def test_bad_input_is_one_error_and_nothing_is_written(changes, message, run, tmp_path):
    with pytest.raises((InputError, ConfigError), match=message) as caught:
        run(**changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_an_unwritable_folder_is_one_error(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a folder"):
        run(out=tmp_path / "file" / "run")


def test_load_run_says_what_is_missing(tmp_path, run):
    with pytest.raises(InputError, match="no training run"):
        load_run(tmp_path)
    result = run()
    with pytest.raises(InputError, match="best"):
        load_run(result.out, "newest")
    weights = next((result.out / "best").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-7])
    with pytest.raises(StorageError, match="truncated or altered"):
        load_run(result.out)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TrainPlan(epochs=0),
        lambda: TrainPlan(batch_size=0),
        lambda: TrainPlan(ema=1.0),
        lambda: TrainPlan(label_smoothing=1.0),
        lambda: TrainPlan(clip=0.0),
        lambda: TrainPlan(patience=0),
        lambda: TrainPlan(checkpoint_minutes=-1.0),
    ],
)
def test_impossible_plans_are_refused(make):
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize(
    "limits", [{"knowledge": "score"}, {"knowledge": "decision"}, {"queries": 3}]
)
def test_what_others_may_see_or_spend_does_not_bind_training(run, limits, tmp_path):
    plan = TrainPlan(epochs=1, batch_size=16, optimizer=Adam(lr=0.02))
    bound = run(plan=plan, threat=ThreatModel(Linf(eps=0.1), **limits))
    free = run(plan=plan, out=tmp_path / "free")
    assert model_digest(bound.last.model) == model_digest(free.last.model)
    assert bound.last.robust == free.last.robust


def test_the_clean_pass_of_the_validation_does_not_know_the_goal(splits):
    """A network that says 0 always is right on the zeros alone, which nobody attacks."""
    model = wrap(ConstantNet())
    validator = Validator(
        examples=splits.validation, threat=ThreatModel(Linf(eps=0.1), goal=Targeted(to=0))
    )
    zeros = float((splits.validation.y == 0).double().mean())
    assert validator(model) == {"clean": pytest.approx(zeros), "robust": pytest.approx(zeros)}


class ConstantNet(nn.Module):
    """Prefers class 0 whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([1.0, 0.0, 0.0]))

    def forward(self, x):
        return self.logits + 0 * x.flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"threat": ThreatModel(Linf(eps=0.1), goal=Targeted())}, InputError, "one target class"),
        ({"threat": ThreatModel(Linf(eps=0.1), goal=Targeted(to=3))}, InputError, r"in 0\.\.2"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(
    run, changes, error, message, tmp_path
):
    with pytest.raises(error, match=message):
        run(**changes)
    assert not (tmp_path / "run").exists()


def test_a_method_that_does_not_fit_is_tried_before_anything_is_written(run, monkeypatch, tmp_path):
    def refuse(*_):
        raise Unsupported("pgd does not fit")

    monkeypatch.setattr(Madry, "perturb", refuse)
    with pytest.raises(Unsupported, match="pgd does not fit"):
        run(method=Madry())
    assert not (tmp_path / "run").exists()

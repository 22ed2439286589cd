"""What a claim names is never imported, opened or asked because the claim says so."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest

from holdfast.components import digest
from holdfast.storage import write_card
from holdfast.training.run_folder import read_run, write_run
from installed import write_installed
from malformed import changed, seal

CODE = "import pathlib\npathlib.Path('ran').touch()\ndef build():\n    raise SystemExit\n"


@pytest.fixture
def folder(claimed, tmp_path):
    without = shutil.ignore_patterns("ledger")
    return shutil.copytree(claimed, tmp_path / "claim", ignore=without)


def reseal(folder, *changes):
    document = json.loads((folder / "claim.json").read_text())
    for at, value in changes:
        document = changed(document, at, value)
    return seal(folder, document)


@pytest.mark.parametrize(
    "named",
    [
        "evil_of_claim:build",
        "claim.evil_of_claim:build",
        "evil_of_claim.py",
        "claim/model.onnx",
        "http://127.0.0.1:9/model",
        "pipe",
        "n" * 5000,
        "a\0b",
        "",
    ],
)
def test_a_model_that_a_claim_names_is_loaded_from_a_run_folder_or_not_at_all(
    holdfast, folder, tmp_path, named
):
    (tmp_path / "evil_of_claim.py").write_text(CODE)
    (folder / "evil_of_claim.py").write_text(CODE)
    (folder / "model.onnx").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    ran = holdfast("verify", reseal(folder, (("training", "run"), named)))
    assert ran.status == 2
    assert ran.err.startswith("error: say which model to check the claim against: --model")
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert not [name for name in sys.modules if "evil_of_claim" in name]


@pytest.mark.parametrize(
    "named", ["/etc/x.npz", "../secret test", "~/d.npz", "pipe/x", "http://127.0.0.1:9/x", "C:\\x"]
)
def test_data_that_a_claim_names_are_a_known_set_or_not_opened(
    holdfast, folder, trained, tmp_path, named
):
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "x")
    ran = holdfast("verify", reseal(folder, (("given", "data"), named)), "--model", trained)
    assert ran.status == 2
    assert ran.err.startswith("error: say which data: --data PATH; the claim names ")


def test_neither_a_report_nor_a_search_model_s_name_imports_anything(holdfast, folder, tmp_path):
    (tmp_path / "evil_of_claim.py").write_text(CODE)
    named = "evil_of_claim:build"
    changes = [(("training", "run"), named), (("command",), f"holdfast evaluate --model {named}")]
    search = {"name": named, "digest": "0" * 64}
    reseal(folder, *changes, (("search",), search))
    ran = holdfast("report", folder)
    assert ran.status == 0
    to_copy = ran.out.partition("Check it yourself")[2].partition("Stated by")[0]
    assert "holdfast verify" in to_copy
    assert named not in "".join(to_copy.split())  # the terminal may break it
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("named", ["/etc/x.npz train", "../x train", "http://127.0.0.1:9/x"])
def test_data_that_a_run_of_others_names_are_not_opened_either(holdfast, trained, tmp_path, named):
    run = shutil.copytree(trained, tmp_path / "run")
    settings = read_run(run)
    settings["given"]["data"] = named
    write_card(run / "run.json", settings)  # with a digest that fits
    ran = holdfast("attack", "--model", run, "--attack", "fgsm")
    assert ran.status == 2
    assert ran.err.startswith("error: say which data: --data PATH; the run names ")


@pytest.mark.parametrize("name", ["run.json", "best/model.json", "metrics.jsonl", "recipe.yaml"])
def test_a_pipe_in_a_run_folder_or_as_a_recipe_does_not_block(holdfast, trained, tmp_path, name):
    run = shutil.copytree(trained, tmp_path / "run")
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    recipe = [run / name] if name == "recipe.yaml" else []
    words = ("--model", run, "--suite", "quick", "--n", "4", "--out", "claim", "--quiet")
    ran = holdfast("evaluate", *recipe, *words)
    assert ran.status == 2
    assert "it is no ordinary file" in ran.err
    assert ran.err.count("\n") == 1


def test_the_command_in_a_run_folder_names_no_credential(tmp_path):
    command = "holdfast train --data https://me:hunter2@host/d --out run"
    write_run(tmp_path, {}, {}, sentence="", command=command, parts={})
    assert "hunter2" not in (tmp_path / "run.json").read_text()
    assert "https://HIDDEN@host/d --out run" in read_run(tmp_path)["command"]


def test_an_attack_that_a_claim_names_is_no_reason_to_import_what_lies_about(
    holdfast, folder, trained, tmp_path, monkeypatch, plugins_anew
):
    for place in (tmp_path, folder):
        write_installed(place, "evil", "evil_of_claim", CODE)
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m holdfast.cli` has it
    definition = json.loads((folder / "claim.json").read_text())["suite"]["definition"]
    definition["members"][0]["attack"]["type"] = "evil"
    suite = ((("suite", "definition"), definition), (("suite", "digest"), digest(definition)))
    reseal(folder, *suite)
    ran = holdfast("verify", folder, "--model", trained, "--data", "digits")
    assert ran.status in (1, 2)
    assert "unknown attack 'evil'" in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert "evil_of_claim" not in sys.modules

"""What is recorded of a command names no credential."""

from __future__ import annotations

import shlex

import pytest

from holdfast.credentials import masked_command, published_command

KEPT = [
    "evaluate --model runs/a --data cifar10:test --threat linf:8/255 --eps 2/255,4/255",
    "evaluate --model net.py:build --weights w.pt --set attack.steps=20 --set plan.tokens=3",
    "evaluate --data /home/me/key.npz --out 'claims/my key'",
]


@pytest.mark.parametrize("words", KEPT)
@pytest.mark.parametrize("program", ["/usr/bin/holdfast", "/lib/holdfast/cli/__main__.py"])
def test_ordinary_options_of_ours_stay(program, words):
    assert published_command([program, *shlex.split(words)]) == f"holdfast {words}"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--data", "s3://user:S3CRET@h:9/d.npz"], "--data s3://HIDDEN@h:9/d.npz"),
        (["--model", "https://S3CRET@h/m"], "--model https://HIDDEN@h/m"),
        (["--data", "https://h/d?X-Amz-Signature=S3CRET#S3CRET"], "'https://h/d?HIDDEN'"),
        (["--api-key", "S3CRET", "--n", "5"], "--api-key HIDDEN --n 5"),
        (["--token=S3CRET"], "--token=HIDDEN"),
        (["--set", "target.auth_token=S3CRET"], "--set target.auth_token=HIDDEN"),
        (["--set", "headers.Authorization: Bearer S3CRET"], "HIDDEN"),
        (["-H", "X-Api-Key: S3CRET"], "HIDDEN"),
        (["--db-password", "S3CRET"], "--db-password HIDDEN"),
        (["--data", "hf_S3CRETS3CRET00"], "--data HIDDEN"),
    ],
)
def test_what_looks_like_a_credential_is_hidden(words, shown):
    found = published_command(["holdfast", "evaluate", *words])
    assert shown in found
    assert "S3CRET" not in found
    assert "S3CRET" not in masked_command(shlex.join(["holdfast", *words]))
    assert masked_command(found) == found


def test_arguments_of_other_programs_are_left_out():
    words = ["/home/me/deploy.py", "--pw", "hunter2", "positional"]
    assert published_command(words) == "deploy.py ..."
    assert published_command(["notebook.py"]) == "notebook.py"
    assert published_command([]) == "python"
    assert "hunter2" not in masked_command("broken 'quote --password hunter2")

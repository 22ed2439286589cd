"""The Python surface: what `import holdfast as hf` offers, in as few lines as the task allows.

Everything here converts users' arguments (a plain module, arrays, a path) into those that the rooms
below take, checks it, and calls them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast import evaluation, reporting, training
from holdfast.api.arguments import (
    check_target,
    examples_of,
    training_parts,
)
from holdfast.arguments import checked
from holdfast.claims import Claim, Signature
from holdfast.claims import sign as sign_claim
from holdfast.components import build
from holdfast.errors import InputError
from holdfast.evaluation import Suite, Verification
from holdfast.evaluation.record.provenance import provenance_of
from holdfast.fitting import fit
from holdfast.models import Model, wrap
from holdfast.models.normalization import Channel
from holdfast.storage import user_path, write_atomic
from holdfast.threat import ThreatModel
from holdfast.training import Method, TrainPlan, TrainResult
from holdfast.training.setup import NetworkLike
from holdfast.units import BatchSize, Count, Radii, Seed


@checked
def train(
    model: NetworkLike,
    train_data: Any,
    *,
    threat: ThreatModel,
    method: Method | str | None = None,
    epochs: Count | None = None,
    out: str | Path,
    seed: Seed = 0,
    resume: bool = False,
    plan: TrainPlan | None = None,
    validation: Any = 0.1,
    normalize: tuple[Channel, Channel] | None = None,
    device: str | torch.device | None = None,
    quiet: bool = False,
    command: str | None = None,
) -> TrainResult:
    """Train a network within a threat model; the run lies in the folder `out`.

    model: a network's name, its specification, or a module. train_data: the name or path of a set,
    examples, a pair (x, y), a torch Dataset or DataLoader. validation: the split that chooses the
    checkpoint, a fraction to hold out of them (where they bring no validation part) or other
    examples. method: Madry() by default; a name ("trades") means its defaults. epochs: of the plan,
    30 by default. resume: continue the run that `out` holds, bit for bit.

    Returns `.model`, `.best` (by robust validation accuracy) and `.last`, with their figures.
    Raises InputError, ConfigError or StorageError before anything is written.
    """
    method = None if method is None else build("method", method)
    plan = plan or TrainPlan()
    return training.train(
        model,
        training_parts(train_data, validation, threat.space.range),
        threat=threat,
        method=method,
        plan=plan if epochs is None else replace(plan, epochs=epochs),
        out=out,
        seed=seed,
        resume=resume,
        normalize=normalize,
        device=device,
        quiet=quiet,
        command=command,
    )


@checked
def load(path: str | Path, network: nn.Module | None = None) -> Model:
    """Return the model of a run folder, in eval mode on the CPU: the best epoch's.

    path: the run's folder; `runs/a/last` means the last epoch's model. network: the module to load
    into, freshly built, where the run trained a network of the user's own.
    """
    run, which = user_path(path), "best"
    if run.name in ("best", "last") and (run / "model.json").exists():
        run, which = run.parent, run.name
    return training.load_run(run, which, network)


@checked
def evaluate(
    model: Any,
    test_data: Any,
    *,
    threat: ThreatModel,
    suite: str | Suite = "standard",
    out: str | Path,
    seed: Seed = 0,
    n: Count | None = None,
    batch_size: BatchSize | None = None,
    device: str | torch.device | None = None,
    eps: Radii = (),
    exhaustive: bool = False,
    precision: str = "float32",
    search: Any = None,
    quiet: bool = False,
) -> Claim:
    """Attack a model with a suite and return the claim, which lies in the folder `out`.

    model: a network, or anything else that `wrap` takes. test_data: as for `train`; a name means
    its test part. n: a random subset of so many examples; its ids are stored. eps: further radii
    for a security curve. exhaustive: run every attack on examples that others broke too. precision:
    "bfloat16" lets attacks search faster; verdicts are float32. search: a second network, which
    gradient attacks differentiate in place of `model` (a twin with usable gradients, a surrogate);
    the verdicts stay those of `model`, and attacks without gradients ask it alone. A second call
    with the same arguments continues a stopped one.

    Raises InputError or StorageError before anything is written.
    """
    model = wrap(model)
    check_target(model, threat)
    return evaluation.evaluate(
        model,
        examples_of(test_data, "test", model.range),
        threat=threat,
        suite=suite,
        out=out,
        seed=seed,
        n=n,
        batch_size=batch_size,
        device=device,
        eps=eps,
        exhaustive=exhaustive,
        search=None if search is None else wrap(search),
        precision=precision,
        provenance=provenance_of(model),
        quiet=quiet,
    )


@checked
def verify(
    path: str | Path,
    *,
    model: Any,
    data: Any,
    replay: int | None = None,
    replay_seed: int | None = None,
    search: Any = None,
    device: str | torch.device | None = None,
    key: str | Path | None = None,
    quiet: bool = False,
) -> Verification:
    """Re-check a claim against a model and data; printing the result lists what was verified.

    replay: run the suite again on so many of the points that it did not break, 0 for none; by
    default on as many as a minute allows, and five at least, of a black box on none. replay_seed:
    draws the same points again; by default they come from the operating system's entropy. search:
    the claim's search model, where it had one; counterexamples are proven without it, nothing is
    replayed. key: a file with the public key of the required signer. What the claim
    states and nothing at hand can prove is listed in `.trusted`. quiet: print no progress.

    Raises VerificationError at the first thing that does not hold.
    """
    model = wrap(model)
    examples = examples_of(data, "test", model.range)
    twin = None if search is None else wrap(search)
    return evaluation.verify(
        path,
        model=model,
        data=examples,
        replay=replay,
        replay_seed=replay_seed,
        search=twin,
        device=device,
        key=key,
        provenance=provenance_of(model),
        quiet=quiet,
    )


@checked
def sign(
    path: str | Path, *, key: str | Path, signer: str = "", passphrase: str | None = None
) -> Signature:
    """Sign a claim with a private Ed25519 key; the signature is written beside claim.json.

    key: a PEM or OpenSSH file, as `ssh-keygen -t ed25519` makes it. signer: the name of whoever
    answers for the claim; a reader knows it as stated. Raises VerificationError for a claim that is
    not whole, InputError for a key that cannot be used.
    """
    return sign_claim(path, key=key, signer=signer, passphrase=passphrase)


@checked
def report(
    claims: Claim | str | Path | Iterable[Claim | str | Path],
    out: str | Path | None = None,
    *,
    names: str | Iterable[str] | None = None,
) -> Path | None:
    """Show claims side by side: an HTML page (`out` ends in .html), Markdown (.md), or printed.

    claims: claims or their folders. names: names of the models, one for each claim in their
    order; by default those that their authors gave, or the names of the folders where those are
    equal. Returns the file that was written.
    """
    several = [claims] if isinstance(claims, Claim | str | Path) else claims
    several = fit(list(several), list[Claim | str | Path], "claims", InputError)
    loaded = [claim if isinstance(claim, Claim) else Claim.load(claim) for claim in several]
    called = None
    if names is not None:
        called = fit([names] if isinstance(names, str) else names, list[str], "names", InputError)
    if out is None:
        reporting.print_terminal(loaded, names=called)
        return None
    out = user_path(out, "out")
    if out.suffix in (".html", ".htm"):
        return reporting.write_report(loaded, out, called)
    if out.suffix != ".md":
        raise InputError(f"a report is a .html or .md file, got {out}: name it so")
    write_atomic(out, reporting.to_markdown(loaded, called).encode())
    return out

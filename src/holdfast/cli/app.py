"""Verbs, options and help of the command line; `verbs` has the work of each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast import __version__
from holdfast.cli.options import changes_of


def _example(*commands: str) -> str:
    """Return the examples at the end of a help page; the first character keeps line breaks."""
    return "\b\nExample:\n" + "\n".join(f"  holdfast {command}" for command in commands)


app = typer.Typer(
    name="holdfast",
    help="Adversarial training and honest robustness evaluation.",
    epilog=_example("demo"),
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Recipe = Annotated[
    str | None,
    typer.Argument(help="A recipe's name (holdfast list recipe) or a YAML file.", metavar="RECIPE"),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change one field; may be repeated.", metavar="KEY=VALUE", show_default=False
    ),
]
AnyModel = Annotated[
    str | None,
    typer.Option(
        "--model", help="A run folder, file.onnx or package.module:function.", metavar="MODEL"
    ),
]
Network = Annotated[
    str | None,
    typer.Option(
        "--model", help="A reference network's name, or package.module:function.", metavar="MODEL"
    ),
]
Weights = Annotated[
    str | None,
    typer.Option("--weights", help="Weights for package.module:function.", metavar="FILE"),
]
Outputs = Annotated[
    str | None,
    typer.Option(
        "--outputs",
        help="Outputs of the model: logits, probabilities or labels.",
        metavar="KIND",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", help="A name or a path, with :train, :validation or :test.", metavar="DATA"
    ),
]
Threat = Annotated[
    str | None,
    typer.Option("--threat", help="A set and its eps, such as linf:8/255.", metavar="SET:EPS"),
]
Subset = Annotated[
    int | None, typer.Option("--n", help="A random subset of so many examples.", metavar="N")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of every draw.", metavar="N")]
Device = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, cuda:1 ...", metavar="DEVICE")
]
Examples = Annotated[
    int | None,
    typer.Option("--batch-size", help="Examples that are computed with at once.", metavar="N"),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the result alone.")]


def _out(text: str) -> Any:
    return typer.Option("--out", help=text, metavar="FOLDER")


def _print_versions(asked: bool) -> None:
    """Print the versions for a bug report, and exit."""
    if asked:
        import platform
        from importlib.metadata import version

        python, torch = platform.python_version(), version("torch")
        typer.echo(f"holdfast {__version__} (Python {python}, PyTorch {torch}, {sys.platform})")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the versions of Holdfast, Python and PyTorch.",
            callback=_print_versions,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Adversarial training and honest robustness evaluation."""


@app.command(epilog=_example("demo --out demo"))
def demo(
    out: Annotated[str, _out("Folder for runs, claims and report.")] = "demo",
    quiet: Quiet = False,
) -> None:
    """Train and compare three networks in under three minutes."""
    from holdfast.cli import verbs

    verbs.demo(out, quiet=quiet)


@app.command(
    epilog=_example(
        "train digits_linf --out runs/a",
        "train digits_linf --out runs/b --method trades --epochs 20 --set method.beta=3",
    )
)
def train(
    *,
    recipe: Recipe = None,
    model: Network = None,
    weights: Weights = None,
    data: Data = None,
    threat: Threat = None,
    method: Annotated[
        str | None,
        typer.Option("--method", help="A method's name (holdfast list method).", metavar="NAME"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the training set.", metavar="N")
    ] = None,
    batch_size: Examples = None,
    lr: Annotated[
        float | None,
        typer.Option("--lr", help="Learning rate at the peak of its schedule.", metavar="RATE"),
    ] = None,
    out: Annotated[str | None, _out("Folder of the run.")] = None,
    seed: Seed = None,
    device: Device = None,
    resume: Annotated[
        bool | None,
        typer.Option("--resume", help="Continue the run that FOLDER holds, if any."),
    ] = None,
    changes: Set = None,
    quiet: Quiet = False,
) -> None:
    """Train a network against a threat model."""
    from holdfast.cli import verbs

    given: dict[str, Any] = {"model": model, "weights": weights, "data": data, "threat": threat}
    given |= {"out": out, "seed": seed, "device": device, "resume": resume}
    short = {"method": method, "epochs": epochs, "batch_size": batch_size, "lr": lr}
    verbs.train(recipe, given, changes_of("train", short, changes or []), quiet=quiet)


@app.command(epilog=_example("attack --model runs/a --attack pgd --steps 100 --n 200"))
def attack(
    *,
    recipe: Recipe = None,
    model: AnyModel = None,
    weights: Weights = None,
    outputs: Outputs = None,
    data: Data = None,
    threat: Threat = None,
    attack: Annotated[
        str | None,
        typer.Option("--attack", help="An attack's name (holdfast list attack).", metavar="NAME"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", help="Steps of the attack, if it has any.", metavar="N")
    ] = None,
    batch_size: Examples = None,
    n: Subset = None,
    out: Annotated[str | None, _out("Folder for the inputs that were found.")] = None,
    seed: Seed = None,
    device: Device = None,
    changes: Set = None,
    quiet: Quiet = False,
) -> None:
    """Run one attack and count the examples that it breaks."""
    from holdfast.cli import verbs

    given: dict[str, Any] = {"model": model, "weights": weights, "data": data, "threat": threat}
    given |= {"attack": attack, "n": n, "out": out, "seed": seed, "device": device}
    given["outputs"] = outputs
    short = {"steps": steps, "batch_size": batch_size}
    verbs.attack(recipe, given, changes_of("attack", short, changes or []), quiet=quiet)


@app.command(
    epilog=_example(
        "evaluate --model runs/a --suite quick --out claims/a",
        "evaluate --model mynet:build --weights mynet.pt --data cifar10.npz:test \\",
        "    --threat linf:8/255 --n 1000 --out claims/mynet",
    ).replace("holdfast     ", "    ")
)
def evaluate(
    *,
    recipe: Recipe = None,
    model: AnyModel = None,
    weights: Weights = None,
    outputs: Outputs = None,
    data: Data = None,
    threat: Threat = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", help="quick, standard, score, decision.", metavar="NAME"),
    ] = None,
    eps: Annotated[
        str | None,
        typer.Option(
            "--eps", help="Several radii for a security curve: 2/255,4/255.", metavar="LIST"
        ),
    ] = None,
    n: Subset = None,
    batch_size: Examples = None,
    out: Annotated[str | None, _out("Folder of the claim.")] = None,
    seed: Seed = None,
    device: Device = None,
    exhaustive: Annotated[
        bool | None,
        typer.Option("--exhaustive", help="Run every attack also on examples that others broke."),
    ] = None,
    png: Annotated[
        str | None,
        typer.Option("--png", help="Write the counterexamples as images.", metavar="FOLDER"),
    ] = None,
    changes: Set = None,
    quiet: Quiet = False,
) -> None:
    """Run a suite of attacks and write a claim.

    A second call with the same arguments continues where the first one stopped.
    """
    from holdfast.cli import verbs

    given: dict[str, Any] = {"model": model, "weights": weights, "data": data, "threat": threat}
    given |= {"suite": suite, "eps": eps, "n": n, "out": out, "seed": seed, "device": device}
    given |= {"outputs": outputs, "exhaustive": exhaustive}
    changes = changes_of("evaluate", {"batch_size": batch_size}, changes or [])
    verbs.evaluate(recipe, given, changes, png=png, quiet=quiet)


@app.command(epilog=_example("verify claims/a --model runs/a --replay 20"))
def verify(
    claim: Annotated[Path, typer.Argument(help="Folder of the claim.", metavar="CLAIM")],
    *,
    model: AnyModel = None,
    weights: Weights = None,
    outputs: Outputs = None,
    data: Data = None,
    replay: Annotated[
        int | None,
        typer.Option(
            "--replay",
            help="Run the suite again on N survivors; without it, for a minute.",
            metavar="N",
        ),
    ] = None,
    replay_seed: Annotated[
        int | None,
        typer.Option("--replay-seed", help="Draw the same survivors again.", metavar="SEED"),
    ] = None,
    surrogate: Annotated[
        str | None,
        typer.Option("--surrogate", help="The claim's surrogate, if it had one.", metavar="MODEL"),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="The public key that must have signed it.", metavar="FILE"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Re-check a claim, down to every counterexample."""
    from holdfast.cli import verbs

    given: dict[str, Any] = {"replay": replay, "replay_seed": replay_seed, "surrogate": surrogate}
    given |= {"outputs": outputs}
    verbs.verify(claim, model, weights, data, **given, key=key, quiet=quiet)


@app.command(epilog=_example("sign claims/a --key ~/.ssh/id_ed25519 --signer 'Jane Doe'"))
def sign(
    claim: Annotated[Path, typer.Argument(help="Folder of the claim.", metavar="CLAIM")],
    *,
    key: Annotated[
        str, typer.Option("--key", help="A private Ed25519 key, PEM or OpenSSH.", metavar="FILE")
    ],
    signer: Annotated[
        str, typer.Option("--signer", help="Name of the signer.", metavar="NAME")
    ] = "",
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for the key's passphrase.")
    ] = False,
) -> None:
    """Sign a claim, so that somebody answers for it."""
    from holdfast.cli import verbs

    secret = typer.prompt("Passphrase", hide_input=True, err=True) if passphrase else None
    verbs.sign(claim, key, signer, secret)


@app.command(epilog=_example("report claims/a claims/mynet -o report.html"))
def report(
    claims: Annotated[list[Path], typer.Argument(help="Folders of claims.", metavar="CLAIM...")],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="File: .html or .md; without it, print.", metavar="FILE"),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name of a model, once for each claim.", metavar="NAME"),
    ] = None,
) -> None:
    """Show claims side by side: HTML, Markdown or text."""
    from holdfast.cli import verbs

    verbs.report(claims, out, name or None)


@app.command("list", epilog=_example("list", "list attack", "list pgd"))
def list_(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A kind (attack, loss, space, method ...) or one component (pgd).", metavar="NAME"
        ),
    ] = None,
) -> None:
    """List attacks, methods, networks, recipes, data ...; or show one with its fields."""
    from holdfast.cli import verbs

    verbs.list_components(name)

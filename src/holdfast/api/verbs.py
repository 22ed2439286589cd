"""Models of run folders, and reports on claims."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from holdfast import reporting, training
from holdfast.arguments import checked
from holdfast.claims import Claim
from holdfast.errors import InputError
from holdfast.fitting import fit
from holdfast.models import Model
from holdfast.storage import user_path, write_atomic


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

"""What an installer leaves of a package that brings a plug-in."""

from __future__ import annotations

from pathlib import Path

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "plugin"
SIGNS = "holdfast_signs"  # its module


def write_installed(folder: Path, name: str, module: str, code: str) -> None:
    """Write a package of one module, and the files that say that it is installed."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[holdfast.components]\n{name} = {module}\n")
    (folder / f"{module}.py").write_text(code)


def write_example(folder: Path) -> None:
    """Write the example of a plug-in as it is when installed."""
    code = (PLUGIN / f"{SIGNS}.py").read_text("utf-8")
    write_installed(folder, "holdfast-signs", SIGNS, code)

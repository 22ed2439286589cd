"""Plug-ins: modules of other installed packages that register components of their own.

A package names such a module among its entry points, in the group `holdfast.components`. They are
imported when a name is asked for that nothing here has, and when components are listed.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from importlib import import_module

from holdfast.errors import HoldfastWarning, in_one_line, outside

GROUP = "holdfast.components"


@cache
def load_plugins() -> None:
    """Import every plug-in, once in a process; warn of one that cannot be imported."""
    import_module("holdfast.api")  # ours come first: their names are taken
    for package, module in _installed():
        try:
            import_module(module)
        except Exception as error:  # noqa: BLE001 - whatever a package of others' raises
            warnings.warn(
                f"the plug-in {module} of the package {package} could not be imported "
                f"({in_one_line(error)}): mend or uninstall it",
                HoldfastWarning,
                stacklevel=outside(),
            )


def _installed() -> Iterator[tuple[str, str]]:
    """Yield package and module of every plug-in that is installed, by the name of the package.

    The working folder installs nothing, wherever the interpreter looks for modules: one may stand
    in a folder that somebody else has written, such as a claim.
    """
    from importlib.metadata import distributions  # as slow as all of `import holdfast`

    here = os.path.realpath(os.curdir)
    found: dict[str, list[str]] = {}
    for package in distributions(path=[p for p in sys.path if p and os.path.realpath(p) != here]):
        modules = [point.value for point in package.entry_points.select(group=GROUP)]
        found.setdefault(package.name, modules)  # the first of a name is the one that is imported
    for name in sorted(found):
        yield from ((name, module) for module in found[name])

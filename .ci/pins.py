"""Every package that imkit, its extras and its development need, as far as it is installed here, with what needs it.

``python .ci/pins.py`` writes the versions of this environment into constraints.txt; pins of what is not installed here
stay as they are. ``python .ci/pins.py pip-audit build`` adds what those need.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
HEAD = """# Every package, direct and not, that imkit, its extras, tests and documents need, on Linux x86-64 with
# Python 3.11 and without a GPU (torch itself pins its CUDA packages). `python .ci/pins.py` writes it.
"""


def asked_for() -> list[str]:
    """The requirements that pyproject.toml itself names, extras, development and documentation included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    told: dict[str, Any] = project["project"]
    groups = [*told["optional-dependencies"].values(), *project["dependency-groups"].values()]
    return [*told["dependencies"], *(one for group in groups for one in group)]


def needed(roots: Iterable[str]) -> dict[str, str]:
    """Name and version of all that is installed of what these requirements need, and of what that needs."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        one = waiting.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras)
        if (name, extras) in seen or name == "pip":  # which installs the others, and is not theirs to change
            continue
        seen.add((name, extras))
        try:
            held = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = held.version.partition("+")[0]
        waiting += _further(held.requires or (), extras)
    return found


def _further(lines: Iterable[str], extras: frozenset[str]) -> Iterator[Requirement]:
    for line in lines:
        one = Requirement(line)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield one


def pinned(text: str) -> dict[str, str]:
    """Name and version of every pin. ValueError for a line that is none."""
    pins: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, equal, version = line.partition("==")
            if not equal or not version or canonicalize_name(name) in pins:
                raise ValueError(f"constraints.txt: {line!r}, expected one name==version for each package")
            pins[canonicalize_name(name)] = version
    return pins


def main() -> int:
    """Writes the pins."""
    pins = pinned(CONSTRAINTS.read_text("utf-8")) | needed([*asked_for(), *sys.argv[1:]])
    CONSTRAINTS.write_text(HEAD + "".join(f"{name}=={pins[name]}\n" for name in sorted(pins)), "utf-8")
    print(f"{CONSTRAINTS.name}: {len(pins)} packages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

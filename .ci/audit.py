"""Asks for known faults of every pinned package, with pip-audit, and says clearly when it could not ask.

Exits with 1 when a fault is known, and with 0 when none is, or when nobody could be asked; with ``--strict``, with 3
in the latter case. Whether an answer can be believed is tried with an old package whose faults are well known.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
KNOWN_FAULTY = "jinja2==2.4.1"
SERVICES = ("pypi", "osv")


def ask(pins: Sequence[str], service: str) -> list[dict[str, Any]] | None:
    """What pip-audit says of each pin; None when it got no answer."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins) + "\n")
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "-r", file.name, "--no-deps", "--disable-pip", "-f", "json"]
        try:
            done = subprocess.run([*command, "-s", service], capture_output=True, text=True, timeout=600, check=False)
            told = json.loads(done.stdout)["dependencies"]
        except (OSError, ValueError, LookupError, subprocess.TimeoutExpired):
            return None
    return told if isinstance(told, list) else None


def audit(pins: Sequence[str], strict: bool = False) -> int:
    """Asks one service after another until one can be believed, and tells what it says."""
    for service in SERVICES:
        tried = ask([KNOWN_FAULTY], service)
        if not tried or not tried[0].get("vulns"):
            print(f"audit: {service} knows nothing of {KNOWN_FAULTY}, whose faults are known: no answer to believe")
            continue
        told = ask(pins, service)
        if told is None:
            print(f"audit: {service} did not answer")
            continue
        faults = [(one, fault) for one in told for fault in one.get("vulns", ())]
        for one, fault in faults:
            cure = ", ".join(fault.get("fix_versions", ())) or "none yet"
            print(f"FAULT {one['name']}=={one['version']}: {fault['id']}; mended in: {cure}")
        unknown = [one["name"] for one in told if "skip_reason" in one]
        print(
            f"audit: {len(told) - len(unknown)} of {len(pins)} packages asked about at {service}, {len(faults)} faults"
        )
        if unknown:
            print(f"audit: not known there: {', '.join(unknown)}")
        return 1 if faults else 3 if strict and unknown else 0
    print("audit: COULD NOT ASK whether any package has a known fault; nothing was checked. What is pinned:")
    print("\n".join(pins))
    return 3 if strict else 0


def main() -> int:
    """Audits constraints.txt."""
    lines = CONSTRAINTS.read_text("utf-8").splitlines()
    return audit([line for line in lines if line and not line.startswith("#")], "--strict" in sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())

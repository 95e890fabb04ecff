"""``imkit check``: one line each for what a session needs, and what to do where it is missing."""

from __future__ import annotations

import platform
import re
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

from imkit.stream import OpenConfig, Percept

ENGINES = ("espeak-ng", "flite", "festival")


class Finding(NamedTuple):
    """One line. ``ok`` of None means: good to have, not needed for a session."""

    name: str
    ok: bool | None
    text: str


def check(model: str = "nano") -> int:
    """Prints every finding; 0 when a session can run here, 1 otherwise."""
    findings = list(findings_of(model))
    for finding in findings:
        mark = {True: "ok  ", False: "MISS", None: "    "}[finding.ok]
        print(f"{mark} {finding.name:<16} {finding.text}")
    missing = [finding.name for finding in findings if finding.ok is False]
    print("A session can run here." if not missing else f"A session cannot run here yet: see {', '.join(missing)}.")
    return 1 if missing else 0


def findings_of(model: str) -> Iterator[Finding]:
    """The lines, each looked up when it is asked for."""
    checks: list[tuple[str, Callable[[], tuple[bool | None, str]]]] = [
        ("python", _python),
        ("packages", _packages),
        ("front end", _front_end),
        ("torch", lambda: _import("torch")),
        ("onnxruntime", lambda: _import("onnxruntime")),
        (f"model {model}", lambda: _model(model)),
        ("jupyterlab", _jupyterlab),
        ("ipykernel", _ipykernel),
        ("socket lane", _socket_lane),
        ("other hosts", _proxy),
        ("audio, camera", _browser),
        ("speech engines", _engines),
        ("tables", _tables),
        ("extras", _extras),
    ]
    for name, look in checks:
        try:
            ok, text = look()
        except Exception as error:  # a broken installation can raise anything; it is a finding, not our end
            ok, text = False, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        yield Finding(name, ok, text)


def _python() -> tuple[bool, str]:
    good = sys.version_info >= (3, 11)
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return good, text if good else f"{text}; install Python 3.11 or newer"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _requirements() -> Iterator[tuple[str, str, str]]:
    """What imkit asks for, as name, versions and extra ("" for what it cannot do without)."""
    for line in requires("imkit") or ():
        asked, _, marker = line.partition(";")
        found = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?\s*(.*)", asked.strip())
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", marker)
        if found:
            yield found[1], found[2].strip("() "), extra[1] if extra else ""


def _packages() -> tuple[bool, str]:
    try:
        needed = [(name, versions) for name, versions, extra in _requirements() if not extra]
    except PackageNotFoundError:
        return True, "imkit is not installed, only on the path: pip install -e . checks what it needs"
    lacking = [f"{name}{versions}" for name, versions in needed if _version(name) is None]
    if lacking:
        return False, f"missing: pip install {' '.join(map(repr, lacking))}"
    return True, f"all {len(needed)} that imkit needs are installed"


def _front_end() -> tuple[bool, str]:
    from imkit.notebook.widget import asset

    for name in ("widget.js", "widget.css", "surface.js", "surface.css"):
        asset(name)
    return True, "the widget's files are there"


def _tables() -> tuple[None, str]:
    found = [name for name in ("pandas", "polars") if _version(name)]
    cure = "timeline.to_pandas() and tables to talk about need one: pip install pandas"
    return None, ", ".join(found) if found else f"no pandas or polars; {cure}"


def _extras() -> tuple[None, str]:
    lacking: dict[str, list[str]] = {}
    for name, _, extra in _requirements():
        if extra and _version(name) is None:
            lacking.setdefault(extra, []).append(name)
    told = ", ".join(f"{extra} ({', '.join(names)})" for extra, names in sorted(lacking.items()))
    return None, f"without {told}; pip install 'imkit[NAME]' brings one" if told else "all installed"


def _import(name: str) -> tuple[bool, str]:
    found = _version(name)
    if found is None:
        return False, f"not installed: pip install {name}"
    import_module(name)
    return True, found


def _model(name: str) -> tuple[bool, str]:
    from .run import load_model

    model = load_model(name)
    state = model.open(OpenConfig())
    act, _ = model.step(state, Percept(0))
    spec = model.spec
    can = [word for word, able in (("sees", spec.sees), ("reads", spec.reads), ("delegates", spec.delegates)) if able]
    return True, f"loads and steps; {len(act.audio)} samples a tick at {spec.output_rate} Hz; hears, {', '.join(can)}"


def _jupyterlab() -> tuple[bool, str]:
    found = _version("jupyterlab")
    if found is None:
        return False, "not installed: pip install jupyterlab"
    if _parts(found) < (4, 4):
        return True, f"{found}; 4.4 or newer keeps the widget awake while a cell runs: pip install -U jupyterlab"
    return True, found


def _ipykernel() -> tuple[bool, str]:
    found = _version("ipykernel")
    if found is None:
        return False, "not installed: pip install ipykernel"
    if _parts(found) < (7, 0):
        return (
            True,
            f"{found} without subshells: over the comm lane a running cell delays sound; the socket lane does not",
        )
    if _parts(found)[:2] == (7, 0):
        return False, f"{found} loses comm messages: pip install -U ipykernel"
    return True, f"{found}, subshells work"


def _socket_lane() -> tuple[bool, str]:
    """A byte through a loopback socket, as the page would send it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answers: list[bytes] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                answers.append(connection.recv(1))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            client.sendall(b"!")
            thread.join(2)
    if answers != [b"!"]:
        return True, "loopback sockets do not answer; sessions fall back to the comm lane"
    return True, "loopback sockets work; used when the page and the kernel share a machine"


def _proxy() -> tuple[None, str]:
    found = _version("jupyter-server-proxy")
    if found is None:
        return None, "no jupyter-server-proxy: on a remote server the comm lane is used; pip install 'imkit[proxy]'"
    return None, f"jupyter-server-proxy {found}: the socket lane works on a remote server too"


def _browser() -> tuple[None, str]:
    return None, "through the browser, on localhost or https; it asks for permission when you press Start"


def _engines() -> tuple[None, str]:
    found = [name for name in ENGINES if shutil.which(name)]
    lacking = [name for name in ENGINES if name not in found]
    text = f"{', '.join(found) or 'none'}; only needed to train"
    return None, text if not lacking else f"{text}; lacking: apt-get install {' '.join(lacking)}"


def _parts(found: str) -> tuple[int, int, int]:
    """The first three numbers of a version."""
    numbers = [int("".join(filter(str.isdigit, part)) or 0) for part in found.split("+")[0].split(".")[:3]]
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return major, minor, patch

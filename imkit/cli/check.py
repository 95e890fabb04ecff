"""``imkit check``: one line each for what a session needs, and what to do where it is missing."""

from __future__ import annotations

import platform
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
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
        ("torch", lambda: _import("torch")),
        ("onnxruntime", lambda: _import("onnxruntime")),
        (f"model {model}", lambda: _model(model)),
        ("jupyterlab", _jupyterlab),
        ("ipykernel", _ipykernel),
        ("socket lane", _socket_lane),
        ("other hosts", _proxy),
        ("audio, camera", _browser),
        ("speech engines", _engines),
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


def _import(name: str) -> tuple[bool, str]:
    found = _version(name)
    if found is None:
        return False, f"not installed: pip install {name}"
    __import__(name)
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

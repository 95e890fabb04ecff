"""Virtual environments for one test: what is installed here already, and a few packages in other versions on top."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(folder: Path, *packages: str, constrained: bool = True) -> Path:
    """Makes one in ``folder`` with pip's ordinary means and returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(own) / "base.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pins = ["-c", str(ROOT / "constraints.txt")] if constrained else ["--no-deps"]
    subprocess.run([python, "-m", "pip", "install", "-q", *pins, *packages], check=True)
    return python


def kernelspec(data: Path, name: str, python: Path) -> None:
    """Lets Jupyter, whose data folder it is, start kernels with that Python."""
    folder = data / "kernels" / name
    folder.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))

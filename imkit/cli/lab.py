"""``imkit lab``: JupyterLab on the first notebook, without news and update questions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from imkit.stream import ImkitError

NOTEBOOK = "00_hello.ipynb"


class LabError(ImkitError):
    """JupyterLab cannot be opened."""


def lab(notebook: str | None, options: list[str]) -> int:
    """Opens JupyterLab on ``notebook`` and stays until it ends; returns its exit code."""
    if find_spec("jupyterlab") is None:
        raise LabError("jupyterlab is not installed here: pip install jupyterlab")
    path = first_notebook() if notebook is None else Path(notebook)
    if not path.is_file():
        raise LabError(
            f"{path}: no such notebook. Give the path of one, or none; options of jupyter lab are one word "
            "each, such as --port=8899"
        )
    environment = dict(os.environ)
    places = [str(files("imkit.cli") / "config"), *filter(None, [environment.get("JUPYTER_CONFIG_PATH")])]
    environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(places)
    try:
        return subprocess.run(command(path, options), env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0


def command(notebook: Path, options: list[str]) -> list[str]:
    """The command line of JupyterLab on ``notebook``, rooted in its folder."""
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    offline = ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None"]
    return [sys.executable, "-m", "jupyterlab", str(notebook.resolve()), *offline, *root, *options]


def first_notebook() -> Path:
    """``notebooks/00_hello.ipynb`` of a checkout; otherwise a one-cell notebook in the current folder."""
    checkout = Path(str(files("imkit"))).parent / "notebooks" / NOTEBOOK
    for path in (checkout, Path("notebooks") / NOTEBOOK, Path(NOTEBOOK)):
        if path.is_file():
            return path
    path = Path("imkit_hello.ipynb")
    if not path.exists():
        path.write_text(json.dumps(_one_cell("import imkit\n\nimkit.Session()"), indent=1) + "\n", encoding="utf-8")
    return path


def _one_cell(source: str) -> dict[str, object]:
    kernel: dict[str, object] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "hello",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
    }
    return {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}

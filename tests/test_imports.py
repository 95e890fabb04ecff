"""Imports run one way, and `import imkit` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import imkit

ROOT = Path(imkit.__file__).parent
GROUND = {"stream"}
PARTS = {"model", "adapters", "background", "tools", "surfaces", "capture", "voices", "measures"}
TOP = {"notebook", "views", "probe", "recordings", "scenes", "training", "serve", "cli"}
MAY: dict[str, set[str]] = {
    "stream": set(),
    **{part: set(GROUND) for part in PARTS},
    "session": GROUND | PARTS,
    **{part: GROUND | PARTS | {"session"} | (TOP if part in {"notebook", "cli"} else set()) for part in TOP},
}
# A guest's chair loads our own network too and changes rates; whoever stands on top may draw or read a recording.
MAY["adapters"] |= {"model", "voices", "capture"}
for top in ("views", "probe", "scenes", "training"):
    MAY[top] |= {"recordings", "views"}
MAY["training"] |= {"scenes"}
MODULES = sorted(path for path in ROOT.rglob("*.py") if "static" not in path.parts)


def part_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """The parts of imkit that a module imports, at the top or inside a function, by whatever spelling."""
    package = ["imkit", *path.relative_to(ROOT).parts[:-1]]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [module] if module != "imkit" else [f"imkit.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("imkit.") and name != "imkit.__version__"}
    return found


def test_every_part_has_a_rule() -> None:
    parts = {part_of(path) for path in MODULES} - {"__init__", "__main__"}
    assert parts <= set(MAY), f"say in tests/test_imports.py what {parts - set(MAY)} may import"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(path)
    if part in {"__init__", "__main__"}:
        return
    wrong = imported_parts(path) - MAY[part] - {part}
    assert not wrong, f"imkit/{path.relative_to(ROOT)} imports {sorted(wrong)}; {part} may import {sorted(MAY[part])}"


def test_the_rule_sees_every_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "stream"
    folder.mkdir()
    module = folder / "wrong.py"
    module.write_text(
        "import imkit.session\nfrom imkit import tools\nfrom ..views import x\ndef f():\n  from .. import probe\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert imported_parts(module) == {"session", "tools", "views", "probe"}


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


HEAVY = {"torch", "plotly", "onnxruntime", "ipywidgets", "pandas", "transformers", "av", "IPython", "scipy"}


@pytest.mark.parametrize(
    "code",
    [
        "import imkit",
        "import imkit; imkit.Timeline, imkit.tool, imkit.Surface, imkit.Percept",
        "import imkit.session, imkit.background, imkit.tools, imkit.surfaces, imkit.capture",
    ],
)
def test_light_names_load_nothing_heavy(code: str) -> None:
    assert not loaded_by(code) & HEAVY


def test_public_names() -> None:
    assert {"Session", "tool", "Timeline", "Percept", "Act", "Event", "Call", "Floor", "load"} <= set(imkit.__all__)
    assert set(imkit.__all__) == set(imkit._HOME)
    assert set(imkit.__all__) <= set(dir(imkit))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = imkit.nonsense  # type: ignore[attr-defined]


def test_the_version_is_one() -> None:
    pyproject = ROOT.parent / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text("utf-8"))["project"]["version"] == imkit.__version__

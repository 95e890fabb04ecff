"""The documentation is true: its code runs, its commands parse, its links lead somewhere, its names are all told.

A page's Python runs from top to bottom in one process and a scratch folder, as cells of an IPython shell. Only blocks
whose first line is ``# untested: REASON`` are left out. A block of another language with a title is written as a file.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import re
import shlex
import socket
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import imkit
from imkit.cli import _parser

ROOT = Path(imkit.__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
UNTESTED = re.compile(r"# untested: \S.{5,}\n")
PACKAGES = {
    "reference/talking.md": ["imkit", "imkit.stream", "imkit.session", "imkit.capture", "imkit.notebook"],
    "reference/working.md": ["imkit.tools", "imkit.background", "imkit.surfaces"],
    "reference/afterwards.md": [
        "imkit.recordings", "imkit.recordings.export", "imkit.views", "imkit.measures", "imkit.scenes",
    ],
    "reference/inside.md": ["imkit.probe"],
    "reference/serving.md": ["imkit.serve"],
}  # fmt: skip


def blocks(page, *languages):
    """(language, title, code) of the page's fenced blocks."""
    return [found for found in FENCE.findall(PAGES[page]) if not languages or found[0] in languages]


def prose(text):
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


# --- code

WITH_CODE = [page for page in PAGES if any(not UNTESTED.match(code) for _, _, code in blocks(page, "python"))]
PRELOADED = ["imkit.notebook.live", "imkit.model.nano", "imkit.views", "imkit.probe", "onnxruntime", "torch", "pandas",
             "IPython.core.interactiveshell", "plotly.graph_objects", "av"]  # fmt: skip


@pytest.fixture(scope="module")
def processes():
    """Processes that begin with everything imported, so that a page costs what it does."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


@pytest.mark.parametrize("page", WITH_CODE)
def test_the_code_of_a_page_runs(page, tmp_path, processes):
    process = processes.Process(target=run_page, args=(page, tmp_path))
    process.start()
    process.join(300)
    told = (tmp_path / "told.txt").read_text("utf-8")
    process.kill()
    assert process.exitcode == 0, f"docs/{page}\n{told[-4000:]}"


def run_page(page, folder):
    """Runs a page in this process, in a scratch folder. Nothing reaches a network."""
    told = os.open(folder / "told.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(told, 1)
    os.dup2(told, 2)
    for name in [name for name in os.environ if name.startswith("IMKIT_")]:
        del os.environ[name]
    os.environ.update(HOME=str(folder), IPYTHONDIR=str(folder / "ipython"), NO_COLOR="1")
    (folder / "scratch").mkdir()
    os.chdir(folder / "scratch")

    from IPython.core.interactiveshell import InteractiveShell

    make_files()
    sys.path.insert(0, os.getcwd())
    connect = socket.socket.connect

    def nowhere(one, address):
        if one.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            raise OSError(f"a page of the documentation reached for {address}")
        return connect(one, address)

    socket.socket.connect = nowhere
    shell = InteractiveShell.instance(colors="nocolor")
    shell.ast_node_interactivity = "none"
    for language, title, code in blocks(page):
        if title:
            Path(title).write_text(code, encoding="utf-8")
        if language != "python" or title or UNTESTED.match(code):
            continue
        if not shell.run_cell(code).success:
            sys.exit(f"this block failed:\n{code}")


def make_files():
    """What the pages call files of the reader's own."""
    import av
    import soundfile

    sound, rate = soundfile.read(ROOT / "imkit/scenes/spoken/what_is_seven_plus_four.flac", dtype="float32")
    soundfile.write("question.wav", sound, rate)
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 220
    Path("pictures").mkdir()
    for name, codec, count in (("clip.mp4", "mpeg4", 5), ("pictures/a.png", "png", 1), ("pictures/b.png", "png", 1)):
        with av.open(name, "w", options={"update": "1"} if count == 1 else {}) as container:
            stream = container.add_stream(codec, rate=5)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24" if codec == "png" else "yuv420p"
            for _ in range(count):
                for packet in stream.encode(av.VideoFrame.from_ndarray(red, "rgb24")):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)


def test_what_is_not_run_says_why():
    for page in WITH_CODE:
        for _, _, code in blocks(page, "python"):
            assert "untested" not in code or UNTESTED.match(code), f"docs/{page}: {code[:60]!r}"


def test_titled_blocks_are_well_formed():
    for page in PAGES:
        for language, title, code in blocks(page, "json"):
            for line in code.splitlines() if title.endswith(".jsonl") else [code]:
                json.loads(line)
            assert language == "json"


# --- commands

COMMANDS = sorted({
    (page, line.strip())
    for page, text in PAGES.items()
    for line in [
        *re.findall(r"`(imkit [a-z][^`\n]*)`", FENCE.sub("", text)),
        *(line for _, _, code in blocks(page, "sh") for line in code.splitlines()),
    ]
    if line.startswith("imkit ") and "COMMAND" not in line
})  # fmt: skip


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_every_command_is_known_with_its_options(page, line):
    parser, words = _parser(), shlex.split(line)[1:]
    (known,) = (one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    assert words[0] in known, f"docs/{page}: {line}"
    options = {option for one in known[words[0]]._actions for option in one.option_strings}
    if words[0] == "train":
        options |= {"--workers", "--threads", "--fresh"}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= options, f"docs/{page}: {line}"
    if line in {line for _, _, code in blocks(page, "sh") for line in code.splitlines()}:  # whole, not just named
        with contextlib.redirect_stderr(io.StringIO()) as told:
            try:
                parser.parse_args(words)
            except SystemExit:
                pytest.fail(f"docs/{page}: {line}: {told.getvalue()}")


def test_options_of_training_are_those_it_has():
    source = (ROOT / "imkit/training/train.py").read_text("utf-8")
    for option in ("--workers", "--threads", "--fresh"):
        assert f'add_argument("{option}"' in source


@pytest.mark.parametrize("name", sorted(set(re.findall(r"python -m ([\w.]+)", "\n".join(PAGES.values())))))
def test_every_module_that_is_run_is_there(name):
    assert find_spec(name) is not None


# --- links, names, numbers


def anchors(page):
    """What can be linked to in a page: its headings, and names that are told in it."""
    text = PAGES[page]
    for included in re.findall(r'^--8<-- "(.+)"$', text, re.MULTILINE):
        text += (ROOT / included).read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    found = {re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    for package in PACKAGES.get(page, []):
        found |= {package.replace(".", ""), package} | {f"{package}.{name}" for name in import_module(package).__all__}
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    here = DOCS / page
    for link in re.findall(r"\]\(([^)\s]+)", FENCE.sub("", PAGES[page])):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        there = os.path.normpath(here.parent / path) if path else str(here)
        target = os.path.relpath(there, DOCS)
        if target.startswith("notebooks/"):
            assert (ROOT / target).is_file(), f"docs/{page}: {link}"
        else:
            assert Path(there).is_file(), f"docs/{page}: {link}"
        if anchor:
            assert anchor in anchors(target), f"docs/{page}: {link}; there are {sorted(anchors(target))}"


def test_included_files_are_there():
    included = [name for text in PAGES.values() for name in re.findall(r'^--8<-- "(.+)"$', text, re.MULTILINE)]
    assert {"SECURITY.md", "imkit/probe/SITES.md", "models/nano/README.md"} <= set(included)
    assert all((ROOT / name).is_file() for name in included)


def test_every_package_with_public_names_is_told_once():
    told = re.findall(r"<!-- names ([\w.]+) -->", "\n".join(PAGES.values()))
    assert sorted(told) == sorted(package for packages in PACKAGES.values() for package in packages)
    for page, packages in PACKAGES.items():
        assert re.findall(r"<!-- names ([\w.]+) -->", PAGES[page]) == packages
    public = {f"imkit.{path.parent.name}" for path in (ROOT / "imkit").glob("*/__init__.py") if "__all__" in
              path.read_text("utf-8")}  # fmt: skip
    untold = public - set(told) - {"imkit.adapters", "imkit.model", "imkit.voices", "imkit.cli", "imkit.training"}
    assert not untold, f"{untold}: a page of docs/reference needs a line <!-- names PACKAGE -->"


def test_every_notebook_is_in_the_gallery_with_a_picture():
    names = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert re.findall(r"^## \[(\w+)\]\(notebooks/\1\.ipynb\)$", PAGES["gallery.md"], re.MULTILINE) == names
    drawn = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGES["gallery.md"])
    assert len(drawn) == len(names)
    for link in drawn:
        path = (ROOT if link.startswith("notebooks/") else DOCS) / link
        assert 1_000 < path.stat().st_size < 200_000


def test_the_files_that_are_told_of_are_those_that_are_written():
    from imkit.recordings import layout
    from imkit.scenes.run import OURS

    page = PAGES["reference/formats.md"]
    for name in (*layout.FILES, *layout.DERIVED, *OURS):
        assert f"`{name}`" in page, name
    for name in layout.FOLDERS:
        assert f"`{name}/" in page, name


def test_no_measured_number_stands_in_the_prose():
    measured = re.compile(r"\b\d[\d.,]* ?(?:%|ms|MB|GB|kB|points|hours?|minutes?|parameters)(?!\w)")
    for page, text in PAGES.items():
        found = [one for one in measured.findall(prose(text)) if one != "200 ms"]
        assert not found, f"docs/{page}: {found}; link to the file that a command writes"


# --- the site


def test_docstrings_become_markdown():
    sys.path.insert(0, str(DOCS))
    try:
        as_markdown = import_module("docstrings").as_markdown
    finally:
        sys.path.remove(str(DOCS))
    text = "First.\n\nindex   which ``one``\nframes  two\n        or three\n\nThen ``this``.\n>>> code()"
    assert as_markdown(text) == (
        "First.\n\n\n`index`\n:   which `one`\n\n`frames`\n:   two\n    or three\n\n\nThen `this`.\n    >>> code()"
    )


def test_the_site_is_built_strictly_and_asks_nobody(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install --group docs")
    out = tmp_path / "site"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)],
        cwd=ROOT, env=environment, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for page in PAGES:
        html = (out / page).with_suffix(".html").read_text("utf-8")
        asked = re.findall(r"<(?:script|link|img|iframe|source)[^>]*(?:src|href)=\"?((?:https?:)?//[^\"\s>]+)", html)
        assert not asked, f"{page}: {asked}"
        assert 'data-md-component="source"' not in html  # it would ask api.github.com for stars
    cli = (out / "reference/cli.html").read_text("utf-8")
    assert "--list-texts" in cli
    for page, packages in PACKAGES.items():
        html = (out / page).with_suffix(".html").read_text("utf-8")
        for package in packages:
            module = import_module(package)
            told = [name for name in module.__all__ if f'id="{package}.{name}"' not in html]
            again = {name for name in module.__all__ if getattr(imkit, name, None) is getattr(module, name)}
            assert package != "imkit" or not told
            assert set(told) <= again, f"{page}: {package} does not tell {set(told) - again}"

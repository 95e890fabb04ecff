"""What the site takes from the code while it is built: public names, help texts, exports, notebooks."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
_MARK = re.compile(r"^<!-- (names|help|formats)(?: ([\w.]+))? -->$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The notebooks and the pictures of the README go along, to be linked."""
    for path in sorted((ROOT / "notebooks").rglob("*")):
        if path.suffix in (".ipynb", ".png") and not any(part.startswith(".") for part in path.parts):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts in what a mark on a line of its own stands for."""
    return _MARK.sub(lambda found: WRITERS[found[1]](found[2]), markdown)


def names(package: str) -> str:
    """The public names of a package: each in full once, and where the others are told."""
    import imkit

    given, module = [], import_module(package)
    elsewhere = []
    for name in sorted(module.__all__, key=lambda one: (one.isupper(), one.lower())):
        if package != "imkit" and name in imkit.__all__ and getattr(module, name) is getattr(imkit, name):
            elsewhere.append(f"[{name}][imkit.{name}]")
        else:
            given.append(f"::: {package}.{name}")
    told = f"Also here, told under [imkit](talking.md#imkit): {', '.join(elsewhere)}.\n\n" if elsewhere else ""
    return told + "\n\n".join(given)


def help_texts(_: str | None) -> str:
    """The command line's own help, command by command."""
    from imkit.cli import _parser

    with _plain_help():
        parser = _parser()
        parts = [f"```text\n{parser.format_help().rstrip()}\n```"]
        (commands,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
        for name, command in commands.choices.items():
            parts.append(f"## imkit {name}\n\n```text\n{command.format_help().rstrip()}\n```")
    return "\n\n".join(parts)


def formats(_: str | None) -> str:
    """What a timeline can be exported to."""
    from imkit.recordings.export import FORMATS

    rows = [f"| `{name}` | {form.suffix or 'a folder'} | {form.about} |" for name, form in FORMATS.items()]
    return "\n".join(["| form | ends in | what it is |", "| --- | --- | --- |", *rows])


@contextmanager
def _plain_help() -> Iterator[None]:
    """A fixed width and no colours, so that the text is the same everywhere."""
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR")}
    os.environ.update(COLUMNS="84", NO_COLOR="1")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


WRITERS = {"names": names, "help": help_texts, "formats": formats}

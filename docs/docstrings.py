"""Docstrings of the house as Markdown: aligned lines, a name and what it is, become a list of definitions."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_PAIR = re.compile(r"(?P<name>\S.*?) {2,}(?P<what>\S.*)")
_CODE = re.compile(r"``([^`]+)``")


def as_markdown(text: str) -> str:
    """The text with its aligned lists as definition lists, and ``>>>`` lines as code."""
    out: list[str] = []
    listed = False
    for line in text.split("\n"):
        pair = _PAIR.fullmatch(line) if not line.startswith((" ", ">>>")) else None
        if pair is not None:
            name = re.sub(r"[`\s]+", " ", pair["name"]).strip()
            out += ["", f"`{name}`", f":   {pair['what']}"]
            listed = True
        elif listed and line.startswith("  "):
            out.append(f"    {line.strip()}")
        else:
            if listed and line.strip():
                out.append("")
            listed = listed and not line.strip()
            out.append(f"    {line}" if line.startswith(">>>") else line)
    return _CODE.sub(r"`\1`", "\n".join(out))


class Docstrings(Extension):
    """Runs ``as_markdown`` over every docstring that is read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Once for every module, class, function and attribute."""
        if obj.docstring is not None and not obj.is_alias:
            obj.docstring.value = as_markdown(obj.docstring.value)

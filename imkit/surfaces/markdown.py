"""A small part of Markdown as data: paragraphs and lists of bold, italic and code. No links, pictures or HTML.

Whatever is not in that part stays the plain text that it is.
"""

from __future__ import annotations

import re
from typing import Any

_SPAN = re.compile(r"`([^`\n]+)`|\*\*([^*\n]+)\*\*|\*([^*\s][^*\n]*)\*|(?<!\w)_([^_\s][^_\n]*)_(?!\w)")
_STYLES = ("", "code", "b", "i", "i")
_BULLET = re.compile(r"\s{0,3}[-*+] +(.*)")
_NUMBERED = re.compile(r"\s{0,3}\d{1,3}[.)] +(.*)")


def blocks(text: str, markdown: bool = True) -> list[list[Any]]:
    """Blocks ``[tag, lines]``, tag "p", "ul" or "ol"; a line is a list of spans ``[style, text]``.

    Styles are "", "b", "i" and "code". Without ``markdown`` every line is one plain span.
    """
    found: list[list[Any]] = []
    open_tag = ""
    for line in text.split("\n"):
        tag, inside = ("p", line)
        if markdown:
            for name, pattern in (("ul", _BULLET), ("ol", _NUMBERED)):
                match = pattern.fullmatch(line)
                if match:
                    tag, inside = name, match[1]
        if not line.strip():
            open_tag = ""
            continue
        if tag != open_tag:
            found.append([tag, []])
            open_tag = tag
        found[-1][1].append(spans(inside) if markdown else [["", inside]])
    return found


def spans(line: str) -> list[list[str]]:
    """One line as spans ``[style, text]``."""
    found: list[list[str]] = []
    end = 0
    for match in _SPAN.finditer(line):
        if match.start() > end:
            found.append(["", line[end : match.start()]])
        group = match.lastindex or 0
        found.append([_STYLES[group], match[group]])
        end = match.end()
    if end < len(line):
        found.append(["", line[end:]])
    return found

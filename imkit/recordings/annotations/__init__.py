"""Annotations made elsewhere, as lanes on the session clock: Praat TextGrid, ELAN EAF, RTTM, WebVTT.

>>> lanes = read("session.eaf")                       # doctest: +SKIP
>>> lanes["speaker A"][0].label                       # doctest: +SKIP
>>> measure(lanes.talk("speaker A", "speaker B"))     # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import eaf, rttm, textgrid, vtt
from .lanes import AnnotationError, Annotations

__all__ = ["AnnotationError", "Annotations", "read"]

MAX_BYTES = 64 * 2**20
_READERS: dict[str, Callable[[str], Annotations]] = {
    ".textgrid": textgrid.parse,
    ".eaf": eaf.parse,
    ".rttm": rttm.parse,
    ".vtt": vtt.parse,
}


def read(path: str | Path) -> Annotations:
    """The lanes of an annotation file; its suffix says the form.

    Raises AnnotationError, which names the line or element, for a file that cannot be read, is larger than 64 MB, or is
    not what its suffix says.
    """
    path = Path(path)
    parse = _READERS.get(path.suffix.lower())
    if parse is None:
        raise AnnotationError(f"{path}: expected a file that ends in .TextGrid, .eaf, .rttm or .vtt")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise AnnotationError(f"{path}: is larger than {MAX_BYTES // 2**20} MB; cut it into parts")
        data = path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return parse(_text(data))
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from None


def _text(data: bytes) -> str:
    """UTF-8, or UTF-16 with a byte order mark, as Praat writes where a file is not plain ASCII."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AnnotationError(f"line {line}: is no {'UTF-16' if wide else 'UTF-8'} text; save it as UTF-8") from error

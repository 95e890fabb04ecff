"""Pictures from a folder or a list, at a steady rate."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imkit.stream import TICK_S, Percept, Provenance, SourceError

from .picture import fitted, read_picture
from .source import OrderedSource

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm"})
Picture = str | Path | NDArray[np.uint8]


class ImageSequence(OrderedSource):
    """Picture ``i`` is seen at ``i / fps`` seconds; of several in one tick the newest is kept.

    ``pictures`` is a folder (its pictures in the order of their names) or a list of paths or uint8 arrays
    [height, width, 3]. One picture is held in memory at a time.
    """

    def __init__(self, pictures: str | Path | Iterable[Picture], fps: float = 5.0) -> None:
        self._folder = Path(pictures).expanduser() if isinstance(pictures, str | Path) else None
        self._pictures: list[Picture] = [] if isinstance(pictures, str | Path) else list(pictures)
        super().__init__(self._folder if self._folder else f"{len(self._pictures)} pictures")
        if not (isfinite(fps) and fps > 0):
            raise SourceError(self.name, f"fps is {fps}, expected a number above 0.")
        self.fps = float(fps)
        self.provenance = Provenance.FILE

    @property
    def duration_s(self) -> float:
        """The time the pictures take, in seconds."""
        return len(self._pictures) / self.fps

    def _start(self) -> None:
        if self._folder is not None:
            self._pictures = list(_pictures_in(self._folder))
        if not self._pictures:
            raise SourceError(
                self.name, "holds no pictures.", f"Expected files ending in {', '.join(sorted(SUFFIXES))}."
            )

    def _tick(self, index: int) -> Percept | None:
        position = self._position
        begin, end = (ceil(time * TICK_S * self.fps - 1e-6) for time in (position, position + 1))
        if begin >= len(self._pictures) and position * TICK_S >= self.duration_s - 1e-9:
            return None
        newest = min(end, len(self._pictures)) - 1
        return Percept(index, frames=(self._picture(newest),) if newest >= begin else ())

    def _picture(self, number: int) -> NDArray[np.uint8]:
        picture = self._pictures[number]
        if not isinstance(picture, np.ndarray):
            return read_picture(picture)
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            got = f"{picture.dtype} {picture.shape}"
            raise SourceError(self.name, f"picture {number} is {got}, expected uint8 (height, width, 3).")
        width, height = fitted(picture.shape[1], picture.shape[0])
        if (height, width) == picture.shape[:2]:
            return picture
        rows = np.arange(height) * picture.shape[0] // height
        columns = np.arange(width) * picture.shape[1] // width
        return np.ascontiguousarray(picture[rows][:, columns])


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.exists():
        raise SourceError(folder, "no such folder.", "Check the spelling and the current folder.")
    if not folder.is_dir():
        raise SourceError(folder, "is a file, expected a folder of pictures.", "Give a list to use single files.")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())

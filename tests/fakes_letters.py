"""Text in a picture, and reading it back: a font of 5 x 7 dots on a grid, which survives being made small and JPEG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 240, 320
DOT = 2
CELL = (8 * DOT, 6 * DOT)
ROWS, COLUMNS = HEIGHT // CELL[0], WIDTH // CELL[1]
FONT = {  # five columns a letter, the lowest bit on top
    "a": "7e1111117e", "b": "7f49494936", "c": "3e41414122", "d": "7f4141221c", "e": "7f49494941", "f": "7f09090901",
    "g": "3e4149497a", "h": "7f0808087f", "i": "00417f4100", "j": "2040413f01", "k": "7f08142241", "l": "7f40404040",
    "m": "7f020c027f", "n": "7f0408107f", "o": "3e4141413e", "p": "7f09090906", "q": "3e4151215e", "r": "7f09192946",
    "s": "4649494931", "t": "01017f0101", "u": "3f4040403f", "v": "1f2040201f", "w": "3f4038403f", "x": "6314081463",
    "y": "0708700807", "z": "6151494543", " ": "0000000000",
}  # fmt: skip


def _dots(letter: str) -> NDArray[np.bool_]:
    columns = bytes.fromhex(FONT[letter])
    return np.array([[column >> row & 1 for column in columns] for row in range(7)], np.bool_)


def lettered(text: str) -> NDArray[np.uint8]:
    """A picture, uint8 [240, 320, 3], dark on light, that shows a text of a-z and spaces, 26 letters a line."""
    picture = np.full((HEIGHT, WIDTH, 3), 235, np.uint8)
    for place, letter in enumerate(text.lower()):
        row, column = divmod(place, COLUMNS)
        dots = np.kron(_dots(letter), np.ones((DOT, DOT), np.bool_))
        top, left = row * CELL[0] + DOT, column * CELL[1]
        picture[top : top + 7 * DOT, left : left + 5 * DOT][dots] = (40, 20, 60)
    return picture


def read_letters(picture: NDArray[np.uint8]) -> str:
    """What stands in such a picture: of each cell the letter that is nearest to it; "" where nothing is written."""
    if picture.shape != (HEIGHT, WIDTH, 3):
        return ""
    dark = (picture.mean(2) < 140)[: ROWS * CELL[0], : COLUMNS * CELL[1]]
    cells = dark.reshape(ROWS, CELL[0], COLUMNS, CELL[1]).transpose(0, 2, 1, 3)[:, :, DOT : 8 * DOT, : 5 * DOT]
    seen = cells.reshape(ROWS * COLUMNS, 7, DOT, 5, DOT).mean((2, 4)) > 0.5
    letters, shapes = list(FONT), np.array([_dots(letter) for letter in FONT])
    nearest = (seen[:, None] != shapes).sum((2, 3)).argmin(1)
    return "".join(letters[one] for one in nearest).strip()

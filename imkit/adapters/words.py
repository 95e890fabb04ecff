"""Pieces of words, as a guest writes them one token at a time, joined to words with the time of their first piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

STARTS = ("\u2581", "\u0120")  # what a piece that begins a word begins with: SentencePiece, byte-level BPE
MOST_PIECES = 24


@dataclass
class Spelling:
    """The word under way: its pieces, and the samples or seconds at which it began and at which its last one ended."""

    pieces: list[str] = field(default_factory=list)
    start: float = 0.0
    end: float = 0.0


class Speller:
    """What the tokens of a tokeniser mean. ``silent`` are tokens that end a word and are none."""

    def __init__(self, tokenizer: Any, silent: tuple[int, ...] = ()) -> None:
        self.tokenizer = tokenizer
        self.silent = {*silent, *tokenizer.all_special_ids}

    def put(self, state: Spelling, token: int, start: float, end: float) -> list[tuple[str, float, float]]:
        """One more token, which lasts from ``start`` to ``end``; the word that it ends, if any."""
        piece = None if token in self.silent else self.tokenizer.convert_ids_to_tokens(token)
        done: list[tuple[str, float, float]] = []
        if piece is None or piece.startswith(STARTS) or len(state.pieces) == MOST_PIECES:
            done = self.finish(state)
        if piece is not None:
            state.start = state.start if state.pieces else start
            state.end = end
            state.pieces.append(piece)
        return done

    def finish(self, state: Spelling) -> list[tuple[str, float, float]]:
        """The word under way, as the stream has ended or something else began."""
        text = self.tokenizer.convert_tokens_to_string(state.pieces).strip() if state.pieces else ""
        state.pieces = []
        return [(text, state.start, state.end)] if text else []

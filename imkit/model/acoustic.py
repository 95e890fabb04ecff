"""Words to mel frames: each word has a score, a learned vector for every 50 ms of it, which causal blocks play.

The score is looked up by the word and the time since its onset. A linear sketch of it and what the blocks add are the
frames; what sounded before reaches them through the blocks' state, of some 0.25 s, so words run into each other. The
decoder is not fed its own mel frames: a word and its age say all about the sound that is wanted, and what is not fed
back cannot drift.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .vocoder import CausalStack, LogMel

FRAMES = 20  # mel frames in a micro-turn
SLOTS = 4  # score vectors in a micro-turn
MOST_TICKS = 4  # micro-turns that a word can sound, fading included


class Acoustic(nn.Module):
    """``forward(word, age, cut, state) -> mel [batch, n * 20, bins], state`` for n micro-turns.

    word  int64 [batch, n], the word under way by its number, 0 where there is none
    age   int64 [batch, n], micro-turns since its onset, at most ``MOST_TICKS - 1``
    cut   int64 [batch, n], 1 where the floor was just given up and the word only fades
    state [layers, batch, KERNEL - 1, width], at first ``empty()``
    """

    def __init__(
        self, words: int, bins: int = 64, score_width: int = 48, width: int = 160, layers: int = 4, expansion: int = 3
    ) -> None:
        super().__init__()
        self.places, self.bins = MOST_TICKS * SLOTS + 1, bins
        self.score = nn.Embedding(words * self.places, score_width)
        self.sketch = nn.Linear(score_width, FRAMES // SLOTS * bins, bias=False)
        self.drop = nn.Parameter(torch.linspace(0, FRAMES / 3, FRAMES).clamp(max=1))  # how a cut word leaves
        self.read = nn.Linear(2 * score_width, width)
        self.frame = nn.Parameter(torch.randn(FRAMES, width) * 0.2)
        self.fade = nn.Parameter(torch.randn(FRAMES, width) * 0.2)
        self.stack = CausalStack(width, layers, expansion)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, bins)
        nn.init.normal_(self.score.weight, std=0.3)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def empty(self, batch: int = 1) -> Tensor:
        """The state before the first micro-turn."""
        return self.stack.empty(batch)

    def forward(self, word: Tensor, age: Tensor, cut: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Words under way to mel frames; see the class."""
        batch, count = word.shape
        first = word * self.places + age * SLOTS
        place = first.unsqueeze(-1) + torch.arange(SLOTS)
        score = self.score(place)
        vectors = torch.cat([score, self.score(place + 1)], -1)  # this score vector and the next
        played = self.read(vectors).repeat_interleave(FRAMES // SLOTS, 2)  # [batch, n, 20, width]
        ended = cut.unsqueeze(-1).unsqueeze(-1)
        x, state = self.stack((played + self.frame + ended * self.fade).reshape(batch, count * FRAMES, -1), state)
        sketch = self.sketch(score).reshape(batch, count, FRAMES, self.bins) * (1 - ended * self.drop.unsqueeze(-1))
        return LogMel.silence + sketch.reshape(batch, count * FRAMES, self.bins) + self.head(self.norm(x)), state

    @torch.no_grad()
    def begin_with(self, frames: Tensor) -> None:
        """Let scores and sketch start as the principal components of what words should be.

        frames [words, at most 4 * 20, bins], mel frames from each word's onset on; all else is silence.
        """
        pieces = torch.zeros(frames.shape[0], self.places, FRAMES // SLOTS * self.bins)
        aims = (frames - LogMel.silence).reshape(frames.shape[0], -1, FRAMES // SLOTS * self.bins)
        pieces[:, : aims.shape[1]] = aims
        flat = pieces.flatten(0, 1)
        width = self.score.embedding_dim
        _, basis = torch.linalg.eigh(flat.T @ flat)  # ascending
        basis = basis[:, -min(width, basis.shape[1]) :].flip(1)
        scores = flat @ basis
        scale = 3 * scores.std()
        self.score.weight.zero_()
        self.sketch.weight.zero_()
        self.score.weight[:, : scores.shape[1]] = scores / scale
        self.sketch.weight[:, : scores.shape[1]] = basis * scale

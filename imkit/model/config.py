"""The shape of a nano network, as it stands in ``models/<name>/config.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from imkit.stream import ModelError

FLOORS = ("listen", "backchannel", "speak")
PROVENANCES = ("heard", "typed", "background", "tool", "notebook", "ui", "file")
AUDIO_TOKENS = 4
WORD_SLOTS = 8
# Order of the token slots inside one micro-turn: the frame, then words, then audio, then the act that sees them all.
SLOT_FRAME, SLOT_WORD, SLOT_AUDIO, SLOT_ACT = 0, 1, 9, 15
SLOTS_PER_TICK = 16
STEM_DILATIONS = ((1, 1), (1, 2, 4, 8))  # of the layers at 12.5 ms and at 25 ms
STEM_FRAMES = tuple(2 * sum(dilations) for dilations in STEM_DILATIONS)  # that they look back over


@dataclass(frozen=True)
class NanoConfig:
    """Sizes and vocabulary.

    vocabulary  tokens that are heard, read and said; the first is "nothing"
    calls       what the model may ask for, the first is "nothing"
    slots       (call, argument, values) of what a call may say more exactly; rows of one argument are parts of it
    heard_delay_s  how long after its end a word is written, at the earliest
    tells       whether the model was taught to tell a result in the result's own words
    window      how many past tokens stay in reach, not counting pinned ones
    pinned      how many word tokens beyond the window stay in reach
    context_words  how many words before a word are read with it
    stem_width  channels of the convolutions that make audio tokens; 0 = tokens are cut from the levels directly
    """

    vocabulary: tuple[str, ...]
    calls: tuple[str, ...]
    slots: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    heard_delay_s: float = 0.05
    tells: bool = False
    width: int = 224
    layers: int = 6
    heads: int = 7
    expansion: int = 4
    window: int = 384
    pinned: int = 64
    context_words: int = 0
    mel_bins: int = 40
    mel_levels: int = 16
    mel_hop: int = 160
    mel_window: int = 400
    level_width: int = 4
    stem_width: int = 0
    frame_px: int = 120
    patch_px: int = 40
    patch_width: int = 96
    clock_octaves: int = 10
    output_rate: int = 16_000

    def __post_init__(self) -> None:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ModelError(f"width={self.width} and heads={self.heads} give no even head size; choose others")
        if 3200 % (AUDIO_TOKENS * self.mel_hop):
            raise ModelError(f"mel_hop={self.mel_hop} does not divide a 50 ms token of 800 samples")
        if self.stem_width and (self.stem_width % 2 or self.mel_frames != 4 * AUDIO_TOKENS):
            raise ModelError(
                f"stem_width={self.stem_width} with mel_hop={self.mel_hop}: a stem has an even width and mel_hop=200"
            )

    @property
    def head_width(self) -> int:
        """Numbers in one attention head."""
        return self.width // self.heads

    @property
    def slot_sizes(self) -> list[int]:
        """How many classes each slot has; the first of them is "nothing"."""
        return [1 + len(values) for _, _, values in self.slots]

    @property
    def mel_frames(self) -> int:
        """Mel frames in one micro-turn."""
        return 3200 // self.mel_hop

    @property
    def stem_state(self) -> int:
        """Numbers that the stem keeps of the sound before a micro-turn; at least 1, so that the graph has the input."""
        return max(1, STEM_FRAMES[0] * self.stem_width // 2 + STEM_FRAMES[1] * self.stem_width)

    @property
    def audio_history(self) -> int:
        """Samples before a micro-turn that its first mel frame reaches back to."""
        return self.mel_window - self.mel_hop

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> NanoConfig:
        """Read from JSON; an unknown or missing field is a ``ModelError`` that names it."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            data["vocabulary"] = tuple(data["vocabulary"])
            data["calls"] = tuple(data["calls"])
            data["slots"] = tuple((call, name, tuple(values)) for call, name, values in data.get("slots", ()))
            return cls(**data)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: not a nano configuration ({error})") from error

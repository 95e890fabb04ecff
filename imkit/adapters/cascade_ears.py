"""The cascade's ears: when somebody speaks (Silero VAD), and which words of a closed language (PocketSphinx).

Both come with their models inside their wheels, and neither keeps anything from one call to the next: what a stream
has heard is in the arrays that are handed in.
"""

from __future__ import annotations

import functools
import math
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from imkit.stream import INPUT_RATE, ModelError
from imkit.voices import EngineMissing
from imkit.voices.espeak import phonemes

from .cascade_rules import Language

Sound = npt.NDArray[np.float32]

FRAME: Final = 512
FRAME_S: Final = FRAME / INPUT_RATE
CONTEXT: Final = 64
LEVEL: Final = 0.1  # root mean square that speech is brought to before it is recognised
HISS_DB: Final = -30.0  # against speech
SPHINX_FRAMES_PER_S: Final = 100
DICTATION: Final = {"fwdflat": False, "maxhmmpf": 3000, "maxwpf": 10, "pl_window": 5, "ds": 2}
"""Settings of a search that takes a tenth of the time that the sound lasts, for a few words more that are wrong."""

ARPABET: Final = {
    "0": "AA", "3": "ER", "3:": "ER", "@": "AH", "@-": "AH", "@2": "AH", "@5": "AH", "@L": "AH L", "A:": "AA",
    "A@": "AA R", "D": "DH", "E": "EH", "I": "IH", "I#": "IH", "I2": "IH", "N": "NG", "O": "AO", "O2": "AO", "O:": "AO",
    "O@": "AO R", "OI": "OY", "S": "SH", "T": "TH", "U": "UH", "U@": "UH R", "V": "AH", "Z": "ZH", "a": "AE",
    "a#": "AH", "aI": "AY", "aI3": "AY ER", "aI@": "AY ER", "aU": "AW", "aa": "AE", "b": "B", "d": "D", "dZ": "JH",
    "e@": "EH R", "eI": "EY", "f": "F", "g": "G", "h": "HH", "i": "IY", "i:": "IY", "i@": "IY AH", "i@3": "IH R",
    "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N", "n-": "AH N", "o@": "AO R", "oU": "OW", "p": "P", "r": "R",
    "r-": "R", "s": "S", "t": "T", "t#": "T", "t2": "T", "tS": "CH", "u:": "UW", "v": "V", "w": "W", "x": "K",
    "z": "Z", "?": "T",
}  # fmt: skip
"""espeak-ng's phonemes of American English as the phones of the CMU dictionary."""


def package_folder(name: str) -> Path:
    """Where an optional package lies, without importing it. Raises ModelError that says how to install it."""
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"model 'cascade' needs the package {name}; run: pip install imkit[cascade]")
    return Path(found.submodule_search_locations[0])


@dataclass
class VoiceState:
    """What the detector remembers of one stream: samples short of a frame, the frame before, its recurrent state."""

    rest: Sound = field(default_factory=lambda: np.zeros(0, np.float32))
    context: Sound = field(default_factory=lambda: np.zeros(CONTEXT, np.float32))
    hidden: Sound = field(default_factory=lambda: np.zeros((1, 1, 128), np.float32))
    cell: Sound = field(default_factory=lambda: np.zeros((1, 1, 128), np.float32))


class VoiceDetector:
    """Silero VAD 6 (MIT), one native call for all frames of a tick."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = package_folder("silero_vad") / "data" / "silero_vad_16k_sequence.onnx"
        if not path.is_file():
            raise ModelError(f"{path} is missing; run: pip install --upgrade imkit[cascade]")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def hear(self, state: VoiceState, sound: Sound) -> tuple[Sound, Sound]:
        """Speech probability [frames] and level in dBFS [frames] of the 32 ms frames that became whole."""
        joined = np.concatenate([state.rest, sound])
        count = len(joined) // FRAME
        state.rest = joined[count * FRAME :]
        if not count:
            return np.zeros(0, np.float32), np.zeros(0, np.float32)
        frames = joined[: count * FRAME].reshape(count, FRAME)
        before = np.concatenate([state.context[None], frames[:-1, -CONTEXT:]])
        state.context = frames[-1, -CONTEXT:].copy()
        probability, state.hidden, state.cell = self._session.run(
            ["speech_probs", "hn", "cn"],
            {"input": np.concatenate([before, frames], 1), "h": state.hidden, "c": state.cell},
        )
        levels = 10 * np.log10(np.mean(frames**2, 1) + 1e-12)
        return np.asarray(probability, np.float32).reshape(-1), levels.astype(np.float32)


@dataclass(frozen=True)
class Heard:
    """What was recognised: (word, start_s, end_s) from the start of the sound, and how well it fits.

    ``fit`` is the mean over the words' frames of the log likelihood against the best state of the frame: 0 at best. It
    tells words of the language (above -4) from other speech that was pressed into it (below -4.5).
    """

    words: tuple[tuple[str, float, float], ...]
    fit: float

    @property
    def text(self) -> str:
        """The words as one string."""
        return " ".join(word for word, _, _ in self.words)


class Recogniser:
    """PocketSphinx 5 (BSD) with its US English model and a language as its grammar.

    The same sound gives the same words: mean and noise are estimated on the turn itself. One call at a time; a lock
    keeps streams in different threads apart.
    """

    def __init__(self, language: Language) -> None:
        package_folder("pocketsphinx")
        from pocketsphinx import Config, Decoder, get_model_path

        listed = Path(get_model_path()) / "en-us" / "cmudict-en-us.dict"
        with tempfile.TemporaryDirectory(prefix="imkit-cascade-") as folder:
            lexicon = Path(folder) / "words.dict"
            lexicon.write_text("".join(pronunciations(language.words(), listed)), encoding="utf-8")
            # silprob: pauses between words are usual when people dictate sums
            self._decoder = Decoder(Config(lm=None, dict=str(lexicon), silprob=0.1, loglevel="FATAL"))
        self._decoder.add_jsgf_string("turn", language.grammar())
        self._decoder.activate_search("turn")
        self._dictation: Any = None
        self._lock = threading.Lock()

    def recognise(self, sound: Sound, speech: slice) -> Heard:
        """Words of one turn: float32 [n] at 16 kHz, of which ``speech`` is spoken and the rest is what surrounds it."""
        with self._lock:
            segments = _decoded(self._decoder, sound, speech)
        words, frames, likelihood = [], 0, 0.0
        for one in segments:
            words.append(_word(one))
            frames += one.end_frame - one.start_frame + 1
            likelihood += math.log(max(one.ascore, 1e-300))
        return Heard(tuple(words), likelihood / frames if frames else -math.inf)

    def dictate(self, sound: Sound, speech: slice) -> tuple[tuple[str, float, float], ...]:
        """(word, start_s, end_s) of a turn by the language model that comes with PocketSphinx: any English words.

        Wrong in every second word, but where the grammar fits nothing it is the best there is. Loaded when first asked.
        """
        with self._lock:
            if self._dictation is None:
                from pocketsphinx import Config, Decoder

                self._dictation = Decoder(Config(loglevel="FATAL", **DICTATION))
            return tuple(_word(one) for one in _decoded(self._dictation, sound, speech))


def _decoded(decoder: Any, sound: Sound, speech: slice) -> list[Any]:
    """The segments of one utterance that are words."""
    pcm = (np.clip(prepared(sound, speech), -1, 1) * 32767).astype("<i2").tobytes()
    decoder.reinit_feat()  # forgets the noise of the turn before
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    found = list(decoder.seg() or ()) if decoder.hyp() is not None else []
    return [one for one in found if one.word[0] not in "<["]


def _word(one: Any) -> tuple[str, float, float]:
    start_s, end_s = one.start_frame / SPHINX_FRAMES_PER_S, (one.end_frame + 1) / SPHINX_FRAMES_PER_S
    return one.word.partition("(")[0], start_s, end_s


def prepared(sound: Sound, speech: slice) -> Sound:
    """The sound at one loudness, over a faint hiss where the room is quieter than any room the model was trained in."""
    loud = sound * np.float32(LEVEL / max(1e-5, _rms(sound[speech])))
    hiss_level = LEVEL * 10 ** (HISS_DB / 20)
    blocks = loud[: len(loud) // FRAME * FRAME].reshape(-1, FRAME)
    floor = float(np.quantile(np.sqrt(np.mean(blocks**2, 1)), 0.1)) if len(blocks) else 0.0
    missing = math.sqrt(max(0.0, hiss_level**2 - floor**2))
    return np.asarray(loud + np.resize(_hiss(), len(loud)) * np.float32(missing), np.float32)


def _rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2))) if len(sound) else 0.0


@functools.cache
def _hiss() -> Sound:
    """A second of pink noise at unit root mean square, the same every time."""
    white = np.fft.rfft(np.random.default_rng(0).standard_normal(INPUT_RATE))
    pink = np.fft.irfft(white / np.sqrt(np.maximum(np.arange(len(white)), 50)))
    return np.asarray(pink / np.sqrt(np.mean(pink**2)), np.float32)


def pronunciations(words: Sequence[str], listed: Path) -> Iterator[str]:
    """Lines of a pronunciation dictionary for ``words``: those of ``listed``, and espeak-ng's own for all others."""
    wanted, known = set(words), set()
    with listed.open(encoding="utf-8") as lines:
        for line in lines:
            word = line.split(maxsplit=1)[0].partition("(")[0]
            if word in wanted:
                known.add(word)
                yield line
    for word in sorted(wanted - known):
        phones = " ".join(ARPABET[one] for one in _espeak_says(word) if one in ARPABET)
        if not phones:
            raise ModelError(f"no pronunciation for {word!r}; a phrase of the cascade is made of English words")
        yield f"{word} {phones}\n"


def _espeak_says(word: str) -> tuple[str, ...]:
    try:
        return phonemes("en-us", word)
    except EngineMissing as error:
        raise ModelError(f"{word!r} is not in the CMU dictionary, and {error}") from error

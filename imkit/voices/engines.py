"""Speech engines of Debian main, driven so that each tells when every word starts and ends.

flite is called as a shared library, festival as a batch process (espeak-ng has its own module). Each returns `Spoken`:
the samples as the engine made them, their rate, and one (start_s, end_s) span per whitespace word of the text.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_short, c_void_p
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import numpy as np
import numpy.typing as npt

Span = tuple[float, float]


@dataclass(frozen=True)
class Voice:
    """One way to speak: engine, the engine's own voice name, and multipliers of its usual speed, pitch and range.

    `rate` above 1 is faster. espeak names are "accent+variant", for example "en-us+f2". For flite rms and festival
    slt, which take no pitch, `pitch` moves the formants too (the sound is played faster at an unchanged word rate).
    """

    engine: str
    name: str
    rate: float = 1.0
    pitch: float = 1.0
    range: float = 1.0


@dataclass(frozen=True)
class Spoken:
    """Engine output: float32 samples in [-1, 1], their rate in Hz, and a (start_s, end_s) span per word."""

    samples: npt.NDArray[np.float32]
    rate_hz: int
    spans: tuple[Span, ...]


class EngineMissing(RuntimeError):
    """A speech engine or one of its voices is not installed; the message names the Debian package."""

    def __init__(self, what: str, package: str) -> None:
        """Say what is missing and which package brings it."""
        super().__init__(f"{what} is not installed; expected Debian package {package}. Run: apt-get install {package}")
        self.package = package


def load_library(name: str, package: str, mode: int = ctypes.DEFAULT_MODE) -> ctypes.CDLL:
    """Open a shared library, or raise EngineMissing that names `package`."""
    try:
        return ctypes.CDLL(name, mode=mode)
    except OSError as error:
        raise EngineMissing(f"shared library {name}", package) from error


def _resampled_rate(rate_hz: int, pitch: float) -> int:
    """Rate at which samples sound `pitch` times higher; a multiple of 400 Hz keeps the resampling filter small."""
    return max(400, round(rate_hz * pitch / 400) * 400)


# --- flite -----------------------------------------------------------------------------------------------------------

FLITE_F0_HZ: dict[str, Span | None] = {"kal16": (95, 11), "awb": (129, 12), "rms": None, "slt": (173, 11)}
"""Voice to its usual pitch mean and deviation in Hz; None where the voice ignores pitch targets."""


class _FliteWave(Structure):
    _fields_ = [
        ("type", c_char_p),
        ("sample_rate", c_int),
        ("num_samples", c_int),
        ("num_channels", c_int),
        ("samples", POINTER(c_short)),
    ]


@functools.cache
def _flite() -> ctypes.CDLL:
    for name in ("libflite.so.1", "libflite_usenglish.so.1", "libflite_cmulex.so.1"):
        load_library(name, "libflite1", ctypes.RTLD_GLOBAL)
    lib = load_library("libflite.so.1", "libflite1")
    for function, restype, argtypes in (
        ("flite_synth_text", c_void_p, [c_char_p, c_void_p]),
        ("utt_relation", c_void_p, [c_void_p, c_char_p]),
        ("utt_wave", c_void_p, [c_void_p]),
        ("relation_head", c_void_p, [c_void_p]),
        ("item_next", c_void_p, [c_void_p]),
        ("ffeature_string", c_char_p, [c_void_p, c_char_p]),
        ("ffeature_float", c_float, [c_void_p, c_char_p]),
        ("feat_set_float", None, [c_void_p, c_char_p, c_float]),
        ("delete_utterance", None, [c_void_p]),
    ):
        getattr(lib, function).restype = restype
        getattr(lib, function).argtypes = argtypes
    lib.flite_init()
    return lib


@functools.cache
def flite_voice(name: str) -> int:
    """Load a voice and give its address; ValueError for an unknown name, EngineMissing where it is not installed."""
    if name not in FLITE_F0_HZ:
        raise ValueError(f"flite voice {name!r}: expected one of {', '.join(FLITE_F0_HZ)}")
    _flite()
    register = getattr(load_library(f"libflite_cmu_us_{name}.so.1", "libflite1"), f"register_cmu_us_{name}")
    register.restype, register.argtypes = c_void_p, [c_void_p]
    return int(register(None))


def speak_flite(voice: Voice, texts: Sequence[str]) -> Iterator[Spoken | None]:
    """Speak each text with flite; None where its tokens differ from the words."""
    pointer = flite_voice(voice.name)
    lib = _flite()
    f0_hz = FLITE_F0_HZ[voice.name]
    shift = 1.0 if f0_hz else voice.pitch
    for text in texts:
        features = ctypes.cast(pointer, POINTER(c_void_p))[1]  # a voice is {name, features, ...}
        lib.feat_set_float(features, b"duration_stretch", shift / voice.rate)
        if f0_hz:
            lib.feat_set_float(features, b"int_f0_target_mean", f0_hz[0] * voice.pitch)
            lib.feat_set_float(features, b"int_f0_target_stddev", f0_hz[1] * voice.pitch * voice.range)
        utterance = lib.flite_synth_text(text.encode("ascii"), pointer)
        try:
            yield _flite_spoken(lib, utterance, text, shift)
        finally:
            lib.delete_utterance(utterance)


def _flite_spoken(lib: ctypes.CDLL, utterance: int, text: str, shift: float) -> Spoken | None:
    made = _FliteWave.from_address(lib.utt_wave(utterance))
    samples = np.ctypeslib.as_array(made.samples, (made.num_samples,)).astype(np.float32) / 32768.0
    rate_hz = _resampled_rate(made.sample_rate, shift)
    scale = made.sample_rate / rate_hz
    spans: list[Span] = []
    names: list[str] = []
    token = lib.relation_head(lib.utt_relation(utterance, b"Token"))
    while token:
        names.append(lib.ffeature_string(token, b"name").decode())
        start = lib.ffeature_float(token, b"daughter1.R:SylStructure.daughter1.daughter1.R:Segment.p.end")
        end = lib.ffeature_float(token, b"daughtern.R:SylStructure.daughtern.daughtern.R:Segment.end")
        spans.append((start * scale, end * scale))
        token = lib.item_next(token)
    return Spoken(samples, rate_hz, tuple(spans)) if names == text.split() else None


# --- festival --------------------------------------------------------------------------------------------------------

FESTIVAL_VOICES = {
    "kal_diphone": ("english", "festvox-kallpc16k"),
    "ked_diphone": ("english", "festvox-kdlpc16k"),
    "cmu_us_slt_arctic_hts": ("us", "festvox-us-slt-hts"),
}
"""Voice to its folder under the festival voices and the Debian package that brings it."""

_FESTIVAL_BATCH = 48
_SCHEME = """
(define (token_times number u)
  (let ((token (utt.relation.first u 'Token)) (index 0))
    (while token
      (mapcar (lambda (w) (format t "@ %d %d %f %f\\n" number index
                             (item.feat w "word_start") (item.feat w "word_end")))
              (item.daughters token))
      (set! index (+ 1 index))
      (set! token (item.next token)))))
(define (say number text)
  (unwind-protect
    (let ((u (eval (list 'Utterance 'Text text))))
      (utt.synth u)
      (utt.save.wave u (format nil "%d.wav" number) 'riff)
      (token_times number u))
    nil))
"""


FESTIVAL_ROOT = Path("/usr/share/festival/voices")


def require_festival(name: str) -> None:
    """Raise EngineMissing unless the command and the voice are installed."""
    if which("festival") is None:
        raise EngineMissing("the command festival", "festival")
    folder, package = FESTIVAL_VOICES[name]
    if not (FESTIVAL_ROOT / folder / name).is_dir():
        raise EngineMissing(f"festival voice {name!r}", package)


def speak_festival(voice: Voice, texts: Sequence[str]) -> Iterator[Spoken | None]:
    """Speak each text with festival, many to a process; None where synthesis fails or tokens differ from words."""
    if voice.name not in FESTIVAL_VOICES:
        raise ValueError(f"festival voice {voice.name!r}: expected one of {', '.join(FESTIVAL_VOICES)}")
    require_festival(voice.name)
    hts = voice.name.endswith("_hts")
    shift = voice.pitch if hts else 1.0
    if hts:  # this engine build reads only the rate
        setup = f'(set! hts_engine_params (cons (list "-r" {voice.rate / shift:.4f}) hts_engine_params))'
    else:
        setup = (
            f"(Parameter.set 'Duration_Stretch {1 / voice.rate:.4f})\n"
            f"(set! int_lr_params '((target_f0_mean {105 * voice.pitch:.2f})"
            f" (target_f0_std {14 * voice.pitch * voice.range:.2f}) (model_f0_mean 170) (model_f0_std 34)))"
        )
    for at in range(0, len(texts), _FESTIVAL_BATCH):
        yield from _festival_batch(voice.name, setup, shift, texts[at : at + _FESTIVAL_BATCH])


def _festival_batch(name: str, setup: str, shift: float, texts: Sequence[str]) -> list[Spoken | None]:
    with tempfile.TemporaryDirectory(prefix="imkit-festival-") as folder:
        lines = [_SCHEME, f"(voice_{name})", setup, *(f'(say {n} "{text}")' for n, text in enumerate(texts))]
        script = Path(folder) / "say.scm"
        script.write_text("\n".join(lines) + "\n", encoding="ascii")
        done = subprocess.run(  # the texts hold only a-z, ' and spaces
            ["festival", "--batch", str(script)],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            check=False,
            timeout=60 + 10 * len(texts),
        )
        times: dict[int, dict[int, list[Span]]] = {}
        for line in done.stdout.decode("ascii", "replace").splitlines():
            if line.startswith("@ "):
                _, number, index, start, end = line.split()
                times.setdefault(int(number), {}).setdefault(int(index), []).append((float(start), float(end)))
        if done.returncode != 0 and not times:
            message = done.stderr.decode("utf-8", "replace").strip()[-400:]
            raise RuntimeError(f"festival made nothing of {len(texts)} texts with {name}; it said: {message}")
        return [_festival_spoken(Path(folder), n, text, times.get(n), shift) for n, text in enumerate(texts)]


def _festival_spoken(
    folder: Path, number: int, text: str, times: dict[int, list[Span]] | None, shift: float
) -> Spoken | None:
    path = folder / f"{number}.wav"
    if times is None or sorted(times) != list(range(len(text.split()))) or not path.exists():
        return None
    with wave.open(str(path), "rb") as reader:
        made_hz = reader.getframerate()
        samples = np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2").astype(np.float32) / 32768.0
    rate_hz = _resampled_rate(made_hz, shift)
    scale = made_hz / rate_hz
    # A clitic ('s) is a word without phones of its own and reports 0: its phones count with the word before it.
    spans = tuple((parts[0][0] * scale, max(end for _, end in parts) * scale) for _, parts in sorted(times.items()))
    return Spoken(samples, rate_hz, spans)

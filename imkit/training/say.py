"""How well a voice is understood: ``python -m imkit.training.say models/nano models/nano/voice.toml``.

PocketSphinx, which none of the voices was made with, hears single words and short replies as nano says them, a word
starting when the one before it is over. Its grammar is the English reply words: one of them, or any run of them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imkit.adapters.cascade_ears import package_folder, prepared, pronunciations
from imkit.model.own_voice import OwnVoice, new_mouth, open_voice
from imkit.model.voice import Clips, Mouth
from imkit.stream import INPUT_RATE, ModelError

from .clips import reply_words
from .evaluate import word_errors
from .language import RESULT_REPLIES, SPANISH, Language, number_words
from .train import read_recipe
from .voice import Material

Sound = npt.NDArray[np.float32]

SAME = {"here": "hear"}  # words that sound the same count as one
QUIET = np.zeros(round(0.3 * INPUT_RATE), np.float32)


class Listener:
    """PocketSphinx 5 with its US English model; a sentence is one of ``words``, or any run of them."""

    def __init__(self, words: Sequence[str]) -> None:
        package_folder("pocketsphinx")
        from pocketsphinx import Config, Decoder, get_model_path

        with tempfile.TemporaryDirectory(prefix="imkit-say-") as folder:
            lexicon = Path(folder) / "words.dict"
            listed = Path(get_model_path()) / "en-us" / "cmudict-en-us.dict"
            lexicon.write_text("".join(pronunciations(words, listed)), encoding="utf-8")
            beams = {"beam": 1e-30, "pbeam": 1e-30, "wbeam": 1e-20, "maxhmmpf": 1500}  # ten times as fast
            self._decoder = Decoder(Config(lm=None, dict=str(lexicon), silprob=0.1, loglevel="FATAL", **beams))
        one = f"<one> = {' | '.join(words)};"
        self._decoder.add_jsgf_string("single", f"#JSGF V1.0;\ngrammar single;\npublic <turn> = <one>;\n{one}\n")
        self._decoder.add_jsgf_string("run", f"#JSGF V1.0;\ngrammar run;\npublic <turn> = <one>+;\n{one}\n")

    def hear(self, sound: Sound, single: bool) -> list[str]:
        """Words of float32 [n] at 16 kHz."""
        whole = np.concatenate([QUIET, sound, QUIET])
        pcm = (np.clip(prepared(whole, slice(len(QUIET), len(QUIET) + len(sound))), -1, 1) * 32767).astype("<i2")
        self._decoder.activate_search("single" if single else "run")
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return same(found.hypstr.split()) if found is not None else []


def same(words: Sequence[str]) -> list[str]:
    """Words as they are counted."""
    return [SAME.get(word, word) for word in words]


def say(voice: Clips | OwnVoice, words: Sequence[str]) -> Sound:
    """Words as nano says them, each as soon as the one before is over."""
    mouth = new_mouth(voice)
    pieces = []
    for word in words:
        if isinstance(mouth, Mouth):
            assert isinstance(voice, Clips)
            mouth.say(voice, word)
            pieces += [mouth.tick(voice, True)[0] for _ in range(voice.ticks(word))]
        else:
            assert isinstance(voice, OwnVoice)
            mouth.say(voice, word)
            pieces += [mouth.tick(voice, True)[0] for _ in range(voice.ticks(word))]
    return np.concatenate(pieces)


def replies(words: Sequence[str]) -> list[list[str]]:
    """Short replies that those words can say: answers, results, counts, numbers above twenty."""
    language, known = Language(), set(words)
    found = {request.reply for request in language.meaning.values() if len(request.reply) > 1}
    found |= {tuple(reply.split()) for reply in RESULT_REPLIES.values()}
    found |= {number_words(value) for value in range(21, 100, 7)}
    count = [word for value in range(1, 21) for word in number_words(value)]
    found |= {tuple(count[at : at + 5]) for at in range(0, len(count), 5)}
    found |= {("a", "red", "circle"), ("a", "yellow", "square"), ("sorry", "that", "failed")}
    return sorted(list(reply) for reply in found if known.issuperset(reply))


def measure(voice: Clips | OwnVoice, listener: Listener, words: Sequence[str]) -> dict[str, object]:
    """Word error of single words and of replies in per cent, the words mistaken, and CPU time of a micro-turn."""
    mistaken = []
    for word in words:
        heard = listener.hear(say(voice, [word]), single=True)
        if heard != same([word]):
            mistaken.append(f"{word} ({' '.join(heard) or 'nothing'})")
    wrong = total = 0
    for reply in replies(words):
        wrong += word_errors(same(reply), listener.hear(say(voice, reply), single=False))
        total += len(reply)
    begun, ticks = time.process_time(), 0
    for word in words:
        say(voice, [word])
        ticks += voice.ticks(word)
    return {
        "words": len(words),
        "word_error": round(100 * len(mistaken) / len(words), 1),
        "reply_words": total,
        "reply_error": round(100 * wrong / total, 1),
        "tick_ms": round(1000 * (time.process_time() - begun) / ticks, 2),
        "mistaken": ", ".join(mistaken),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m imkit.training.say PLACE...``: a table with a row for each voice.

    A place is a model folder, or a recipe of a voice for the teacher itself.
    """
    parser = argparse.ArgumentParser(prog="python -m imkit.training.say", description=__doc__.splitlines()[0])
    parser.add_argument("places", type=Path, nargs="+", help="model folders, and recipes for the teachers themselves")
    options = parser.parse_args(arguments)
    voices: list[Clips | OwnVoice] = []
    for place in options.places:
        if place.suffix == ".toml":
            voices.append(Material(read_recipe(place)).clips())
            continue
        voices.append(open_voice(place))
        if isinstance(voices[-1], OwnVoice) and (place / "clips.json").exists():
            voices.append(Clips.load(place))
    english = [word for word in reply_words(Language()) if word not in SPANISH.values()]
    words = [word for word in english if all(word in voice.sounds for voice in voices)]
    if not words:
        raise ModelError("these voices have none of the language's reply words in common; train them on it")
    listener = Listener(words)
    print("| voice | single words wrong | words of replies wrong | CPU time of a micro-turn |")
    print("| --- | --- | --- | --- |")
    for voice in voices:
        row = measure(voice, listener, words)
        print(
            f"| {voice.voice} | {row['word_error']} % (n = {row['words']}) | {row['reply_error']} % "
            f"(n = {row['reply_words']}) | {row['tick_ms']} ms |"
        )
        print(f"<!-- mistaken: {row['mistaken']} -->")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

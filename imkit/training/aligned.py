"""Recorded people with the words they say and when: recordings whose labels are slots, aligned by PocketSphinx.

The words of a slot are spoken as written and around them people phrase freely, so the grammar of a recording is: its
slots in any order, with small words between them. Slot words are taught; of the small words only their place is known
(they may be others), so nothing is taught there. A recording in which the slots are not found is left out.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from imkit.adapters.cascade_ears import package_folder, prepared, pronunciations
from imkit.scenes.people import People
from imkit.voices import Words
from imkit.voices.sound import Sound

SMALL: tuple[str, ...] = (
    "a", "i", "can", "could", "would", "like", "please", "and", "with", "of", "the", "get", "have", "me", "want", "to",
    "order", "make", "it", "for", "you", "that", "add", "an", "my", "some", "in", "on", "give", "i'd", "i'll", "let's",
    "hi", "hello", "um", "uh", "need", "also", "just", "take", "may", "one", "is", "be", "so", "bring", "put", "no",
)  # fmt: skip
UNWRITTEN = ""  # in place of a word that nobody wrote down
SPHINX_FRAMES_PER_S = 100
BEAMS = {"beam": 1e-40, "pbeam": 1e-40, "wbeam": 1e-25, "maxhmmpf": 1200}  # several times as fast as the default


def grammar(arguments: Mapping[str, str]) -> str:
    """JSGF of one recording: its slots in any order, small words around and between them.

    Each slot may come any number of times; spelling out every order of six would take minutes to search.
    """
    phrases = " | ".join(f"({phrase})" for phrase in arguments.values())
    return (
        f"#JSGF V1.0;\ngrammar order;\npublic <order> = <small>* (<slot> <small>*)+;\n<slot> = {phrases};\n"
        f"<small> = {' | '.join(SMALL)};\n"
    )


class Aligner:
    """PocketSphinx 5 with its US English model. Needs ``imkit[cascade]``; ModelError says so where it is missing."""

    def __init__(self, words: set[str], scratch: Path) -> None:
        package_folder("pocketsphinx")
        from pocketsphinx import Config, Decoder, get_model_path

        lexicon = scratch / "words.dict"
        listed = Path(get_model_path()) / "en-us" / "cmudict-en-us.dict"
        lexicon.write_text("".join(pronunciations(sorted(words | set(SMALL)), listed)), encoding="utf-8")
        self._decoder = Decoder(Config(lm=None, dict=str(lexicon), silprob=0.1, loglevel="FATAL", **BEAMS))

    def align(self, sound: Sound, arguments: Mapping[str, str]) -> Words | None:
        """(word, start_s, end_s) of a recording [n] at 16 kHz, small words unwritten; None where it does not fit."""
        decoder = self._decoder
        decoder.add_jsgf_string("order", grammar(arguments))
        decoder.activate_search("order")
        decoder.reinit_feat()
        decoder.start_utt()
        whole = prepared(sound, slice(0, len(sound)))
        decoder.process_raw((np.clip(whole, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return None
        found = [(one.word.partition("(")[0], one.start_frame, one.end_frame + 1) for one in decoder.seg() or ()]
        found = [word for word in found if word[0][0] not in "<["]
        taught = slot_words([word for word, _, _ in found], list(arguments.values()))
        if taught is None:
            return None
        return tuple(
            (word if i in taught else UNWRITTEN, start / SPHINX_FRAMES_PER_S, end / SPHINX_FRAMES_PER_S)
            for i, (word, start, end) in enumerate(found)
        )


def slot_words(words: Sequence[str], phrases: Sequence[str]) -> set[int] | None:
    """Places of the words of each phrase, found as a run, the longest phrase first.

    None where one is missing, or is found again where nothing else explains it.
    """
    taken: set[int] = set()
    for phrase in sorted((phrase.split() for phrase in phrases), key=len, reverse=True):
        runs = (range(i, i + len(phrase)) for i in range(len(words) - len(phrase) + 1))
        fitting = (run for run in runs if [words[i] for i in run] == phrase and not taken & set(run))
        found = list(fitting)
        if len(found) != 1:
            return None
        taken |= set(found[0])
    return taken


def aligned_words(people: People, work: Path, say: Callable[[str], None] = print) -> dict[str, Words]:
    """Words of recorded orders by name; found once, kept in ``work/aligned.json``."""
    note = work / "aligned.json"
    if note.exists():
        kept = json.loads(note.read_text(encoding="utf-8"))
        if kept["digest"] == people.digest:
            return {
                name: tuple((str(word), float(start), float(end)) for word, start, end in words)
                for name, words in kept["recordings"].items()
            }
    say(f"aligning {len(people)} recorded orders; this is done once")
    spoken = [people.load(i) for i in range(len(people))]
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="imkit-align-") as scratch:
        aligner = Aligner({w for s in spoken for p in s.arguments.values() for w in p.split()}, Path(scratch))
        aligned = {one.name: aligner.align(one.sound, one.arguments) for one in spoken}
    found = {name: words for name, words in aligned.items() if words is not None}
    note.write_text(json.dumps({"digest": people.digest, "recordings": found}), encoding="utf-8")
    say(f"found the words of {len(found)} of {len(spoken)}")
    return found

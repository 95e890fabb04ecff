"""Plays scenes fast: no speech engine, no pictures for policies that cannot see anyway."""

import numpy as np

from imkit.scenes import load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.trial import make_world
from imkit.stream import OpenConfig, Word
from imkit.voices import Utterance


class Hiss(Cast):
    """Every word is a fifth of a second of hiss."""

    def _speak(self, voice, text):
        rng, words = np.random.default_rng(0), text.split()
        audio = np.concatenate([x for _ in words for x in (rng.uniform(-0.5, 0.5, 3200), np.zeros(320))])
        times = tuple((word, 0.22 * i, 0.22 * i + 0.2) for i, word in enumerate(words))
        return Utterance(text, voice, audio.astype(np.float32), times)


CAST = Hiss(load_suite("dev"))


def world_of(name, number):
    return make_world(CAST.suite, CAST, name, number, 16_000)


def play(kind, number, make, *, blind=True):
    """One trial: its verdict and its world."""
    world = world_of(kind.name, number)
    scene, policy = kind.play(world), make(world)
    state = policy.open(OpenConfig(seed=number))
    while True:
        try:
            next(scene)
        except StopIteration as ended:
            return ended.value, world
        if blind:
            world.painter = None
        act, state = policy.step(state, world.percept())
        world.hear(act)


def score(kind, make, trials=16):
    return kind.score([play(kind, number, make)[0] for number in range(trials)])


def words(*timed):
    """Words from (text, start_s)."""
    return [Word(text, start_s, start_s + 0.3) for text, start_s in timed]

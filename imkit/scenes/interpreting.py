"""Interpreting: while the user goes on speaking, each word that has a Spanish one is said in Spanish, and no other."""

from __future__ import annotations

from typing import Final

from .kinds import SceneKind
from .scoring import Check, Verdict
from .world import Said, Scene, World

SPANISH: Final = {
    "zero": "cero", "one": "uno", "two": "dos", "three": "tres", "four": "cuatro", "five": "cinco", "six": "seis",
    "seven": "siete", "eight": "ocho", "nine": "nueve", "ten": "diez", "red": "rojo", "green": "verde", "blue": "azul",
    "yellow": "amarillo", "dog": "perro", "cat": "gato", "fish": "pez", "horse": "caballo", "house": "casa",
    "book": "libro", "car": "coche", "table": "mesa", "door": "puerta", "water": "agua", "milk": "leche",
    "bread": "pan", "sun": "sol", "moon": "luna", "sea": "mar", "come": "ven", "listen": "escucha", "want": "quiere",
    "walk": "camina",
}  # fmt: skip
WINDOW_S = (0.0, 1.6)  # when the Spanish word starts, from the end of the user's
ALONE_S = 2.0


def word_translation(world: World) -> Scene:
    """The user asks for Spanish, then says words on and on; each that has a Spanish one is due within 1.6 s of its end.

    Simultaneous speech: the user does not wait. An act is a word that is translated in time and in order, a hold is a
    word that has no translation here, or any word where nobody asked for Spanish (every third trial): nothing may be
    said for it. Measures the share of the model's speech that sounds while the user speaks, and the lag of each word.
    """
    rng, asked_for = world.rng, world.number % 3 != 2
    count, odd_share = world.settings.whole(rng, "words"), world.settings.number("odd_share")
    known, odd = sorted(SPANISH), world.suite.lines("odd_word")
    draws = rng.random(count)
    texts = [str(rng.choice(odd if draw < odd_share else known)) for draw in draws]
    gaps_s = [world.draw("gap_s") for _ in texts]
    at_s = world.draw("lead_s")
    if asked_for:
        asked = world.say(world.line("interpret"), at_s)
        world.expect("okay", asked.end_s)
        at_s = asked.end_s + world.draw("rest_s")
    first_s, said = at_s, list[Said]()
    for text, gap_s in zip(texts, gaps_s, strict=True):
        said.append(world.say(text, at_s))
        if asked_for and text in SPANISH:
            world.expect(SPANISH[text], said[-1].end_s)
        at_s = said[-1].end_s + gap_s
    yield from world.until(said[-1].end_s + ALONE_S)
    return _judge(world, said, first_s - 0.2, asked_for)


def _judge(world: World, said: list[Said], from_s: float, asked_for: bool) -> Verdict:
    """Pairs the model's words with the user's in order; what is left over is held against the word before it."""
    spoken = world.agent.words(from_s)
    checks, lags, used = list[Check](), list[float](), 0
    over: list[int] = []
    for user in said:
        wanted = SPANISH.get(user.text) if asked_for else None
        if wanted is None:
            continue
        low, high = user.end_s + WINDOW_S[0], user.end_s + WINDOW_S[1]
        at = next(
            (i for i in range(used, len(spoken)) if spoken[i].text == wanted and low <= spoken[i].start_s <= high), None
        )
        if at is None:
            checks.append(Check("act", False, f"{user.text!r} was not said in Spanish in time"))
            continue
        over += range(used, at)
        used = at + 1
        lags.append(spoken[at].start_s - user.end_s)
        checks.append(Check("act", True, "", round(lags[-1], 3)))
    over += range(used, len(spoken))
    wrong = [spoken[i].start_s for i in over]
    for i, user in enumerate(said):
        if asked_for and user.text in SPANISH:
            continue
        until_s = said[i + 1].end_s if i + 1 < len(said) else user.end_s + ALONE_S
        spoke = any(user.start_s <= at_s < until_s for at_s in wrong)
        checks.append(Check("hold", not spoke, f"spoke at {user.text!r}" if spoke else ""))
    measures = {"others": float(len(wrong))}
    if asked_for:
        own_s = world.agent.speaking(from_s, world.now_s)
        both_s = sum(world.agent.speaking(user.start_s, user.end_s) for user in said)
        measures["spoken_while_listening"] = both_s / own_s if own_s else 0.0
    if lags:
        measures["lag_s"] = sum(lags) / len(lags)
    return Verdict(tuple(checks), measures)


KINDS = (SceneKind(word_translation),)

"""What the network learns from, made in other processes: batches of scenes, and albums of pictures."""

from __future__ import annotations

import multiprocessing
import queue
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imkit.model.config import NanoConfig
from imkit.model.frontend import MelLevels
from imkit.model.own_voice import open_voice
from imkit.scenes.people import orders_folder
from imkit.scenes.suite import SuiteError
from imkit.scenes.wake import wake_folder
from imkit.stream import ModelError

from .aligned import aligned_words
from .bank import Bank
from .batch import pack
from .compose import VIDEO_SHARE, Composer
from .drills import UNTOLD, Mutes, dense
from .language import CALLS, NONE, SLOTS, Language, vocabulary
from .orders import PeopleOrders
from .pictures import album
from .rehearse import BY_PEOPLE, Rehearsal, TrainingCast, training_suite
from .script import HEARD_DELAY_S, LATE_HUSH, Scene
from .speech import Digits
from .wake import WakeWords

WATCH_S = 10.0  # between two looks at whether anybody still wants what is made
SCENES_KEPT = 64  # that may come again, in other voices' throats and at other ages of the stream


def network_config(recipe: dict[str, Any]) -> NanoConfig:
    """The network that a recipe asks for."""
    words, calls = tuple(vocabulary()), (NONE, *CALLS)
    return NanoConfig(words, calls, SLOTS, heard_delay_s=HEARD_DELAY_S, tells=True, **recipe["network"])


def open_digits(recipe: dict[str, Any], held_out: bool) -> Digits | None:
    """The recorded digits of the speakers for training, or of those held out; None where there are none."""
    kept = set(recipe["digits"]["held_out"])
    digits = Digits(Path(recipe["digits"]["folder"]), lambda speaker: (speaker in kept) == held_out)
    return digits if digits.clips else None


def open_orders(work: Path) -> PeopleOrders | None:
    """Recorded orders for training, with the words that are found in them; None where there are no recordings."""
    settings = training_suite().settings("order_recording")
    try:
        orders = PeopleOrders(orders_folder(settings), str(settings["split"]))
    except SuiteError as error:
        print(f"training without orders by people: {error}")
        return None
    try:
        orders.words = aligned_words(orders.people, work)
    except ModelError as error:
        print(f"training without the words of people's orders: {error}")
    return orders


def open_wakes() -> WakeWords | None:
    """Recorded wake words for training; None where there are no recordings."""
    settings = training_suite().settings("wake_cue")
    try:
        return WakeWords(wake_folder(settings), str(settings["split"]))
    except SuiteError as error:
        print(f"training without wake words by people: {error}")
        return None


def compose_batches(recipe: dict[str, Any], stage: int, seed: int, out: Any) -> None:
    """A worker: composes and packs batches of one stage until it is ended."""
    torch.set_num_threads(1)
    language = Language()
    config = network_config(recipe)

    clips = open_voice(Path(recipe["out"]))
    bank, people = Bank(Path(recipe["work"]) / "bank"), open_digits(recipe, held_out=False)
    mel, rng = MelLevels(config), np.random.default_rng(seed)
    plan = recipe["stage"][stage]
    orders, wakes = open_orders(Path(recipe["work"])), open_wakes()
    only_heard = plan.get("ears") or not plan.get("acting", True)
    spoken = orders if only_heard and orders is not None and orders.words else None
    composer = Composer(bank, language, clips, people, recipe["texts"]["held_out_share"], spoken, wakes)
    rehearsals: list[tuple[Rehearsal, dict[str, float]]] = []
    drills: list[tuple[Rehearsal, dict[str, float]]] = []
    if plan.get("rehearsed"):
        suite = training_suite()
        missing = {owner for owner, found in (("orders", orders), ("wakewords", wakes)) if found is None}
        trials = {name: weight for name, weight in plan["trials"].items() if BY_PEOPLE.get(name) not in missing}
        cast = TrainingCast(suite, recipe["cast"], recipe.get("left_out", ()))
        mutes = Mutes(suite, recipe["cast"], recipe.get("left_out", ()))
        told = {name: weight for name, weight in trials.items() if name not in UNTOLD}
        for played in (suite, dense(suite)):
            rehearsals.append((Rehearsal(played, cast, clips, orders, wakes), trials))
            drills.append((Rehearsal(played, mutes, clips, orders, wakes, deaf=True), told))
    past: list[tuple[int, int, int]] = []
    kept: dict[bool, deque[Scene]] = {deaf: deque(maxlen=SCENES_KEPT) for deaf in (False, True)}

    def compose(deaf: bool) -> Scene:
        old, played = kept[deaf], drills if deaf else rehearsals
        if old and rng.random() < plan.get("again", 0.0):
            return old[int(rng.integers(len(old)))]
        if played and rng.random() < plan["rehearsed"]:
            rehearsal, mix = played[int(rng.random() < plan.get("dense", 0.0))]
            old.append(rehearsal.scene(rng, plan["scene_s"], mix))
        else:
            composer.late_hush = 1.0 if deaf else LATE_HUSH
            old.append(composer.scene(rng, plan["scene_s"], plan["mix"], plan.get("video", VIDEO_SHARE)))
        return old[-1]

    while True:
        deaf = rng.random() < plan.get("deaf_share", 0.0)
        scenes = [compose(deaf) for _ in range(plan["deaf_batch"] if deaf else plan["batch"])]
        for scene in scenes:  # half of the scenes go on from what was said in another, some time before
            scene.before = []
            if past and rng.random() < 0.5:
                shift = past[-1][0] + 1 + int(rng.integers(0, 400))
                scene.before = [(k - shift, word, provenance) for k, word, provenance in past]
            past = scene.before[-config.pinned :] if rng.random() < 0.5 else []
            past = [*past, *scene.written()]
        hand_over(out, pack(scenes, config, mel, rng, deaf=deaf).arrays())


def hand_over(out: Any, made: Any) -> None:
    """Puts what was made into a queue when there is room. Ends this process when the one it works for is gone."""
    owner = multiprocessing.parent_process()
    while owner is None or owner.is_alive():
        try:
            out.put(made, timeout=WATCH_S)
        except queue.Full:
            continue
        return
    raise SystemExit(f"process {owner.pid}, for which this one composes, is gone")


def compose_album(recipe: dict[str, Any], stage: int, seed: int, out: Any) -> None:
    """A worker: renders unrelated frames and their names until it is ended."""
    rng = np.random.default_rng(seed)
    while True:
        frames, seen = album(rng, recipe["stage"][stage]["pictures"])
        hand_over(out, {"frames": frames, "seen": seen})

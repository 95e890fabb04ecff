"""Orders "of people" for tests: a synthetic voice in a folder with labels, as recordings of people lie in one."""

import json

import numpy as np
import soundfile

from imkit.scenes.people import split_of
from imkit.voices import Voice, synthesise

ORDERS = (
    ("can i get a large latte with soy milk", {"coffeeDrink": "latte", "size": "large", "milkAmount": "soy milk"}),
    ("i'd like a dark roast espresso", {"coffeeDrink": "espresso", "roast": "dark roast"}),
    (
        "may i have a double shot mocha with lots of brown sugar",
        {"coffeeDrink": "mocha", "numberOfShots": "double shot", "sugarAmount": "lots of brown sugar"},
    ),
)


def write_orders(folder, dev=3, train=2, rate_hz=16_000):
    """Recordings of both splits, the three orders by turns; silence around the speech. Gives the names by split."""
    names = {"dev": [], "train": []}
    number = 0
    while len(names["dev"]) < dev or len(names["train"]) < train:
        name, number = f"{number:08x}.flac", number + 1
        of_split = names[split_of(name)]
        if len(of_split) < (dev if split_of(name) == "dev" else train):
            of_split.append(name)
    labels = {}
    for chosen in names.values():
        said = synthesise(Voice("flite", "rms"), [text for text, _ in ORDERS])
        sounds = [utterance.audio for utterance in said]
        for i, name in enumerate(chosen):
            sound = np.concatenate([np.zeros(8000, np.float32), 0.6 * sounds[i % 3], np.zeros(24_000, np.float32)])
            soundfile.write(folder / name, sound, rate_hz)
            labels[name] = ORDERS[i % 3][1]
    (folder / "labels.json").write_text(json.dumps(labels))
    return names

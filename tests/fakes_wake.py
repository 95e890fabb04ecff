"""Wake words "of people" for tests: synthetic voices in a folder, as recordings of people lie in one."""

import numpy as np
import soundfile

from imkit.scenes.people import split_of
from imkit.scenes.wake import NAMES
from imkit.voices import Voice, synthesise

SPEAKERS = (Voice("flite", "rms"), Voice("flite", "slt"), Voice("flite", "awb"))


def write_wakes(folder, each=3, suffix=".flac.ogg", layout="", space="_"):
    """``each`` recordings of every name in each split, in a little noise. Gives the file names by split."""
    said = [list(synthesise(voice, NAMES)) for voice in SPEAKERS]
    numbers = {split: [n for n in range(40) if split_of(f"{n}.flac") == split][:each] for split in ("dev", "train")}
    rng = np.random.default_rng(0)
    for i, name in enumerate(NAMES):
        place = folder / layout / name.replace(" ", space)
        place.mkdir(parents=True)
        for of_split in numbers.values():
            for k, number in enumerate(of_split):
                sound = 0.6 * said[k % len(said)][i].audio
                sound = np.concatenate([np.zeros(8000, np.float32), sound, np.zeros(8000, np.float32)])
                noise = 0.001 * rng.standard_normal(len(sound)).astype(np.float32)
                soundfile.write(place / f"{number}{suffix}", sound + noise, 16_000)
    return {split: [f"{number}{suffix}" for number in of_split] for split, of_split in numbers.items()}

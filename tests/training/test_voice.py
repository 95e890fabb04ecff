import json

import numpy as np
import torch

from imkit.model.vocoder import DELAY, LogMel
from imkit.training.say import replies
from imkit.training.voice import Material, Run
from imkit.training.voice_data import Teacher, random_lines, trimmed
from imkit.training.voice_losses import sound_loss


def test_lines_say_what_sounds_in_each_micro_turn():
    rng = np.random.default_rng(0)
    words = [np.zeros(0, np.float32), np.full(6000, 0.1, np.float32), np.full(9000, 0.2, np.float32)]
    cuts = 0
    for _ in range(20):
        lines = random_lines(rng, words, 12, np.array([0.0, 0.5, 0.5]))
        blocks = lines.sound.reshape(12, 3200)
        assert lines.age.max() < 4
        for block, word, age, cut in zip(blocks, lines.word, lines.age, lines.cut, strict=True):
            if cut:
                cuts += 1
                assert block[0] != 0
                assert not block[160:].any()  # faded within 10 ms
            elif word == 0:
                assert not block.any()
            else:
                left = min(3200, len(words[word]) - age * 3200)
                assert np.allclose(block[160:left], 0.1 * word)
    assert cuts > 3


def test_replies_are_made_of_the_words_given():
    assert ["here", "is", "the", "chart"] in replies(["here", "is", "the", "chart"])
    assert replies(["chart"]) == []


def test_the_loss_is_least_for_the_sound_itself():
    torch.manual_seed(0)
    sound, mel = torch.randn(1, 6400) * 0.1, LogMel(16)
    right, _ = sound_loss(sound, sound, mel)
    wrong, _ = sound_loss(sound * 0.5, sound, mel)
    assert float(right) < 1e-5 < float(wrong)


def test_a_teacher_with_a_longer_tract_has_its_spectrum_pressed_down():
    plain, longer = (Teacher("flite", "slt", tract=tract).word("six", 2) for tract in (1.0, 0.8))
    assert max(len(plain), len(longer)) + DELAY <= 6400

    def share_above(sound, edge_hz):
        power = np.abs(np.fft.rfft(sound)) ** 2
        return float(power[round(edge_hz * len(sound) / 16_000) :].sum() / power.sum())

    assert share_above(longer, 6800) < 0.05 * share_above(plain, 6800)


def test_trimming_takes_silence_off_both_ends():
    sound = np.concatenate([np.zeros(1600), np.full(1600, 0.5), np.zeros(3200)]).astype(np.float32)
    assert 1600 <= len(trimmed(sound)) <= 2100


class Humming:
    """Material without engines: two words of one tone each."""

    teacher, names = "a tone", ["low", "high"]

    def __init__(self):
        time = np.arange(5000) / 16_000
        tones = [0.3 * np.sin(2 * np.pi * hz * time).astype(np.float32) for hz in (200, 900)]
        self.words, self.usual = [np.zeros(0, np.float32), *tones], np.array([0.0, 0.5, 0.5])
        self.bank, self.sentences = None, np.tile(tones[0], 10)

    lines, speech = Material.lines, Material.speech


def tiny_recipe(work, seconds):
    stage = {"minutes": seconds / 60, "rate": 1.0, "batch": 2, "ticks": 3}
    return {
        "seed": 0,
        "work": str(work),
        "network": {"bins": 16, "score_width": 8, "acoustic_width": 16, "acoustic_layers": 1, "vocoder_width": 16,
                    "vocoder_layers": 1},
        "optimiser": {"muon_lr": 0.02, "adam_lr": 0.003, "score_lr": 0.003},
        "stage": [{**stage, "name": name, "learns": name} for name in ("vocoder", "acoustic", "both")],
    }  # fmt: skip


def test_a_run_learns_stops_and_goes_on(tmp_path):
    recipe = tiny_recipe(tmp_path, 0.8)
    run = Run(recipe, Humming())
    run.play_stage()
    run.play_stage()
    again = Run(recipe, Humming())
    assert again.resume()
    assert (again.stage, again.step) == (2, run.step)
    for name, value in run.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value), name
    again.play_stage()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["stage"] for row in rows] == ["vocoder", "acoustic", "both"]
    assert rows[2]["log_stft"] < rows[0]["log_stft"]
    done = Run(recipe, Humming())
    assert done.resume()
    assert done.stage == 3

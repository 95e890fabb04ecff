import copy

import numpy as np
import pytest
import torch

from imkit.model.own_voice import HUSHED, OwnMouth, OwnVoice, VoiceConfig, new_mouth, open_voice
from imkit.model.voice_network import VoiceNetwork, export_voice
from imkit.model.weights import load_weights, save_weights
from imkit.stream import ModelError

SMALL = VoiceConfig("a test", ("circle", "on"), (9000, 5000), 16_000, 8, 4, 16, 2, 16, 2, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("onnx")
    path = tmp_path_factory.mktemp("voice")
    torch.manual_seed(0)
    SMALL.save(path / "voice.json")
    save_weights(VoiceNetwork(SMALL), path / "voice.safetensors")
    export_voice(SMALL, path / "voice.onnx")
    return path


@pytest.fixture(scope="module")
def voice(folder):
    opened = open_voice(folder)
    assert isinstance(opened, OwnVoice)
    return opened


def test_the_graph_sounds_like_the_network(folder, voice):
    network = VoiceNetwork(SMALL)
    load_weights(network, folder / "voice.safetensors")
    mouth, states = new_mouth(voice), network.empty()
    mouth.say(voice, "circle")
    for age in range(3):
        inputs = [torch.tensor([[value]]) for value in (1, age, 0)]
        with torch.inference_mode():
            expected, *states = network(*inputs, *states)
        sound, cut = mouth.tick(voice, True)
        assert not cut
        np.testing.assert_allclose(sound, expected[0].numpy(), atol=1e-5)


def test_a_word_takes_the_micro_turns_that_its_length_says(voice):
    assert (voice.ticks("circle"), voice.ticks("on")) == (3, 2)
    mouth = OwnMouth()
    mouth.say(voice, "on")
    sounds = [mouth.tick(voice, True)[0] for _ in range(3)]
    assert [bool(sound.any()) for sound in sounds] == [True, True, False]
    assert len(voice.sounds["on"]) == 5000
    np.testing.assert_array_equal(voice.sounds["on"], np.concatenate(sounds)[:5000])


def test_giving_up_the_floor_fades_and_says_so(voice):
    mouth = OwnMouth()
    assert mouth.tick(voice, False) == (pytest.approx(np.zeros(3200)), False)
    mouth.say(voice, "circle")
    mouth.tick(voice, True)
    sound, cut = mouth.tick(voice, False)
    assert cut
    assert sound[:HUSHED].any()
    assert not sound[HUSHED:].any()
    assert mouth == OwnMouth()


def test_a_new_word_cuts_the_one_before_and_follows_on_it(voice):
    alone, after = OwnMouth(), OwnMouth()
    alone.say(voice, "on")
    after.say(voice, "circle")
    after.tick(voice, True)
    after.say(voice, "on")
    fork = copy.deepcopy(after)
    first, second = alone.tick(voice, True)[0], after.tick(voice, True)[0]
    assert not np.allclose(first, second)  # it runs on from what sounded before
    np.testing.assert_array_equal(fork.tick(voice, True)[0], second)


def test_what_it_cannot_say_leaves_it_silent(voice):
    mouth = OwnMouth()
    mouth.say(voice, "zebra")
    assert not mouth.tick(voice, True)[0].any()
    assert "zebra" not in voice.sounds
    with pytest.raises(KeyError):
        voice.ticks("zebra")


def test_a_broken_folder_says_what_is_wrong(tmp_path):
    (tmp_path / "voice.json").write_text('{"words": ["on"], "samples": []}')
    with pytest.raises(ModelError, match=r"voice\.json"):
        open_voice(tmp_path)
    with pytest.raises(ModelError, match="clips"):
        open_voice(tmp_path / "nothing")

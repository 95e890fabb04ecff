"""Moshi in the chair: a session, a recording and a scene with a tiny one, and the files it is loaded from."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from fakes_guests import PIECES, chirp, moshi_folder, tiny_moshi, tiny_tokenizer

from imkit.adapters.moshi import Moshi, check_format
from imkit.cli import main
from imkit.scenes import SCENES, load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.trial import make_world, play_trial
from imkit.stream import Floor, ModelError, OpenConfig, Percept, Word


@pytest.fixture(scope="module")
def moshi():
    return Moshi(tiny_moshi(), tiny_tokenizer())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return moshi_folder(tmp_path_factory.mktemp("moshi") / "tiny")


def acts_of(model, sound, seed=0, first=0, state=None, **options):
    state = model.open(OpenConfig(seed, options=options)) if state is None else state
    acts = []
    for i in range(len(sound) // 3200):
        act, state = model.step(state, Percept(first + i, sound[3200 * i : 3200 * (i + 1)]))
        acts.append(act)
    return acts, state


def test_two_and_three_frames_in_turn_give_exactly_one_micro_turn_each(moshi):
    acts, _ = acts_of(moshi, chirp(2))
    assert [act.diagnostics["frames"] for act in acts] == [2, 3] * 5
    assert {(act.audio.dtype, act.audio.shape) for act in acts} == {(np.dtype(np.float32), (4800,))}
    sound = np.concatenate([act.audio for act in acts])
    assert not sound[:960].any()
    assert sound[960:2880].any()
    assert moshi.spec.native_period_s == pytest.approx(0.08)


def test_its_sound_is_that_of_its_frames_in_one_call(moshi):
    acts, _ = acts_of(moshi, chirp(2), greedy=True)
    user = moshi.open(OpenConfig())
    heard = np.concatenate([moshi._upsampler(user.past, chirp(2)[i : i + 3200]) for i in range(0, 32_000, 3200)])
    with torch.inference_mode():
        codes = moshi.model.audio_encoder.encode(torch.from_numpy(heard)[None, None], num_quantizers=8).audio_codes[0]
        tokens, sampling = moshi.stepper.open(0), replace(moshi.sampling, greedy=True)
        own = torch.stack([moshi.stepper.step(tokens, frame, sampling)[1] for frame in codes.T], 1)
        whole = moshi.model.audio_encoder.decode(own[None]).audio_values[0, 0].clamp(-1, 1).numpy()
    said = np.concatenate([act.audio for act in acts])[960:]
    assert len(whole) == 25 * 1920
    assert np.abs(said - whole[: len(said)]).max() < 1e-4


def test_a_silent_model_listens(moshi):
    mute = Moshi(copy.deepcopy(moshi.model))
    with torch.no_grad():
        for part in mute.model.audio_encoder.decoder.decoder_seanet.layers[-1].parameters():
            part.zero_()
    assert {act.floor for act in acts_of(mute, chirp(1))[0]} == {Floor.LISTEN}
    assert Floor.SPEAK in {act.floor for act in acts_of(moshi, chirp(1))[0]}


def test_words_begin_with_the_frame_of_their_first_piece(moshi):
    """Frame i sounds from 0.24 s + 80 ms x i on; its text token is the i-th, and tells it is over with the next."""
    yes, no, ing, pad = (PIECES.index(one) for one in ("\u2581yes", "\u2581no", "ing", "<pad>"))
    state = moshi.open(OpenConfig())
    told = [moshi._words(state, 0, [pad, yes, ing], 0)]
    state.outlet.put(np.zeros(2 * 1920, np.float32))
    state.outlet.take()
    told.append(moshi._words(state, 1, [no, pad, yes], 1))
    assert told == [[], [Word("yesing", 0.32, 0.48), Word("no", 0.48, 0.56)]]
    assert Moshi(moshi.model)._words(state, 2, [no, pad], 1) == []


def test_a_fork_goes_on_as_the_stream_does_and_seeds_differ(moshi):
    sound = chirp(4)
    _, state = acts_of(moshi, sound[:32_000], seed=5)
    fork = copy.deepcopy(state)
    acts_of(moshi, chirp(1, 9), first=10, state=copy.deepcopy(state))
    kept, _ = acts_of(moshi, sound[32_000:], first=10, state=state)
    forked, _ = acts_of(moshi, sound[32_000:], first=10, state=fork)
    assert all(a.audio.tobytes() == b.audio.tobytes() and a.words == b.words for a, b in zip(kept, forked, strict=True))
    first, second = (acts_of(moshi, sound[:16_000], seed=seed)[0][-1].audio for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_a_stream_longer_than_its_context_goes_on(moshi):
    short = Moshi(moshi.model, context=8)
    acts, state = acts_of(short, chirp(8))
    assert {layer.keys.shape[-2] for layer in state.tokens.cache.layers} == {7}
    assert all(np.isfinite(act.audio).all() for act in acts)
    assert np.std(acts[-1].audio) > 0.01


def test_what_is_recorded_is_the_same_to_the_byte_again(folder, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", chirp(1.5), 16_000)
    name = f"moshi:{folder}"
    assert main(["record", "--audio", str(tmp_path / "a.wav"), "--model", name, "--out", str(tmp_path / "out")]) == 0
    assert main(["replay", str(tmp_path / "out"), "--check", "--model", name]) == 0
    assert "28 micro-turns, the same to the byte" in capsys.readouterr().out


def test_it_plays_a_scene(moshi):
    with Cast(load_suite("dev")) as cast:
        world = make_world(cast.suite, cast, "smooth_turn_taking", 0, moshi.spec.output_rate)
        verdict, timeline = play_trial(SCENES["smooth_turn_taking"].play, world, moshi)
    assert verdict.checks
    assert timeline.model_audio().any()


def test_it_is_loaded_from_a_folder_with_its_words_and_in_the_dtype_asked_for(folder):
    one = Moshi.from_pretrained(folder)
    sound = chirp(1)
    same, _ = acts_of(Moshi(tiny_moshi(), tiny_tokenizer()), sound)
    acts, _ = acts_of(one, sound)
    assert [act.words for act in acts] == [act.words for act in same]
    assert any(act.words for act in acts)
    half = Moshi.from_pretrained(folder, dtype="bfloat16", greedy=True)
    assert (half.model.dtype, half.model.audio_encoder.dtype) == (torch.bfloat16, torch.float32)
    assert "bfloat16" in repr(half)
    assert all(act.audio.any() for act in acts_of(half, sound)[0])


def test_options_that_it_has_not_are_named(moshi, folder):
    with pytest.raises(ModelError, match=r"unknown options \['warmth'\]; it has greedy"):
        moshi.open(OpenConfig(options={"warmth": 1}))
    with pytest.raises(ModelError, match="dtype='float17' is unknown"):
        Moshi.from_pretrained(folder, dtype="float17")


@pytest.mark.parametrize(
    ("config", "files", "said"),
    [
        ({"moshi_name": "model.safetensors", "dep_q": 8}, [], "Kyutai's own format.*moshi_name, dep_q.*convert_moshi"),
        ({"dep_q": 16, "n_q": 16}, [], r"predicts 16 codebooks \(dep_q\), as PersonaPlex"),
        (None, ["tokenizer-e351c8d8-checkpoint125.safetensors"], "Kyutai's own format.*tokenizer-e351"),
        ({"model_type": "llama"}, [], "model_type 'llama', expected 'moshi'"),
        ({"model_type": "moshi"}, ["pytorch_model.bin"], r"pickle files \(pytorch_model.bin\)"),
        ({"model_type": "moshi"}, [], "holds no .safetensors"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, config, files, said):
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelError, match=said):
        check_format(tmp_path)

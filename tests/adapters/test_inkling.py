"""Inkling in the chair; and that its dMel levels are ours for the same sound, in its layout."""

import copy
import json

import numpy as np
import pytest
import torch
from fakes_guests import chirp, inkling_tokenizer, tiny_inkling

import imkit
from imkit.adapters.inkling import END, MARKERS, MODEL, SOUND, SOUND_END, STOP, TEXT, USER, Inkling
from imkit.adapters.inkling_senses import HIGH, LEVELS, LOW, Ear, patches_of
from imkit.model import frontend
from imkit.model.config import NanoConfig
from imkit.recordings import Consent, Recorder, open_recording, replay
from imkit.scenes import SCENES, load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.trial import make_world, play_trial
from imkit.session import Session
from imkit.stream import Floor, ModelError, OpenConfig, Percept


@pytest.fixture(scope="module")
def inkling():
    return Inkling(tiny_inkling(), inkling_tokenizer(), context=64)


def picture(seed=0, size=(30, 44)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)


def fading(seconds):
    """From silence to loud: most levels occur."""
    sound = chirp(seconds, 3)
    return (sound * np.logspace(-5, 0.3, len(sound)) * (np.arange(len(sound)) > 16_000)).astype(np.float32)


def play(model, percepts, **options):
    state = model.open(OpenConfig(options=options))
    acts = []
    for percept in percepts:
        act, state = model.step(state, percept)
        acts.append(act)
    return acts, state


def listening(ticks, first=0, seed=0):
    sound = chirp(ticks / 5, seed)
    return [Percept(first + i, sound[3200 * i : 3200 * (i + 1)]) for i in range(ticks)]


# --- the front end


def test_levels_in_pieces_are_those_of_the_whole():
    ear, sound = Ear(), fading(4)
    whole = ear(np.zeros(0, np.float32), sound)  # the first token of a whole is dropped as one of the past
    past, pieces = np.zeros(800, np.float32), []
    for begin in range(0, len(sound), 3200):
        pieces.append(ear(past, sound[begin : begin + 3200]))
        past = sound[begin + 2400 : begin + 3200]
    assert {one.shape for one in pieces} == {(4, 80)}
    assert torch.equal(torch.cat(pieces)[1:], whole)
    assert len(whole.unique()) > 8


def test_our_levels_and_theirs_are_the_same_for_the_same_sound_in_their_layout(monkeypatch):
    """What differs, and is set to theirs here: hop 50 ms (ours 10, or 12.5 with a stem), window 100 ms (25), 80 Slaney
    mels of 0 to 8 kHz (40 by the formula of O'Shaughnessy, 60 to 7600 Hz), of magnitudes (powers, of a taper of unit
    energy), log10 with a floor of 1e-10 (1e-7 added), levels from -7 to 2 (-6 to 1.5). Frames, taper, transform and the
    choice of a level are ours.
    """
    ear, sound = Ear(), fading(20)
    theirs = ear(np.zeros(0, np.float32), sound)
    layout = NanoConfig(("",), ("",), mel_bins=80, mel_levels=LEVELS, mel_hop=800, mel_window=1600)
    ours = frontend.MelLevels(layout)
    monkeypatch.setattr(frontend, "LOW_LOG10", LOW)
    monkeypatch.setattr(frontend, "HIGH_LOG10", HIGH)
    turned = torch.from_numpy(sound)[None].unfold(1, ours.window, ours.hop) @ ours.basis
    energy = (torch.hann_window(1600, periodic=True, dtype=torch.float64) ** 2).sum().sqrt().float()
    magnitude = energy * (turned[..., :801] ** 2 + turned[..., 801:] ** 2).clamp(min=1e-10 / energy**2).sqrt()
    levels = ours.quantise((magnitude @ ear.extractor.mel_filters.T).clamp(min=1e-10).log10())[0]
    assert levels.shape == theirs.shape == (399, 80)
    assert len(theirs.unique()) > 10
    assert torch.equal(levels, theirs)


def test_a_picture_is_cut_row_by_row_with_what_is_beyond_its_edge_filled():
    frame = np.zeros((50, 90, 3), np.uint8)
    frame[:40, 40:80] = 255
    frame[40:, :40] = (10, 20, 30)
    cut = patches_of(frame, 40, 200)
    mean, std = (np.array(v) for v in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)))
    assert cut.shape == (2 * 3, 2, 40, 40, 3)
    assert torch.equal(cut[:, 0], cut[:, 1])
    assert np.allclose(cut[1, 0], (1 - mean) / std, atol=1e-5)
    assert np.allclose(cut[3, 0, :10], (np.array([10, 20, 30]) / 255 - mean) / std, atol=1e-5)
    assert np.allclose(cut[3, 0, 10:], (-1 / 255 - mean) / std, atol=1e-5)
    assert patches_of(frame, 40, 80).shape[0] == 2 * 3  # 44 x 80: the column too many is all filling
    assert patches_of(frame, 40, 45).shape[0] == 1 * 2


# --- the chair


def test_it_writes_once_something_is_typed_and_sent_and_hears_again_when_it_is_done(inkling):
    acts, state = play(inkling, [*listening(3), Percept(3, text="what is this")], most_tokens=4)
    assert [act.diagnostics["read"] for act in acts] == [2 + 4, 4, 4, 2 + 2 + 3 + 3]
    assert [act.floor for act in acts] == [Floor.LISTEN] * 3 + [Floor.SPEAK]
    assert not any(act.audio.any() for act in acts)
    act, state = inkling.step(state, Percept(4, chirp(0.2)))
    assert act.diagnostics["read"] == 0
    assert state.next is None
    act, state = inkling.step(state, Percept(5, chirp(0.2)))
    assert act.diagnostics == {"read": 2 + 4, "written": 0}
    assert act.floor is Floor.LISTEN


def test_all_it_read_and_wrote_in_pieces_is_what_one_call_for_all_gives(inkling):
    """The tokens of an answer are the likeliest in one forward over the whole conversation as it is written down."""
    first = listening(6)
    frame = picture()
    percepts = [
        *first[:3],
        Percept(3, first[3].audio, (picture(1), frame)),
        *first[4:],
        Percept(6, text="what is this"),
    ]
    percepts += [Percept(7 + i) for i in range(4)]
    acts, _ = play(inkling, percepts, most_tokens=7, longest_px=44)
    words = [word.text for act in acts for word in act.words]
    model, tokenizer = inkling.model, inkling.tokenizer
    ids = {marker: tokenizer.convert_tokens_to_ids(marker) for marker in MARKERS}
    sound = np.concatenate([np.zeros(800, np.float32), *[one.audio for one in first]])
    ear = inkling.ear
    levels = ear.extractor(sound, sampling_rate=16_000, return_tensors="pt")["input_features"][0, 1:]
    levels = (levels.clamp(LOW, HIGH)[..., None] - torch.linspace(LOW, HIGH, LEVELS)).abs().argmin(-1)

    def marks(*names):
        return model.get_input_embeddings()(torch.tensor([ids[name] for name in names]))

    with torch.inference_mode():
        heard = model.model.get_audio_features(levels[None]).last_hidden_state
        seen = model.get_image_features(patches_of(frame, 10, 44)).pooler_output[:, 0]
        typed = model.get_input_embeddings()(torch.tensor(tokenizer.encode("what is this", add_special_tokens=False)))
        x = [marks(USER, SOUND), heard[:12], marks(SOUND_END, END, USER), marks("<|content_image|>"), seen, marks(END)]
        x += [marks(USER, SOUND), heard[12:], marks(SOUND_END, END, USER, TEXT), typed, marks(END, MODEL, TEXT)]
        whole, written = torch.cat(x), []
        for _ in range(7):
            at = torch.arange(len(whole))
            back = at[:, None] - at
            masks = {
                name: torch.zeros(back.shape).masked_fill((back < 0) | (back >= reach), -3e38)[None, None]
                for name, reach in (("sliding_attention", 12), ("full_attention", 64))
            }
            logits = model(
                inputs_embeds=whole[None], attention_mask={**masks, "linear_attention": None}, use_cache=False
            ).logits
            written.append(int(logits[0, -1].argmax()))
            whole = torch.cat([whole, model.get_input_embeddings()(torch.tensor(written[-1:]))])
    assert len(whole) > 64, "the context was never full"
    assert written[-1] not in (ids[END], ids[STOP])
    assert len(set(written)) > 2
    assert words == tokenizer.decode(written, skip_special_tokens=True).split()


def test_a_fork_goes_on_as_the_stream_does(inkling):
    _, state = play(inkling, [*listening(4), Percept(4, text="what is this")])
    fork = copy.deepcopy(state)
    inkling.step(copy.deepcopy(state), Percept(5, text="no"))
    for index in range(5, 12):
        kept, state = inkling.step(state, Percept(index))
        forked, fork = inkling.step(fork, Percept(index))
        assert kept.words == forked.words


def test_a_long_stream_keeps_no_more_than_its_context(inkling):
    _, state = play(inkling, listening(40))
    assert [layer.keys.shape[-2] for layer in state.cache.layers] == [11, 63, 11]
    assert state.cache.get_seq_length() == 2 + 160


def test_typing_again_breaks_an_answer_off(inkling):
    acts, state = play(inkling, [Percept(0, text="what is this"), Percept(1, text="no")], most_tokens=50)
    assert acts[1].diagnostics["read"] == 2 + 1 + 3
    assert state.written == 3


def test_a_session_with_it_is_the_same_to_the_byte_again(inkling, tmp_path):
    out = tmp_path / "out"
    recorder = Recorder(out, output_rate=16_000, model="inkling", consent=Consent("a test"))
    with recorder, Session(inkling) as session:
        session.tap = recorder
        session.say("what is this")
        said = session.run(seconds=3, tail_s=0.4).words()
    assert said
    assert replay(open_recording(out), inkling).same


def test_it_plays_a_scene(inkling):
    with Cast(load_suite("dev")) as cast:
        world = make_world(cast.suite, cast, "smooth_turn_taking", 0, inkling.spec.output_rate)
        verdict, _ = play_trial(SCENES["smooth_turn_taking"].play, world, inkling)
    assert verdict.checks
    assert not all(check.passed for check in verdict.checks), "it has no voice"


def test_it_is_loaded_from_a_folder_and_other_folders_are_named(inkling, tmp_path):
    inkling.model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"cannot load it as Inkling|lacks <\|message_user\|>"):
        imkit.load(f"inkling:{tmp_path}")
    inkling.tokenizer.save_pretrained(tmp_path)
    for name in (f"inkling:{tmp_path}", str(tmp_path)):
        one = imkit.load(name, context=64, tokens_per_tick=2)
        assert one.pace.tokens_per_tick == 2
    acts, _ = play(one, [*listening(2), Percept(2, text="what is this")])
    assert acts[-1].diagnostics["written"] == 2
    with pytest.raises(ModelError, match=r"unknown options \['warmth'\]"):
        one.open(OpenConfig(options={"warmth": 1}))
    with pytest.raises(ModelError, match="context=4, expected 12"):
        imkit.load(tmp_path, context=4)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "inkling2"}))
    with pytest.raises(ModelError, match="model_type 'inkling2'"):
        imkit.load(f"inkling:{tmp_path}")

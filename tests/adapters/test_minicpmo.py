"""MiniCPM-o's duplex interface in the chair, with a tiny model whose code is loaded as its would be."""

import copy
import json
import sys

import numpy as np
import pytest
import soundfile
import torch
from fakes_guests import chirp

import imkit
from imkit.adapters.minicpmo import MiniCPMO
from imkit.recordings import Consent, Recorder, open_recording, replay
from imkit.scenes import SCENES, load_suite
from imkit.scenes.cast import Cast
from imkit.scenes.trial import make_world, play_trial
from imkit.session import Session
from imkit.stream import Floor, ModelError, OpenConfig, Percept

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
CONFIGURATION = """
from transformers import PretrainedConfig


class TinyConfig(PretrainedConfig):
    model_type = "minicpmo"

    def __init__(self, width=8, **others):
        self.width = width
        super().__init__(**others)
"""
MODELLING = """
import pathlib

import torch
from transformers import PreTrainedModel

from .configuration_tiny import TinyConfig

(pathlib.Path(__file__).parent / "was_run").touch()


class TinyOmni(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.hears = torch.nn.Linear(16, config.width)
        self.sees = torch.nn.Linear(3, config.width)
        self.speaks = torch.nn.Linear(config.width, 40)
        self.post_init()

    def as_duplex(self, generate_audio=True):
        return Duplex(self, generate_audio)


class Duplex:
    \"\"\"Listens to a quiet second, answers a loud one. Remembers, as the real one does, in itself.\"\"\"

    def __init__(self, model, generate_audio):
        self.model, self.generate_audio = model, generate_audio

    def prepare(self, prefix_system_prompt=None, ref_audio=None, prompt_wav_path=None):
        self.memory = torch.zeros(self.model.config.width)
        self.asked = [(prefix_system_prompt, None if ref_audio is None else len(ref_audio), prompt_wav_path)]

    def streaming_prefill(self, audio_waveform=None, frame_list=None, max_slice_nums=1):
        assert audio_waveform.shape == (16000,) and audio_waveform.dtype == "float32"
        sound = torch.from_numpy(audio_waveform)
        self.loud = bool(sound.square().mean().sqrt() > 0.05)
        self.memory = 0.5 * self.memory + self.model.hears(sound[:16])
        for frame in frame_list or []:
            self.memory = self.memory + self.model.sees(torch.tensor(frame.getpixel((0, 0))).float() / 255)
        self.asked.append(len(frame_list or []))

    def streaming_generate(self, prompt_wav_path=None, max_new_speak_tokens_per_chunk=20, decode_mode="sampling"):
        self.asked.append((prompt_wav_path, decode_mode))
        none = {"is_listen": True, "text": "", "audio_waveform": None, "end_of_turn": False, "current_time": 0}
        if not self.loud:
            return none
        sound = torch.tanh(self.model.speaks(self.memory)).repeat_interleave(600) + 0.1 * torch.rand(24000)
        sound = sound.numpy() if self.generate_audio else None
        return {**none, "is_listen": False, "text": "so it is then", "audio_waveform": sound, "end_of_turn": True}
"""


def write(folder, **changes):
    """A folder as the Hub has them: a configuration that names its code, the code, and weights."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "configuration_tiny.py").write_text(CONFIGURATION)
    (folder / "modeling_tiny.py").write_text(MODELLING)
    named = {"AutoConfig": "configuration_tiny.TinyConfig", "AutoModel": "modeling_tiny.TinyOmni"}
    config = {"model_type": "minicpmo", "architectures": ["TinyOmni"], "auto_map": named, "width": 8, **changes}
    (folder / "config.json").write_text(json.dumps(config))
    dice = torch.Generator().manual_seed(0)
    shapes = {"hears": (8, 16), "sees": (8, 3), "speaks": (40, 8)}
    weights = {f"{name}.weight": torch.randn(shape, generator=dice) for name, shape in shapes.items()}
    biases = {f"{name}.bias": torch.randn(shape[0], generator=dice) for name, shape in shapes.items()}
    save_file({**weights, **biases}, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Where transformers keeps the code that it was told to run."""
    import transformers.dynamic_module_utils as dynamic

    place = tmp_path / "modules"
    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(place))
    monkeypatch.syspath_prepend(str(place))
    for name in [one for one in sys.modules if one.partition(".")[0] == "transformers_modules"]:
        monkeypatch.delitem(sys.modules, name)
    return place


@pytest.fixture
def model(tmp_path, modules):
    return imkit.load(f"minicpmo:{write(tmp_path / 'tiny')}", trust_remote_code=True)


def ran(modules):
    return any(modules.rglob("was_run")) if modules.exists() else False


def play(model, ticks, loud=True, seed=0, frames=()):
    state = model.open(OpenConfig(seed))
    sound = chirp(ticks / 5) if loud else np.zeros(3200 * ticks, np.float32)
    acts = []
    for i in range(ticks):
        seen = tuple(np.full((4, 4, 3), value, np.uint8) for at, value in frames if at == i)
        act, state = model.step(state, Percept(i, sound[3200 * i : 3200 * (i + 1)], seen))
        acts.append(act)
    return acts, state


def test_nothing_is_run_that_was_not_trusted_and_pinned(tmp_path, modules, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("it was fetched"))
    folder = write(tmp_path / "tiny")
    for name in (f"minicpmo:{folder}", str(folder), "minicpmo:openbmb/MiniCPM-o-4_5"):
        for how in ({}, {"trust_remote_code": "yes"}, {"trust_remote_code": 1}):
            with pytest.raises(ModelError, match="pass trust_remote_code=True"):
                imkit.load(name, **how)
    for revision in (None, "main", "v1.0", COMMIT[:12], COMMIT.upper()):
        with pytest.raises(ModelError, match="whole commit that you read, 40 hexadecimal digits"):
            imkit.load("minicpmo:openbmb/MiniCPM-o-4_5", trust_remote_code=True, revision=revision)
    elsewhere = write(tmp_path / "other", auto_map={"AutoModel": "someone/else--modeling_tiny.TinyOmni"})
    with pytest.raises(ModelError, match="code of another repository"):
        imkit.load(f"minicpmo:{elsewhere}", trust_remote_code=True)
    assert not ran(modules)


def test_a_pinned_commit_is_loaded_from_the_cache(tmp_path, modules, monkeypatch):
    import huggingface_hub

    asked = []
    folder = write(tmp_path / "snapshots" / COMMIT)

    def fetched(name, *, revision, allow_patterns, **how):
        asked.append((name, revision, how))
        assert "*.py" in allow_patterns
        assert not {"*.bin", "*.pt", "*.pkl", "*"} & set(allow_patterns)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    one = imkit.load(f"minicpmo:openbmb/MiniCPM-o-4_5@{COMMIT}", trust_remote_code=True)
    assert asked == [("openbmb/MiniCPM-o-4_5", COMMIT, {"local_files_only": True})]
    assert ran(modules)
    assert one._duplex.model.speaks.weight.shape == (40, 8)


def test_a_second_in_gives_a_second_out_from_the_fifth_micro_turn_on(model):
    acts, state = play(model, 12)
    assert {act.audio.shape for act in acts} == {(4800,)}
    assert [bool(act.audio.any()) for act in acts] == [False] * 4 + [True] * 8
    assert [act.floor for act in acts] == [Floor.LISTEN] * 4 + [Floor.SPEAK] * 8
    assert [(word.text, word.start_s) for act in acts[:9] for word in act.words] == [
        ("so", 1.0), ("it", 1.25), ("is", 1.5), ("then", 1.75)
    ]  # fmt: skip
    assert all(act.starts_s <= word.start_s < act.ends_s for act in acts for word in act.words)
    assert state.units == 2
    quiet, _ = play(model, 12, loud=False)
    assert not any(act.audio.any() or act.words for act in quiet)
    assert [act.diagnostics for act in quiet if act.diagnostics] == [{"listens": True}] * 2


def test_it_sees_the_newest_two_pictures_of_a_second(model):
    play(model, 10, frames=[(0, 10), (1, 20), (3, 30), (6, 40)])
    assert [one for one in model._duplex.asked if isinstance(one, int)] == [2, 1]
    seen, _ = play(model, 5, frames=[(3, 200)])
    blind, _ = play(model, 5)
    assert not np.array_equal(seen[4].audio, blind[4].audio)


def test_seeds_decide_and_other_dice_are_left_alone(model):
    torch.manual_seed(11)
    first, _ = play(model, 10, seed=1)
    after = torch.rand(1)
    torch.manual_seed(11)
    assert torch.rand(1) == after
    same, _ = play(model, 10, seed=1)
    other, _ = play(model, 10, seed=2)
    assert all(a.audio.tobytes() == b.audio.tobytes() for a, b in zip(first, same, strict=True))
    assert first[-1].audio.tobytes() != other[-1].audio.tobytes()


def test_one_stream_at_a_time_and_no_forks(model):
    _, state = play(model, 2)
    with pytest.raises(ModelError, match="cannot be forked"):
        copy.deepcopy(state)
    model.open(OpenConfig())
    with pytest.raises(ModelError, match="ended when another was opened"):
        model.step(state, Percept(2))


def test_a_voice_a_prompt_and_words_without_sound(tmp_path, modules):
    soundfile.write(tmp_path / "voice.wav", chirp(0.5), 16_000)
    folder, voice = write(tmp_path / "tiny"), tmp_path / "voice.wav"
    one = MiniCPMO.from_pretrained(
        folder, trust_remote_code=True, voice=voice, prompt="Be brief.", speaks=False, decode_mode="greedy"
    )
    acts, _ = play(one, 9)
    assert one._duplex.asked[0] == ("Be brief.", 8000, str(voice))
    assert one._duplex.asked[2] == (str(voice), "greedy")
    assert [word.text for act in acts for word in act.words] == ["so", "it", "is", "then"]
    assert not any(act.audio.any() for act in acts)
    soundfile.write(voice, chirp(0.5), 24_000)
    with pytest.raises(ModelError, match="is at 24000 Hz, expected 16000"):
        MiniCPMO.from_pretrained(folder, trust_remote_code=True, voice=voice)


def test_a_session_with_it_is_the_same_to_the_byte_again_and_says_why_it_keeps_no_snapshots(model, tmp_path):
    soundfile.write(tmp_path / "a.wav", chirp(3), 16_000)
    out = tmp_path / "out"
    recorder = Recorder(out, output_rate=24_000, model="minicpmo", seed=3, consent=Consent("a test"))
    with recorder, Session(model, seed=3) as session:
        session.tap = recorder
        session.run(imkit.capture.AudioFile(tmp_path / "a.wav"), tail_s=1)
    done = replay(open_recording(out), model)
    assert done.same
    assert done.timeline.words()


def test_it_plays_a_scene(model):
    with Cast(load_suite("dev")) as cast:
        world = make_world(cast.suite, cast, "smooth_turn_taking", 0, model.spec.output_rate)
        verdict, timeline = play_trial(SCENES["smooth_turn_taking"].play, world, model)
    assert verdict.checks
    assert timeline.model_audio().any()


def test_models_that_are_no_duplex_are_named(tmp_path, modules):
    with pytest.raises(ModelError, match="has no prepare, streaming_prefill, streaming_generate"):
        MiniCPMO(object())
    folder = write(tmp_path / "tiny")
    (folder / "modeling_tiny.py").write_text(MODELLING.replace("as_duplex", "as_simplex"))
    with pytest.raises(ModelError, match="TinyOmni without as_duplex"):
        imkit.load(f"minicpmo:{folder}", trust_remote_code=True)
    folder = write(tmp_path / "other")
    (folder / "modeling_tiny.py").write_text("import minicpmo_utils_that_is_not_here\n" + MODELLING)
    with pytest.raises(ModelError, match=r"needs what is not here .*minicpmo_utils_that_is_not_here"):
        imkit.load(f"minicpmo:{folder}", trust_remote_code=True)

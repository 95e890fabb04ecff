import copy
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.model.config import FLOORS, NanoConfig
from imkit.model.frontend import MATMUL_FRAMES, MelLevels
from imkit.model.nano import Nano, load_nano
from imkit.model.network import POSITIONS, rotary, rotary_steps
from imkit.model.reading import read_text, small_square, spoken_form
from imkit.model.voice import Clips, Mouth
from imkit.stream import Event, Floor, InteractionModel, ModelError, OpenConfig, Percept, Provenance
from imkit.training.batch import forward, pack
from imkit.training.script import Scene

from .small import WORDS, small_clips, small_config, small_network, write_small


class Recorder:
    """A runtime that keeps what went through it."""

    def __init__(self, inner):
        self.inner, self.name, self.log = inner, inner.name, []

    def run(self, **inputs):
        out = self.inner.run(**inputs)
        self.log.append(({k: np.copy(v) for k, v in inputs.items() if k in ("words", "present")}, out))
        return out


def percepts(count, seed=0, frames=True):
    rng = np.random.default_rng(seed)
    for k in range(count):
        level = 0.3 if k % 7 < 4 else 0.001
        yield Percept(
            k,
            (rng.standard_normal(3200) * level).astype(np.float32).clip(-1, 1),
            (rng.integers(0, 255, (130, 120, 3), dtype=np.uint8),) if frames and k % 3 == 0 else (),
            "what is 1 + 2 plot three one two three plus one two three" if k in (5, 30) else "",
            events=(Event("result", Provenance.BACKGROUND, payload={"ok": k < 20, "topic": "plot"}),)
            if k in (9, 25)
            else (),
        )


@pytest.fixture(scope="module", params=["levels", "stem", "context"])
def folder(tmp_path_factory, request):
    path = tmp_path_factory.mktemp("small")
    parts = {"stem": {"mel_hop": 200, "stem_width": 24}, "context": {"context_words": 2}}
    write_small(path, small_config(**parts.get(request.param, {})), graph=True)
    return path


def run(model, count=60, state=None, seed=0):
    state = state or model.open(OpenConfig())
    acts = []
    for percept in percepts(count, seed):
        act, state = model.step(state, percept)
        acts.append(act)
    return acts, state


def test_streamed_equals_offline(folder):
    """Stepping with the ring gives the logits of the whole sequence at once, long after the ring has wrapped."""
    model = load_nano(folder, "eager")
    model.runtime = Recorder(model.runtime)
    ticks, state = 60, model.open(OpenConfig())
    done, kept, words_in, own = [], [], {}, np.zeros((ticks + 1) * 3200, np.float32)
    incoming = list(percepts(ticks))
    for percept in incoming:
        fed = [(w, 1) for w in (read_text(percept.text, model.ids) if percept.text else [])]
        fed += [t for e in percept.events for t in model._told(e)]
        words_in[percept.index] = fed
        act, state = model.step(state, percept)
        done.append(state.done)
        kept += [*state.heard, 0, 0, 0, 0][:4]
        own[(percept.index + 1) * 3200 : (percept.index + 2) * 3200] = act.audio
    assert state.ring.seen > 3 * model.config.window  # the ring did wrap
    assert np.isfinite(state.ring.bias[model.config.window :]).sum() == model.config.pinned  # and words were pinned
    heard = np.array(kept)
    assert (heard > 0).sum() > 20
    word, floor, call = (np.array([d[i] for d in done]) for i in range(3))
    scene = Scene(
        ticks, np.concatenate([p.audio for p in incoming]), own[: ticks * 3200],
        {p.index: small_square(p.frames[-1], 120) for p in incoming if p.frames}, words_in,
        heard, np.zeros_like(heard), [], word, floor, call, np.zeros(ticks, np.int64), np.zeros(ticks, np.int64),
    )  # fmt: skip
    network = model.runtime.inner.graph.network
    batch = pack([scene], model.config, network.mel, np.random.default_rng(0), augment=False)
    with torch.no_grad():
        audio, act, _, _ = forward(network, batch)
        whole = {
            "heard": network.heard_head(audio)[0],
            "word": network.word_head(act)[0],
            "floor": network.floor_head(act)[0],
        }
    streamed = {name: torch.from_numpy(np.stack([out[name] for _, out in model.runtime.log])) for name in whole}
    assert torch.allclose(streamed["heard"].flatten(0, 1), whole["heard"], atol=2e-3)
    assert torch.allclose(streamed["word"], whole["word"], atol=2e-3)
    assert torch.allclose(streamed["floor"], whole["floor"], atol=2e-3)


def test_eager_equals_onnx(folder):
    eager, onnx = load_nano(folder, "eager"), load_nano(folder, "onnx")
    (a, state_a), (b, state_b) = run(eager), run(onnx)
    assert [(x.text, x.floor, x.calls, [w.text for w in x.heard]) for x in a] == [
        (y.text, y.floor, y.calls, [w.text for w in y.heard]) for y in b
    ]
    assert all(np.array_equal(x.audio, y.audio) for x, y in zip(a, b, strict=True))
    assert np.abs(state_a.ring.keys - state_b.ring.keys).max() < 1e-3
    assert any(x.text for x in a)
    assert any(x.heard for x in a)


def test_acts_keep_the_contract(folder):
    model = load_nano(folder)
    assert isinstance(model, InteractionModel)
    acts, state = run(model)
    for act in acts:
        assert act.audio.shape == (3200,)
        assert act.audio.dtype == np.float32
        if act.words:
            assert act.floor is not Floor.LISTEN
        for call in act.calls:
            assert call.kind == "delegate"
            assert call.name in ("plot", "describe")
    assert len({call.id for act in acts for call in act.calls}) == sum(len(act.calls) for act in acts)
    assert state.tick == 60


def test_a_fork_goes_its_own_way_and_leaves_the_first_alone(folder):
    model = load_nano(folder)
    _, state = run(model, 20)
    fork = copy.deepcopy(state)
    one, _ = run(model, 15, state, seed=1)
    two, _ = run(model, 15, fork, seed=1)
    assert [a.text for a in one] == [a.text for a in two]
    assert all(np.array_equal(a.audio, b.audio) for a, b in zip(one, two, strict=True))
    other, _ = run(model, 15, copy.deepcopy(fork), seed=2)
    assert [a.heard for a in one] != [a.heard for a in other]


def test_two_streams_share_one_model(folder):
    model = load_nano(folder)
    alone, _ = run(model, 25, seed=3)
    first, second = model.open(OpenConfig()), model.open(OpenConfig())
    mixed = []
    for p, q in zip(percepts(25, 3), percepts(25, 4), strict=True):
        act, first = model.step(first, p)
        mixed.append(act)
        _, second = model.step(second, q)
    assert [a.text for a in alone] == [a.text for a in mixed]
    assert [a.heard for a in alone] == [a.heard for a in mixed]


def test_memory_of_a_stream_does_not_grow(folder):
    model = load_nano(folder)
    _, state = run(model, 30)
    before = state.ring.keys.nbytes + state.ring.values.nbytes
    for percept in percepts(400, 5, frames=False):
        _, state = model.step(state, Percept(percept.index, percept.audio))
    assert state.ring.keys.nbytes + state.ring.values.nbytes == before
    assert len(state.mouth.rest) <= max(map(len, model.clips.sounds.values()))


def test_equal_at_any_age(folder):
    """The same input eight hours later gives the same keys, but for the clock."""
    model = load_nano(folder, "eager")
    network = model.runtime.graph.network
    torch.nn.init.zeros_(network.clock.weight)
    young, old = model.open(OpenConfig()), model.open(OpenConfig())
    old.tick = 8 * 3600 * 5
    for percept in percepts(30, frames=False):
        a, young = model.step(young, percept)
        b, old = model.step(old, percept)
        assert a.text == b.text
        assert a.heard == b.heard


def test_rotary_depends_on_distance_only_and_wraps():
    steps = rotary_steps(32)
    cos, sin = rotary(torch.tensor([5, 5 + POSITIONS, 12, 12 + 77 * POSITIONS]), steps)
    assert torch.equal(cos[0], cos[1])
    assert torch.equal(sin[2], sin[3])
    assert not torch.allclose(cos[0], cos[2])


@given(st.integers(1, 5), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_mel_of_pieces_equals_mel_of_the_whole(pieces, seed):
    config = small_config()
    mel = MelLevels(config)
    n = 3200 * 6
    sound = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 240 + n)).astype(np.float32) * 0.1)
    whole = mel.log_mel(sound)
    assert whole.shape == (1, 120, config.mel_bins)
    assert whole.shape[1] > MATMUL_FRAMES
    cuts = [0, *sorted(np.random.default_rng(seed + 1).choice(np.arange(1, 6), pieces - 1, replace=False) * 3200), n]
    parts = [mel.log_mel(sound[:, a : b + 240]) for a, b in itertools.pairwise(cuts)]
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-3)


def test_mel_hears_pitch():
    mel = MelLevels(small_config())
    t = torch.arange(3440) / 16000
    low, high = (mel(0.3 * torch.sin(2 * torch.pi * hz * t)[None])[0, 10].argmax() for hz in (300, 3000))
    assert low < high - 10
    assert int(mel(torch.zeros(1, 3440)).max()) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What's 3 + 4?", "what is three plus four"),
        ("7*8", "seven times eight"),
        ("21 - 5", "twenty one minus five"),
        ("5x6", "five times six"),
        ("plot 1234", "plot <unk>"),
        ("Colour!", "color"),
        ("   ", ""),
    ],
)
def test_typed_text_as_spoken(text, words):
    assert " ".join(spoken_form(text)) == words


def test_long_typing_is_read_over_several_ticks_and_bounded(folder):
    model = load_nano(folder)
    state = model.open(OpenConfig())
    _, state = model.step(state, Percept(0, text="one two " * 200))
    assert len(state.unread) <= 64
    while state.unread:
        left = len(state.unread)
        _, state = model.step(state, Percept(state.tick))
        assert len(state.unread) < left


@given(st.integers(1, 300), st.integers(1, 300))
@settings(max_examples=25, deadline=None)
def test_frames_of_any_size_become_squares(height, width):
    frame = np.full((height, width, 3), 77, np.uint8)
    square = small_square(frame, 120)
    assert square.shape == (120, 120, 3)
    assert (square == 77).all()


def test_the_mouth_fades_when_the_floor_is_given_up():
    clips, mouth = small_clips(), Mouth()
    mouth.say(clips, "three")
    sound, cut = mouth.tick(clips, True)
    assert not cut
    assert np.array_equal(sound, clips.sounds["three"][:3200])
    rest, cut = mouth.tick(clips, False)
    assert cut
    assert np.abs(rest[160:]).max() == 0
    assert np.abs(rest[:160]).max() > 0
    silent, cut = mouth.tick(clips, False)
    assert not cut
    assert not silent.any()


def test_clips_know_their_length_in_ticks():
    clips = Clips(16_000, "x", {"a": np.zeros(3200, np.float32), "b": np.zeros(3201, np.float32)})
    assert (clips.ticks("a"), clips.ticks("b")) == (1, 2)


def test_broken_folders_are_told(tmp_path, folder):
    with pytest.raises(ModelError, match=r"config\.json"):
        load_nano(tmp_path)
    write_small(tmp_path)
    with pytest.raises(ModelError, match=r"tick\.onnx"):
        load_nano(tmp_path)
    (tmp_path / "tick.onnx").write_bytes(b"junk")
    with pytest.raises(ModelError, match="ONNX Runtime"):
        load_nano(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"weights\.safetensors"):
        load_nano(tmp_path, "eager")
    other = small_config(width=24)
    other.save(tmp_path / "config.json")
    write_small(tmp_path)
    other.save(tmp_path / "config.json")
    with pytest.raises(ModelError, match="asks for"):
        load_nano(tmp_path, "eager")
    with pytest.raises(ModelError, match="unknown"):
        load_nano(folder, "cuda")  # type: ignore[arg-type]


def test_pickle_is_refused(tmp_path):
    from imkit.model.weights import load_weights

    network = torch.nn.Linear(2, 2)
    path = Path(tmp_path) / "weights.pt"
    torch.save(network.state_dict(), path)
    with pytest.raises(ModelError, match="safetensors only"):
        load_weights(network, path)
    renamed = path.rename(tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match="no readable weights"):
        load_weights(network, renamed)


def test_configuration_errors():
    with pytest.raises(ModelError, match="head size"):
        small_config(heads=5)
    with pytest.raises(ModelError, match="mel_hop"):
        NanoConfig(WORDS, ("<none>",), width=48, heads=3, mel_hop=123)
    assert len(FLOORS) == 3


def test_repr_says_what_it_is(folder):
    assert "13 words" in repr(load_nano(folder))
    assert isinstance(load_nano(folder), Nano)


def test_a_part_that_nano_has_no_words_for_waits_for_the_whole(folder):
    model = load_nano(folder)
    told = {"ok": True, "topic": "plot"}
    whole = Event("result", Provenance.BACKGROUND, "The mean of price is 42.7", "c1", told)
    part = Event("result", Provenance.BACKGROUND, "The mean of price is 42.7", "c1", {**told, "part": 1})
    assert [model.config.vocabulary[word] for word, _ in model._told(whole)] == ["<result>", "plot"]
    assert model._told(part) == []


def test_a_word_is_read_with_the_words_before_it_however_long_ago():
    """With two words of context, what a token is depends on the two before it, and on no third."""
    config = small_config(context_words=2)
    network = small_network(config)
    clock = network.clock_features(torch.zeros(1, dtype=torch.int64))

    def last(*words):
        read = torch.tensor([0, 0, *words])
        return network.embed_words(read, torch.ones(len(words), dtype=torch.int64), clock.expand(len(words), -1))[-1]

    assert torch.equal(last(7, 5, 6, 8), last(9, 5, 6, 8))
    assert not torch.equal(last(5, 6, 8), last(7, 6, 8))
    assert not torch.equal(last(6, 8), last(5, 8))


def test_the_words_before_go_through_a_stream(tmp_path):
    write_small(tmp_path, small_config(context_words=2))
    model = load_nano(tmp_path, "eager")
    model.runtime = Recorder(model.runtime)
    state = model.open(OpenConfig())
    for k, text in enumerate(["one two", "", "three", "plus one two three"]):
        _, state = model.step(state, Percept(k, text=text))
        state.heard = []
    words = [given["words"].tolist() for given, _ in model.runtime.log]
    ids, send = model.ids, model.ids["<send>"]
    assert words[0][:5] == [0, 0, ids["one"], ids["two"], send]
    assert words[2][:4] == [ids["two"], send, ids["three"], send]
    assert words[3][:4] == [ids["three"], send, ids["plus"], ids["one"]]

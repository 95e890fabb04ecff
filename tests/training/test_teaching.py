import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from imkit.model.config import NanoConfig
from imkit.model.frontend import MelLevels, mel_filterbank
from imkit.model.nano import load_nano
from imkit.model.network import Network
from imkit.model.voice import Clips
from imkit.stream import heard_from_s
from imkit.training import card, train, workers
from imkit.training.bank import Bank, BankUtterance, build_bank
from imkit.training.batch import MASK_BINS, forward, hear, in_reach, mask_bands, matches, pack, vocal_tract
from imkit.training.clips import reply_words
from imkit.training.compose import Composer
from imkit.training.evaluate import word_errors
from imkit.training.language import CALLS, COLOURS, NONE, SHAPES, Language, number_words, vocabulary
from imkit.training.losses import Helpers, grade, grade_ears
from imkit.training.pictures import SEEN_CLASSES, album, seen_class, wanted_class
from imkit.training.script import Script, act_after, answer_after, heard_token
from imkit.training.speech import is_held_out, plan_bank
from imkit.voices import Voice

MIX = {
    "dense": 0.1,
    "drill": 0.1,
    "sight": 0.1,
    "talk": 0.4,
    "count": 0.1,
    "timer": 0.12,
    "watch": 0.16,
    "delegate": 0.12,
}


@pytest.fixture(scope="module")
def language():
    return Language()


@pytest.fixture(scope="module")
def clips(language):
    rng = np.random.default_rng(0)
    return Clips(
        16_000, "noise", {w: rng.standard_normal(5000).astype(np.float32) * 0.1 for w in reply_words(language)}
    )


@pytest.fixture(scope="module")
def bank(tmp_path_factory, language):
    """Every family spoken a few times by one quick voice."""
    voice, path = Voice("espeak", "en-us+m3"), tmp_path_factory.mktemp("bank")
    rng = np.random.default_rng(0)
    texts = [language.request(rng, family) for family in language.families for _ in range(4)]
    build_bank(path, [(voice, text) for text in texts + [language.babble(rng) for _ in range(8)]])
    return Bank(path)


@pytest.fixture(scope="module")
def composer(bank, language, clips):
    return Composer(bank, language, clips, None)


def test_every_word_of_the_language_is_in_the_vocabulary(language):
    words = set(vocabulary())
    for text, request in language.meaning.items():
        assert set(text.split()) <= words, text
        assert set(request.reply) | set(request.target) <= words, text
        assert (request.call in CALLS) == (request.topic == "delegate")


@given(st.integers(-99, 99))
def test_number_words(value):
    words = number_words(value)
    names = {w: i for i, w in enumerate(vocabulary()[5:25])}
    tens = {w: 10 * i for i, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
    sign = -1 if words[0] == "minus" else 1
    assert sign * sum(names.get(w, 0) + tens.get(w, 0) for w in words if w != "minus") == value


def test_sums_are_right(language):
    assert language.meaning["what is seven times eight"].reply == ("fifty", "six")
    assert language.meaning["calculate three minus eight"].reply == ("minus", "five")
    assert language.meaning["ten plus ten"].reply == ("twenty",)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_babble_asks_for_nothing(language, seed):
    assert not language.asks_anywhere(language.babble(np.random.default_rng(seed)).split())


def test_a_pause_never_falls_where_something_was_asked(language):
    assert language.cut_points("what is three plus four") == [1, 2, 3, 4]
    assert 3 not in language.cut_points("plot the price and the size")


def test_held_out_sentences_are_not_spoken_in_training(language):
    texts = {"request": 1.0, "babble": 0.0, "digits": 0.0, "held_out_share": 0.3}
    engines = {"espeak": {"utterances": 150, "texts_per_voice": 5}}
    for held_out in (False, True):
        plan = plan_bank(engines, texts, language, 1, held_out)
        long = [text for _, text in plan if len(text.split()) > 3]
        assert long
        assert all(is_held_out(text, 0.3) == held_out for text in long)
    assert plan == plan_bank(engines, texts, language, 1, True)


@given(st.floats(0, 100), st.floats(0, 0.5))
def test_an_act_sounds_no_earlier_than_asked_and_less_than_a_tick_later(time_s, delay_s):
    late = heard_from_s(act_after(time_s, delay_s)) - (time_s + delay_s)
    assert -1e-5 <= late < 0.2 + 1e-5


@given(st.floats(0, 100))
def test_an_answer_reads_the_last_word_and_is_in_time(end_s):
    tick = answer_after(end_s)
    assert heard_token(end_s) // 4 == tick - 1, "the last word is fed back in this very micro-turn"
    assert 0.30 - 1e-5 <= heard_from_s(tick) - end_s <= 0.50 + 1e-5


def test_frames_have_names():
    frames, seen = album(np.random.default_rng(0), 10)
    assert (frames.shape, frames.dtype) == ((10, 120, 120, 3), np.uint8)
    assert seen.shape == (10,)
    assert set(seen) <= set(range(SEEN_CLASSES))
    assert seen_class(None) == 0
    assert len({seen_class((c, s)) for c in COLOURS for s in SHAPES}) == SEEN_CLASSES - 1


def utterance(*words):
    spans = tuple((word, 0.4 * i, 0.4 * i + 0.35) for i, word in enumerate(words))
    audio = (np.ones(int(0.4 * len(words) * 16000)) * 9000).astype(np.int16)
    return BankUtterance(" ".join(words), Voice("test", "x"), audio, spans)


def test_words_are_due_after_their_end_and_a_pause_is_silent(clips):
    ids = {word: i for i, word in enumerate(vocabulary())}
    script = Script(20, clips, ids, np.random.default_rng(0))
    end_s = script.speak(utterance("two", "plus", "three"), 0.5, [(2, 1.0)])
    assert end_s == pytest.approx(0.5 + 0.8 + 1.0 + 0.35)
    due = np.flatnonzero(script.heard)
    assert [vocabulary()[script.heard[i]] for i in due] == ["two", "plus", "three"]
    ends = (due + 1) / 20
    assert np.all(ends - np.array([0.85, 1.25, 2.65]) >= 0.05 - 1e-6)
    assert np.all(ends - np.array([0.85, 1.25, 2.65]) <= 0.1 + 1e-6)
    assert not script.voice[int(1.35 * 16000) : int(2.2 * 16000)].any()
    assert script.voice[int(2.4 * 16000)] != 0


def test_hush_ends_words_floor_and_sound(clips):
    script = Script(20, clips, {word: i for i, word in enumerate(vocabulary())}, np.random.default_rng(0))
    free = script.say(["one", "two", "three"], 2, pace=3)
    assert free == 11
    script.hush(5)
    assert script.word[2]
    assert not script.word[5:].any()
    assert not script.floor[5:].any()
    assert not script.own[6 * 3200 + 160 :].any()
    assert script.own[3 * 3200 : 6 * 3200].any()


def test_scenes_are_consistent(composer):
    words = vocabulary()
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(12):
        scene = composer.scene(rng, 28.0, MIX)
        assert scene.microphone.shape == scene.own.shape == (140 * 3200,)
        assert np.abs(scene.microphone).max() <= 1
        assert ((scene.word > 0) <= (scene.floor == 2)).all()  # what is said is said with the floor
        sounding = np.abs(scene.own).reshape(140, 3200)[:, 160:].max(1) > 0.02  # past the fade of a word cut off
        assert (sounding[1:] <= (scene.floor[:-1] == 2)).all()  # and heard one tick later
        for k in np.flatnonzero(scene.call):
            assert words[scene.word[k]] == "on"
        due = np.flatnonzero(scene.countdown == 1)
        assert all(words[scene.word[k]] == "now" or scene.word[k] == scene.promised[k] for k in due)
        seen |= {name for name, there in (("call", scene.call.any()), ("due", len(due)), ("camera", scene.frames),
                                          ("typed", scene.words_in)) if there}  # fmt: skip
    assert seen == {"call", "due", "camera", "typed"}


def test_same_seed_same_scene(composer):
    a, b = (composer.scene(np.random.default_rng(9), 12.0, MIX) for _ in range(2))
    assert np.array_equal(a.microphone, b.microphone)
    assert np.array_equal(a.word, b.word)
    assert a.words_in == b.words_in


@pytest.fixture(scope="module")
def small():
    return NanoConfig(
        tuple(vocabulary()), (NONE, *CALLS), width=48, layers=2, heads=3, window=60, pinned=8, patch_width=16
    )


def test_some_scenes_begin_as_sessions_do(composer, small):
    rng = np.random.default_rng(5)
    scenes = [composer.scene(rng, 6.0, {"dense": 1.0}) for _ in range(40)]
    at_once = [scene for scene in scenes if any(tick < 1 for tick in scene.words_in)]
    assert at_once, "nobody types in the first micro-turn"
    assert any((scene.word[:3] > 0).any() for scene in at_once), "what is typed at once is not answered at once"
    fresh = pack(scenes, small, MelLevels(small), rng, deaf=True).tick0 == 0
    assert 4 <= int(fresh.sum()) <= 30
    for scene in scenes:
        scene.before = [(-3, 5, 0)]
    assert (pack(scenes, small, MelLevels(small), rng, deaf=True).tick0 > 0).all(), "a new stream has no past"


def test_reach_is_causal_windowed_and_keeps_words(composer, small):
    rng = np.random.default_rng(3)
    batch = pack([composer.scene(rng, 20.0, MIX) for _ in range(2)], small, MelLevels(small), rng)
    reach = in_reach(batch, small.window, small.pinned)[:, 0]
    n = reach.shape[-1]
    rank = torch.arange(n)
    assert not reach[:, rank[:, None] < rank[None, :]].any()
    assert reach[:, rank, rank].all()
    far = rank[None, :] < (batch.tick_start[0] - small.window)[:, None]
    seen_far = reach[0] & far
    assert seen_far.any()
    assert (seen_far <= batch.is_word[0][None, :]).all()
    assert int(seen_far.sum(1).max()) <= small.pinned


def test_a_network_learns_a_batch_by_heart(composer, small):
    torch.manual_seed(0)
    rng = np.random.default_rng(3)
    batch = pack([composer.scene(rng, 10.0, MIX) for _ in range(2)], small, MelLevels(small), rng)
    network, helpers = Network(small), Helpers(small)
    optimiser = torch.optim.AdamW([*network.parameters(), *helpers.parameters()], lr=3e-3)
    losses = []
    for _ in range(40):
        loss, log = grade(network, helpers, batch, acting=True)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]
    assert set(log) >= {"heard_recall", "word_recall", "call_recall"}


def test_without_sound_the_same_words_ask_for_the_same_acts(composer, small):
    scenes = [composer.scene(np.random.default_rng(3), 10.0, MIX) for _ in range(2)]
    hearing, deaf = (
        pack(scenes, small, MelLevels(small), np.random.default_rng(1), augment=False, deaf=deaf)
        for deaf in (False, True)
    )
    assert deaf.deaf
    assert not hearing.deaf
    for name in ("words", "word_tick", "word", "floor", "call", "countdown", "said"):
        assert torch.equal(getattr(hearing, name), getattr(deaf, name))
    assert deaf.source.shape[1] == hearing.source.shape[1] - 4 * 50
    torch.manual_seed(0)
    network, helpers = Network(small), Helpers(small)
    loss, log = grade(network, helpers, deaf, acting=True)
    loss.backward()
    assert "heard" not in log
    assert network.heard_head.weight.grad is None
    assert float(network.word_head.weight.grad.abs().max()) > 0
    acts = forward(network, deaf)[1]
    assert acts.shape == (2, 50, small.width)
    assert torch.isfinite(acts).all()


@given(st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_other_vocal_tracts_keep_the_order_of_the_bands(seed):
    filters = mel_filterbank(40, 400, warp=vocal_tract(np.random.default_rng(seed), 40))
    assert torch.isfinite(filters).all()
    assert torch.allclose(filters.sum(0), torch.ones(40), atol=1e-4)
    centres = (filters * torch.arange(len(filters))[:, None]).sum(0)
    assert (centres.diff() >= 0).all()


def test_a_masked_band_is_narrow_and_lasts_the_whole_scene():
    levels = mask_bands(torch.full((200, 6, 40), 9, dtype=torch.uint8), np.random.default_rng(1))
    lost = (levels == 0).any(1)
    assert torch.equal(lost, (levels == 0).all(1))
    widths = lost.sum(1)
    assert 0 < int(widths.max()) <= MASK_BINS
    assert 0.25 < float((widths > 0).float().mean()) < 0.55


def test_ears_learn_words_by_heart_without_the_decoder(composer):
    torch.manual_seed(0)
    config = NanoConfig(
        tuple(vocabulary()), (NONE, *CALLS), width=48, layers=1, heads=3, patch_width=16, mel_hop=200, stem_width=64
    )
    rng = np.random.default_rng(3)
    batch = pack([composer.scene(rng, 8.0, {"dense": 1.0})], config, MelLevels(config), rng)
    network, helpers = Network(config), Helpers(config)
    optimiser = torch.optim.AdamW([*network.parameters(), *helpers.parameters()], lr=3e-3)
    first, recalls = {name: value.clone() for name, value in network.state_dict().items()}, []
    for _ in range(60):
        loss, log = grade_ears(helpers, hear(network, batch), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        recalls.append(log["ears_recall"])
    assert recalls[0] < 0.2
    assert recalls[-1] > 0.9
    changed = {
        name.split(".")[0] for name, value in network.state_dict().items() if not torch.equal(value, first[name])
    }
    assert changed == {"ears"}


RECIPE = """
seed = 3
out = "model"
work = "work"
network = {{ width = 48, layers = 1, heads = 3, window = 60, pinned = 8, patch_width = 16 }}
voice = {{ engine = "flite", name = "kal16" }}
bank.espeak = {{ utterances = 60, texts_per_voice = 60 }}
digits = {{ folder = "nowhere", held_out = [] }}
texts = {{ request = 0.8, babble = 0.1, digits = 0.1, held_out_share = 0.1 }}
optimiser = {{ muon_lr = 0.02, adam_lr = 0.002, weight_decay = 0.0, warmup_steps = 3 }}
[[stage]]
name = "hearing"
minutes = {minutes}
rate = 1.0
cool = true
scene_s = 6.0
batch = 2
mix = {{ dense = 1.0 }}
"""


def test_training_goes_from_nothing_to_a_model_and_resumes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(RECIPE.format(minutes=0.05))
    monkeypatch.setattr(Composer, "utterance", lambda self, rng, family: self.bank[int(rng.integers(len(self.bank)))])
    assert train.main(["recipe.toml", "--threads", "1"]) == 0
    first = capsys.readouterr().out
    assert "from nothing" in first
    assert "no recorded digits" in first
    model = load_nano(tmp_path / "model")
    assert model.config.layers == 1
    steps = json.loads(Path("model/training.json").read_text())["steps"]
    assert steps > 0
    before = load_file("model/weights.safetensors")
    stage = '[[stage]]\nname = "seeing"\nminutes = {minutes}\nrate = 1.0\ncool = false\npictures = 8\n'
    Path("recipe.toml").write_text((RECIPE + stage).format(minutes=0.05))
    assert train.main(["recipe.toml", "--threads", "1"]) == 0
    assert "resumed at step" in capsys.readouterr().out
    assert json.loads(Path("model/training.json").read_text())["steps"] > steps
    after = load_file("model/weights.safetensors")
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"patches"}, "pictures alone teach the eyes and nothing else"
    onward = RECIPE.format(minutes=0.03).replace('out = "model"', 'out = "onward"\nstart = "model"')
    Path("recipe.toml").write_text(onward)
    for settling, same in ((10_000, True), (0, False)):  # new heads learn alone first, and then all do
        monkeypatch.setattr(train, "SETTLING_STEPS", settling)
        assert train.main(["recipe.toml", "--threads", "1", "--fresh"]) == 0
        assert "from the weights in model" in capsys.readouterr().out
        began, ended = load_file("model/weights.safetensors"), load_file("onward/weights.safetensors")
        assert all(torch.equal(began[name], ended[name]) for name in began) == same
        if same:  # stopped while they settle and gone on with: they still do
            monkeypatch.setattr(train, "SETTLING_STEPS", 0)
            Path("recipe.toml").write_text(onward.replace("minutes = 0.03", "minutes = 0.06"))
            assert train.main(["recipe.toml", "--threads", "1"]) == 0
            assert "resumed at step" in capsys.readouterr().out
            ended = load_file("onward/weights.safetensors")
            assert all(torch.equal(began[name], ended[name]) for name in began)
            Path("recipe.toml").write_text(onward)
    told = [json.loads(Path(folder, "training.json").read_text()) for folder in ("model", "onward")]
    assert told[1]["steps"] > told[0]["steps"]
    assert told[1]["minutes"] >= told[0]["minutes"]


@pytest.mark.parametrize(
    ("truth", "guess", "errors"),
    [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a", "a a", 1), ("", "x", 1), ("a b", "c d", 2)],
)
def test_word_errors(truth, guess, errors):
    assert word_errors(truth.split(), guess.split()) == errors


def test_the_card_holds_the_numbers_of_the_file(tmp_path):
    folder = Path(__file__).parents[2] / "models" / "nano"
    for name in ("scores.json", "training.json", "README.md"):
        (tmp_path / name).write_text((folder / name).read_text())
    before = (tmp_path / "README.md").read_text()
    assert card.main([str(tmp_path)]) == 0
    assert (tmp_path / "README.md").read_text() == before, "run python -m imkit.training.card models/nano"


def test_the_shipped_recipe_fits_the_shipped_model():
    """Sizes are the recipe's. The language has grown since: what the shipped weights know is where it begins."""
    folder = Path(__file__).parents[2] / "models" / "nano"
    recipe = tomllib.loads((folder / "recipe.toml").read_text())
    shipped, now = NanoConfig.load(folder / "config.json"), workers.network_config(recipe)
    assert {name: getattr(shipped, name) for name in recipe["network"]} == recipe["network"]
    assert shipped.vocabulary == now.vocabulary[: len(shipped.vocabulary)]
    assert shipped.calls == now.calls[: len(shipped.calls)]
    known = len(shipped.vocabulary) - 5
    for page in (folder / "README.md", folder.parents[1] / "README.md"):
        assert f"knows {known} words" in page.read_text(), page


def test_what_is_wanted_is_compared_when_it_appears():
    """Every target, everything that may appear: a match is exactly what a reader of the words would say."""
    for target in [("red",), ("circle",), ("blue", "square"), ()]:
        for colour in COLOURS:
            for shape in SHAPES:
                in_view = np.array([[0, seen_class((colour, shape)), seen_class((colour, shape)), 0]])
                wanted = np.full_like(in_view, wanted_class(target))
                fits = int(all(word in (colour, shape) for word in target))
                assert matches(wanted, in_view).tolist() == [[-100, fits if target else -100, -100, -100]]


def test_watching_scenes_say_only_what_was_asked_for(composer):
    rng, named, passed_over = np.random.default_rng(5), 0, 0
    for _ in range(12):
        scene = composer.scene(rng, 24.0, {"spot": 1.0}, video_share=1.0)
        in_view = np.array([[seen_class(scene.shown.get(k)) for k in range(scene.ticks)]])
        match = matches(scene.wanted[None], in_view)[0]
        for k in np.flatnonzero(match >= 0):
            assert (scene.word[k] > 0) == bool(match[k])
            named, passed_over = named + int(match[k]), passed_over + 1 - int(match[k])
    assert named > 10
    assert passed_over > 10

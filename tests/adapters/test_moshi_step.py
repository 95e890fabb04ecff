"""Moshi's step gives what transformers gives, where transformers can be asked."""

import copy

import pytest
import torch
from fakes_guests import tiny_moshi

from imkit.adapters.moshi_step import Sampling, Stepper, choose
from imkit.stream import ModelError

GREEDY = Sampling(greedy=True)


@pytest.fixture(scope="module")
def model():
    return tiny_moshi()


def stream(stepper, user, sampling, seed=0):
    """Text tokens [frames + 1] and own frames [codebooks, frames] for the user's [codebooks, frames]."""
    state = stepper.open(seed)
    steps = [stepper.step(state, frame, sampling) for frame in user.T]
    return torch.cat([text for text, _ in steps]), torch.stack([own for _, own in steps], 1), state


def some_codes(frames, seed=0):
    return torch.randint(64, (8, frames), generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_with_a_user_who_is_silent_it_is_what_generate_gives(model):
    blank = model.audio_encoder.encode(torch.zeros(1, 1, 1920), num_quantizers=8).audio_codes[0]
    asked = model.generate(max_new_tokens=13, do_sample=False, return_audio_codes=True, return_audio_waveforms=False)
    texts, own, _ = stream(Stepper(model), blank.expand(8, 12), GREEDY)
    assert len(asked.sequences[0].unique()) > 3
    assert torch.equal(texts, asked.sequences[0, 1:14])
    assert torch.equal(own, asked.audio_codes[0, :, :12])


@torch.inference_mode()
@pytest.mark.parametrize("context", [64, 9])
def test_with_a_user_who_speaks_it_is_what_one_call_for_all_gives(model, context):
    """Every token is the likeliest in a single forward over the whole stream, laid out with its delays."""
    frames, user = 30, some_codes(30)
    texts, own, _ = stream(Stepper(model, context), user, GREEDY)
    assert not torch.equal(own, stream(Stepper(model, context), some_codes(30, 1), GREEDY)[1]), "it hears the user"
    start = model.config.audio_vocab_size

    def delayed(codes):
        late = torch.full((8, frames + 1), start)
        late[0, 1:] = codes[0]
        late[1:, 2:] = codes[1:, :-1]
        return late

    x = model.decoder.model.embed_tokens(torch.cat([torch.tensor([model.config.vocab_size]), texts[:-1]]))
    for table, codes in zip(model.embed_tokens, [*delayed(own), *delayed(user)], strict=True):
        x = x + table(codes)
    at = torch.arange(frames + 1)
    seen = (at[:, None] >= at) & (at[:, None] - at < context)
    out = model.decoder(inputs_embeds=x[None], attention_mask=seen[None, None], use_cache=False)
    assert torch.equal(out.logits[0].argmax(-1), texts)
    for p in range(frames):
        asked = model.depth_decoder.generate(
            input_ids=texts[p].view(1, 1), last_hidden_state=out.last_hidden_state[:, p : p + 1],
            min_length=9, max_length=9, do_sample=False,
        )[0, 1:]  # fmt: skip
        assert asked[0] == own[0, p]
        if p:
            assert torch.equal(asked[1:], own[1:, p - 1])


@torch.inference_mode()
def test_the_codebooks_of_a_frame_are_chosen_without_asking_the_device(model):
    """Tensors on the meta device have shapes and no values: whoever asks for one fails, as a CUDA graph would."""
    nowhere = copy.deepcopy(model).to("meta")
    hidden, text = torch.zeros(1, 32, device="meta"), torch.zeros(1, dtype=torch.long, device="meta")
    depth = Stepper(nowhere).depth
    assert depth(hidden, text, torch.zeros(8, 64, device="meta"), Sampling(top_k=5)).shape == (1, 8)
    assert depth(hidden, text, None, GREEDY).shape == (1, 8)
    with pytest.raises(RuntimeError, match="meta"):  # transformers' own forward asks once a codebook
        nowhere.depth_decoder(input_ids=text[None], last_hidden_state=hidden[None])


@torch.inference_mode()
def test_the_same_seed_says_the_same_and_a_fork_throws_the_same_dice(model):
    stepper, user = Stepper(model), some_codes(20)
    one, again, other = (stream(stepper, user, Sampling(), seed)[1] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    *_, state = stream(stepper, user, Sampling(), 3)
    fork = copy.deepcopy(state)
    gone = copy.deepcopy(state)
    for frame in some_codes(5, 7).T:
        stepper.step(gone, frame, Sampling())
    for frame in some_codes(5, 8).T:
        kept, forked = stepper.step(state, frame, Sampling()), stepper.step(fork, frame, Sampling())
        assert all(torch.equal(a, b) for a, b in zip(kept, forked, strict=True))


@torch.inference_mode()
def test_a_long_stream_keeps_no_more_than_its_context(model):
    _, own, state = stream(Stepper(model, 16), some_codes(120), Sampling())
    assert {layer.keys.shape[-2] for layer in state.cache.layers} == {15}
    assert state.cache.get_seq_length() == 121
    assert len(own[:, 60:].unique()) > 20


def test_samples_come_as_often_as_the_logits_say():
    logits = torch.tensor([[1.0, 0.0, -1.0, 3.0]])
    dice = torch.Generator().manual_seed(0)
    noise = torch.empty(4000, 4).exponential_(generator=dice).log().neg()
    counts = torch.bincount(torch.cat([choose(logits, one, 2.0, 3) for one in noise]), minlength=4)
    wanted = torch.softmax(torch.tensor([0.5, 0.0, float("-inf"), 1.5]), 0)
    assert (counts / 4000 - wanted).abs().max() < 0.03
    assert choose(logits, None, 2.0, 3).item() == 3


def test_settings_that_make_no_sense_are_refused(model):
    with pytest.raises(ModelError, match="temperatures above 0"):
        Sampling(temperature=0)
    with pytest.raises(ModelError, match="context=1"):
        Stepper(model, 1)

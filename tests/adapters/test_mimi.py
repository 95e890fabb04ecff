"""Mimi in pieces gives what Mimi in one call gives."""

import copy

import pytest
import torch
from fakes_guests import chirp, tiny_moshi

from imkit.adapters.mimi import Codec, CodecState
from imkit.stream import ModelError

PIECES = [2, 3, 2, 3, 1, 9, 2, 18]  # 40 frames; the transformers of the tiny one reach back over 8


@pytest.fixture(scope="module")
def codec():
    return Codec(tiny_moshi().audio_encoder, 8)


@pytest.fixture(scope="module")
def sound(codec):
    assert (codec.rate, codec.block) == (24_000, 1920)
    return torch.from_numpy(chirp(5))[: 40 * 1920]


@torch.inference_mode()
def test_sound_encoded_in_pieces_gives_the_same_codes(codec, sound):
    whole = codec.mimi.encode(sound[None, None], num_quantizers=8).audio_codes[0]
    state = CodecState()
    pieces = [codec.encode(state, one) for one in sound.split([1920 * count for count in PIECES])]
    assert whole.shape == (8, 40)
    assert len(whole.unique()) > 20, "codes that are all alike prove nothing"
    assert torch.equal(torch.cat(pieces, 1), whole)


@torch.inference_mode()
def test_codes_decoded_in_pieces_give_the_same_sound(codec):
    codes = torch.randint(64, (8, 40), generator=torch.Generator().manual_seed(0))
    whole = codec.mimi.decode(codes[None]).audio_values[0, 0]
    state = CodecState()
    pieces = torch.cat([codec.decode(state, one) for one in codes.split(PIECES, 1)])
    assert pieces.shape == whole.shape == (40 * 1920,)
    assert (pieces - whole).abs().max() < 1e-5 * whole.abs().max()


@torch.inference_mode()
def test_a_fork_goes_its_own_way(codec):
    codes = torch.randint(64, (8, 12), generator=torch.Generator().manual_seed(1))
    state = CodecState()
    codec.decode(state, codes[:, :4])
    fork = copy.deepcopy(state)
    codec.decode(fork, codes[:, 8:])
    fresh = CodecState()
    codec.decode(fresh, codes[:, :4])
    assert torch.equal(codec.decode(state, codes[:, 4:8]), codec.decode(fresh, codes[:, 4:8]))


def test_a_codec_that_looks_ahead_is_refused():
    mimi = tiny_moshi().audio_encoder
    mimi.config.use_causal_conv = False
    with pytest.raises(ModelError, match="cannot be streamed"):
        Codec(mimi, 8)

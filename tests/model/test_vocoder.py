import numpy as np
import pytest
import torch

from imkit.model.acoustic import FRAMES, MOST_TICKS, Acoustic
from imkit.model.vocoder import DELAY, DELAY_HOPS, HOP, PIECES, WINDOW, LogMel, Vocoder


def small_vocoder() -> Vocoder:
    torch.manual_seed(0)
    return Vocoder(bins=8, width=16, layers=2, expansion=2)


@pytest.mark.parametrize("piece", [1, 3, 20])
def test_a_stream_in_pieces_sounds_like_the_whole(piece):
    vocoder, mel = small_vocoder(), torch.randn(1, 60, 8)
    state, overlap = vocoder.empty()
    out = []
    for at in range(0, 60, piece):
        sound, state, overlap = vocoder(mel[:, at : at + piece], state, overlap)
        out.append(sound)
    torch.testing.assert_close(torch.cat(out, 1), vocoder.whole(mel), atol=1e-6, rtol=0)


def test_sound_waits_for_no_more_than_20_ms_of_mel():
    vocoder, mel = small_vocoder(), torch.randn(1, 40, 8)
    other = mel.clone()
    other[:, 25:] += 1
    before, after = vocoder.whole(mel), vocoder.whole(other)
    assert torch.equal(before[:, : 25 * HOP], after[:, : 25 * HOP])
    assert not torch.allclose(before[:, 25 * HOP : 26 * HOP], after[:, 25 * HOP : 26 * HOP])
    assert DELAY == 320  # so sample n of the sound is sample n - 320 of what the mel frames were taken from


def test_exact_spectra_come_back_as_the_sound_they_were_taken_from():
    vocoder, mel = small_vocoder(), LogMel(8)
    sound = torch.randn(1, 30 * HOP)
    frames = torch.nn.functional.pad(sound, (DELAY, 0)).unfold(1, WINDOW, HOP)
    turned = torch.fft.rfft(frames * mel.taper)
    pieces = (torch.cat([turned.real, turned.imag], -1) @ vocoder.basis).unflatten(-1, (PIECES, HOP))
    whole = pieces[:, DELAY_HOPS:, 0] + pieces[:, 1:-1, 1] + pieces[:, :-DELAY_HOPS, 2]
    torch.testing.assert_close(whole.flatten(1), sound[:, : -DELAY_HOPS * HOP], atol=1e-4, rtol=0)


def test_a_mel_frame_ends_with_its_hop():
    mel = LogMel(40)
    sound = torch.zeros(1, 20 * HOP)
    sound[:, 10 * HOP + 80] = 0.5
    assert torch.isclose(mel(torch.zeros(1, HOP)), torch.tensor(LogMel.silence), atol=1e-5).all()
    loud = (mel(sound)[0] > LogMel.silence + 0.1).any(-1)
    assert np.flatnonzero(loud.numpy()).tolist() == [10, 11, 12]


def test_words_cut_into_micro_turns_give_the_mel_of_the_whole():
    torch.manual_seed(0)
    acoustic = Acoustic(words=5, bins=8, score_width=4, width=16, layers=2, expansion=2)
    torch.nn.init.normal_(acoustic.head.weight)  # zero at the start of training; here it must matter
    word = torch.tensor([[1, 1, 3, 3, 0, 4]])
    age = torch.tensor([[0, 1, 0, MOST_TICKS - 1, 0, 0]])
    cut = torch.tensor([[0, 0, 0, 1, 0, 0]])
    whole, _ = acoustic(word, age, cut, acoustic.empty())
    assert whole.shape == (1, 6 * FRAMES, 8)
    state, out = acoustic.empty(), []
    for i in range(6):
        mel, state = acoustic(word[:, i : i + 1], age[:, i : i + 1], cut[:, i : i + 1], state)
        out.append(mel)
    torch.testing.assert_close(torch.cat(out, 1), whole, atol=1e-6, rtol=0)
    other, _ = acoustic(word, age, torch.zeros_like(cut), acoustic.empty())
    assert not torch.allclose(other[:, 3 * FRAMES :], whole[:, 3 * FRAMES :])  # giving up the floor is heard
    assert torch.equal(other[:, : 3 * FRAMES], whole[:, : 3 * FRAMES])


def test_an_acoustic_decoder_starts_with_the_words_it_should_say():
    torch.manual_seed(0)
    acoustic = Acoustic(words=3, bins=8, score_width=6, width=16, layers=2, expansion=2)
    shapes = torch.randn(4, 40)  # all that is said is made of four shapes of 50 ms, so six numbers can say it
    frames = LogMel.silence + (torch.randn(3, 3 * 4, 4) @ shapes).reshape(3, 3 * FRAMES, 8)
    frames[0] = LogMel.silence
    acoustic.begin_with(frames)
    word, age, cut = torch.tensor([[1, 1, 2, 2, 0]]), torch.tensor([[0, 1, 0, 1, 0]]), torch.tensor([[0, 0, 0, 1, 0]])
    said, _ = acoustic(word, age, cut, acoustic.empty())
    torch.testing.assert_close(said[0, : 2 * FRAMES], frames[1, : 2 * FRAMES], atol=1e-4, rtol=0)
    torch.testing.assert_close(said[0, 2 * FRAMES : 3 * FRAMES], frames[2, :FRAMES], atol=1e-4, rtol=0)
    torch.testing.assert_close(said[0, 3 * FRAMES + 5 :], torch.full((35, 8), LogMel.silence))  # cut, then silence

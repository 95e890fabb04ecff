"""Why: one call from a moment to lens, attention and attribution, its sentences made from their numbers."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_talk import tiny_nano, tiny_talk

from imkit.probe import ProbeError, Why
from imkit.recordings import open_recording, record
from imkit.session import Origin, Snapshots
from imkit.stream import Ledger


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory):
    return tiny_nano(tmp_path_factory.mktemp("nano"), layers=3)


@pytest.fixture(scope="module")
def timeline(nano):
    return tiny_talk(nano, 16)


@pytest.fixture(scope="module")
def found(timeline) -> Why:
    return timeline.why(3.13, "floor", back_s=1.6, n_steps=24)


def test_it_is_of_the_micro_turn_in_which_the_moment_lies(found, timeline) -> None:
    assert (found.attribution.at_s, found.attribution.start_s) == pytest.approx((3.0, 1.6))
    assert found.lens.positions.start_s[found.row] == pytest.approx(3.0)
    assert found.attention.positions.start_s[found.row] == pytest.approx(3.0)
    floor = str(timeline[15].act.floor)
    assert found.attribution.answer == floor or timeline[15].act.words
    assert found.attribution.incorrect != found.attribution.answer


def test_its_sentences_say_the_numbers(found) -> None:
    first, second = found.sentences
    probs = found.lens.probs[-1, found.row]
    assert f"At 3.0 s it decided {found.attribution.answer} ({probs.max():.2f}" in first
    strongest = max(found.attribution.sums().values(), key=abs)
    assert f"{strongest:+.1f}".replace("-", "−") in second
    gap = found.attribution.output_value - found.attribution.baseline_value
    assert (
        f"moved {found.attribution.answer} over {found.attribution.incorrect} by {gap:+.1f}".replace("-", "−") in second
    )
    assert "held as it was" in second
    assert repr(found) == f"{first}\n{second}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_figure_has_timeline_lens_attention_and_attribution(found, theme) -> None:
    fig = found.figure(theme)
    texts = " ".join(note.text for note in fig.layout.annotations)
    for wanted in ("microphone", "words", "the lens", "attention by stream", "At 3.0 s it decided"):
        assert wanted in texts
    bars = [trace for trace in fig.data if trace.xaxis == "x90"]
    answer = found.lens.classes.index(found.attribution.answer)
    assert np.allclose(bars[0].x, found.lens.probs[:, found.row, answer])
    (map_,) = [trace for trace in fig.data if trace.xaxis == "x91"]
    shown = found.attention.weights[:, :, found.row].mean(1).T[::-1]
    assert np.allclose(np.asarray(map_.z, float), shown, equal_nan=True)
    assert fig.layout.xaxis.domain[1] < fig.layout.xaxis90.domain[0] < 1


@pytest.mark.parametrize("output", ["words", "heard", "call"])
def test_of_every_output(timeline, output) -> None:
    found = timeline.why(3.08, output, back_s=0.6, n_steps=3)
    assert found.lens.output == output
    at = found.lens.positions
    assert at.start_s[found.row] == pytest.approx(3.05 if output == "heard" else 3.0)
    assert found.lens.probs[-1, found.row].argmax() == found.lens.decision.number(found.attribution.answer)


def test_a_class_and_another_can_be_asked_for(timeline) -> None:
    found = timeline.why(3.0, target="backchannel", incorrect="listen", back_s=0.4, n_steps=3)
    assert (found.attribution.answer, found.attribution.incorrect) == ("backchannel", "listen")
    assert "moved backchannel over listen" in found.sentences[1]


def test_from_a_state_that_was_kept_it_is_the_same(nano, timeline, found) -> None:
    kept, state = Snapshots(every_s=1.0), nano.open(timeline.origin.config)
    for moment in timeline:
        if kept.due(moment.index):
            kept.take(moment.index, state, Ledger(timeline.output_rate))
        _, state = nano.step(state, moment.percept)
    late = timeline.between(1.0)
    late.origin = Origin(nano)
    with pytest.raises(ProbeError, match="snapshots"):
        late.why(3.13, "floor", back_s=1.6, n_steps=24)
    late.origin = Origin(nano, snapshots=kept)
    assert late.why(3.13, "floor", back_s=1.6, n_steps=24).sentences == found.sentences


def test_from_a_recording(timeline, nano, tmp_path) -> None:
    played = open_recording(record(timeline, tmp_path / "talk")).timeline()
    found = played.why(3.13, "floor", back_s=1.6, n_steps=24, model=nano)
    (logits,) = played.run_with_cache("floor.hook_out", 3.0, model=nano)[1]["floor.hook_out"][0].numpy()
    assert np.allclose(found.lens.logits[-1, found.row], logits, atol=1e-5)


def test_a_moment_that_is_not_there_is_said(timeline) -> None:
    with pytest.raises(ProbeError, match="no moment"):
        timeline.why(60.0)
    with pytest.raises(ProbeError, match="0 or more"):
        timeline.why(-1.0)
    with pytest.raises(ProbeError, match="back_s=60"):
        timeline.why(3.0, back_s=60)


def test_a_word_that_the_floor_alone_would_not_have_said_is_what_is_explained(timeline) -> None:
    outputs = []
    for moment in timeline.moments[4:10]:
        found = timeline.why(moment.start_s + 0.1, n_steps=8)
        floor = timeline.why(moment.start_s + 0.1, "floor", n_steps=8)
        silent = floor.lens.classes[int(floor.lens.logits[-1, floor.row].argmax())] == "listen"
        assert found.lens.output == ("words" if silent and moment.act.words else "floor")
        outputs.append(found.lens.output)
    assert "words" in outputs  # a network that learned nothing says words that its floor knows nothing of

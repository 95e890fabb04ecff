"""Integrated gradients: complete, equal to captum's, and of the very computation that the model does tick by tick."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_talk import tiny_nano, tiny_talk

from imkit.probe import IntegratedGradients, ProbeError, attribute, run_with_cache
from imkit.probe.again import begin
from imkit.probe.inside import Inside
from imkit.probe.unroll import Recorder, Unrolled


@pytest.fixture(scope="module", params=["levels", "stem"])
def nano(tmp_path_factory: pytest.TempPathFactory, request):
    stem = {"stem_width": 8, "mel_hop": 200} if request.param == "stem" else {}
    return tiny_nano(tmp_path_factory.mktemp("nano"), **stem)


@pytest.fixture(scope="module")
def timeline(nano):
    return tiny_talk(nano, 16)


def small(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    both = torch.stack([(x.flatten(1) ** 2).sum(1) * y.flatten(1).sum(1), y.flatten(1).exp().sum(1)], 1)
    return torch.tanh(both / 3)


def test_of_a_line_it_is_what_each_input_adds() -> None:
    weight, x = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([[1.0, 2.0, 4.0]])
    found = IntegratedGradients(lambda one: one @ weight).attribute(x, torch.ones(3), n_steps=3)
    assert torch.allclose(found, torch.tensor([[0.0, -2.0, 1.5]]))
    plain = IntegratedGradients(lambda one: one @ weight, multiply_by_inputs=False).attribute(x, n_steps=1)
    assert torch.allclose(plain, weight[None])


def test_it_is_complete_and_the_batch_inside_does_not_matter() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(2, 3, 2), torch.randn(2, 4)
    method = IntegratedGradients(small)
    found, delta = method.attribute((x, y), (0.0, torch.ones(2, 4)), target=1, return_convergence_delta=True)
    assert delta.abs().max() < 1e-5
    whole = found[0].flatten(1).sum(1) + found[1].sum(1)
    zero, one = torch.zeros_like(x), torch.ones(2, 4)
    assert torch.allclose(whole, (small(x, y) - small(zero, one))[:, 1], atol=1e-5)
    again = method.attribute((x, y), (0.0, torch.ones(2, 4)), target=1, internal_batch_size=6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, again, strict=True))
    rough = method.attribute((3 * x, y), 0.0, target=0, n_steps=1, return_convergence_delta=True)[1]
    assert rough.abs().max() > 1e-2


def test_adaptive_puts_its_points_where_the_output_goes_over() -> None:
    def steep(x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(400 * (x.sum(1) - 1.23)) + 0.1 * x[:, 0]

    x = torch.tensor([[1.0, 0.5, 0.5]])
    even, adaptive = (
        IntegratedGradients(steep).attribute(x, n_steps=60, method=method, return_convergence_delta=True)
        for method in ("gausslegendre", "adaptive")
    )
    assert abs(even[1]) > 0.05
    assert abs(adaptive[1]) < 0.03
    assert torch.allclose(adaptive[0], torch.tensor([[0.6, 0.25, 0.25]]), atol=0.03)


def test_captum_finds_the_same() -> None:
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    given = (torch.randn(2, 3, 2), torch.randn(2, 4)), (0.0, torch.ones(2, 4))
    more = {"target": 1, "n_steps": 7, "return_convergence_delta": True}
    (a, b), delta = attr.IntegratedGradients(small).attribute(*given, internal_batch_size=4, **more)
    (mine_a, mine_b), mine_delta = IntegratedGradients(small).attribute(*given, internal_batch_size=4, **more)
    for one, other in ((a, mine_a), (b, mine_b), (delta, mine_delta)):
        assert torch.allclose(one.float(), other, atol=1e-5)


def test_wrong_arguments_are_said() -> None:
    method = IntegratedGradients(small)
    x, y = torch.randn(1, 3, 2), torch.randn(1, 4)
    with pytest.raises(ProbeError, match="n_steps=0"):
        method.attribute((x, y), n_steps=0)
    with pytest.raises(ProbeError, match="target="):
        method.attribute((x, y))
    with pytest.raises(ProbeError, match="baseline is"):
        method.attribute((x, y), (torch.zeros(7), 0.0), target=0)


def unrolled_of(timeline, start_s: float, end_s: float, output: str = "floor", part: int = 0) -> Unrolled:
    with Inside(timeline.origin.seated()) as inside:
        recorder = Recorder(inside)
        list(begin(timeline, True, inside, start_s, end_s, print).through(recorder))
        return Unrolled(recorder, output, part)


@pytest.mark.parametrize(
    ("output", "site", "part"), [("floor", "floor", 0), ("words", "voice", 0), ("heard", "heard", 2)]
)
def test_unrolled_is_what_the_model_does_tick_by_tick(timeline, output, site, part) -> None:
    unrolled = unrolled_of(timeline, 1.2, 3.2, output, part)
    logits = unrolled(*unrolled.inputs.values())[0]
    cache = run_with_cache(timeline, f"{site}.hook_out", 3.0)[1]
    assert torch.allclose(logits, cache[f"{site}.hook_out"][0, part], atol=1e-4)
    assert set(unrolled.inputs) == {"microphone", "own", "acts", "clock", "words", "pictures"}
    # In ten micro-turns the ring of 40 tokens has let go of most: without that it is not the same.
    unrolled._bias[...] = torch.where(torch.isinf(unrolled._bias), 0.0, unrolled._bias).tril(unrolled._bias.shape[-1])
    assert not torch.allclose(unrolled(*unrolled.inputs.values())[0], logits, atol=1e-2)


def test_attributions_sum_to_the_difference_to_the_baseline(timeline) -> None:
    found = attribute(timeline, 3.1, "speak", "listen", back_s=1.6, n_steps=48)
    unrolled = unrolled_of(timeline, 1.6, 3.2)
    ends = [
        unrolled(*one.values())[0] for one in (unrolled.inputs, {k: unrolled.baselines[k] for k in unrolled.inputs})
    ]
    wanted = [float(one[2] - one[0]) for one in ends]
    assert found.output_value == pytest.approx(wanted[0], abs=1e-4)
    assert found.baseline_value == pytest.approx(wanted[1], abs=1e-4)
    assert sum(found.sums().values()) == pytest.approx(
        wanted[0] - wanted[1], abs=0.05 * max(1, abs(wanted[0] - wanted[1]))
    )
    assert found.delta == pytest.approx(sum(found.sums().values()) - (wanted[0] - wanted[1]), abs=1e-4)


def test_shapes_and_times(timeline, nano) -> None:
    found = attribute(timeline, 3.1, back_s=1.0, n_steps=2)
    mel = 5 * nano.config.mel_frames
    assert {name: one.shape for name, one in found.values.items()} == {
        "microphone": (mel, 40),
        "own": (mel, 40),
        "acts": (5,),
        "clock": (5,),
        "words": (len(found.words),),
        "pictures": (1, 3, 3),
    }
    assert (found.at_s, found.start_s) == (3.0, 2.2)
    assert found.positions["microphone"].start_s[[0, -1]] == pytest.approx([2.2, 3.2 - 1.0 / mel])
    assert "background" in found.positions["words"].stream
    assert found.over_time("words").sum() == pytest.approx(found.sums()["words"], abs=1e-5)
    assert found.over_time("microphone").shape == (5,)


def test_what_was_silent_or_is_held_gets_nothing(timeline) -> None:
    found = attribute(timeline, 3.1, "speak", back_s=1.0, n_steps=2)
    silent = found.positions["microphone"].index % 5 <= 1
    late = found.positions["microphone"].slot > 2  # the first frames of a micro-turn still reach into the one before
    assert np.abs(found.values["microphone"][silent & late]).max() == 0
    assert np.abs(found.values["microphone"][~silent]).max() > 0
    only = attribute(timeline, 3.1, "speak", of=["words"], back_s=1.0, n_steps=2)
    assert list(only.values) == ["words"]


def test_it_reaches_no_further_than_where_the_model_was_opened(timeline) -> None:
    assert attribute(timeline, 0.3, back_s=2.0, n_steps=1).start_s == 0.0
    other = timeline.between()
    other.origin = type(timeline.origin)(timeline.origin.model, opened=(0, 12))
    assert attribute(other, 3.1, back_s=2.0, n_steps=1).start_s == pytest.approx(2.4)


def test_what_cannot_be_attributed_is_said(timeline) -> None:
    for given, said in (
        ({"at_s": 3.0, "back_s": 9.0}, "0.2 to 6.0 s"),
        ({"at_s": 3.0, "target": "sing"}, "listen, backchannel, speak"),
        ({"at_s": 3.0, "of": ["sound"]}, "'microphone'"),
        ({"at_s": 0.3, "of": ["pictures"]}, "none of it came in"),
        ({"at_s": 90.0}, "no moment"),
    ):
        with pytest.raises(ProbeError, match=said):
            attribute(timeline, n_steps=1, **given)

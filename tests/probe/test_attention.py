"""Attention by stream: it sums to one, agrees with the pattern, and what is out of reach is no zero."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_talk import tiny_nano, tiny_talk

from imkit.probe import ProbeError, attention_by_stream, attention_figure, run_with_cache
from imkit.views.attention_figure import MOST_CELLS, attention_matrix
from imkit.views.attention_grid import attention_grid


def patterns(name: str) -> bool:
    return name.endswith("hook_pattern")


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory):
    return tiny_nano(tmp_path_factory.mktemp("nano"), layers=3, pinned=4)


@pytest.fixture(scope="module")
def cache(nano):
    return run_with_cache(tiny_talk(nano, 20), patterns, start_s=1.0)[1]


def test_over_all_streams_it_sums_to_one(cache) -> None:
    for query, rows in (("act", 15), ("audio", 60)):
        found = attention_by_stream(cache, query)
        assert found.weights.shape == (3, 3, rows, len(found.streams))
        assert np.allclose(np.nansum(found.weights, -1), 1, atol=1e-5)
        assert (np.isnan(found.weights[0, 0]) == (found.reach == 0)).all()
    assert "told by background" in found.streams
    assert "camera" in found.streams


def test_it_is_the_pattern_summed(cache) -> None:
    found = attention_by_stream(cache)
    for row, at_s in ((3, 1.6), (14, 3.8)):
        now = cache.at(at_s)
        pattern = now["pattern", 2][0, :, -1].numpy()
        keys = now.key_positions
        before = (keys.stream == "audio") & (keys.index < now.index[0])
        told = keys.stream == "background"
        for name, of in (
            ("audio before", before),
            ("told by background", told),
            ("act now", keys.start_s > at_s - 0.1),
        ):
            wanted = of & (keys.stream == "act") if name == "act now" else of
            column = found.streams.index(name)
            held = np.isfinite(pattern[0]) & wanted
            assert found.reach[row, column] == held.sum()
            if held.any():
                assert np.allclose(found.weights[2, :, row, column], np.nansum(pattern[:, wanted], -1), atol=1e-6)
            else:
                assert np.isnan(found.weights[2, :, row, column]).all()


def test_what_has_left_the_ring_is_told_from_what_never_was(nano) -> None:
    timeline = tiny_talk(nano, 20)
    found = attention_by_stream(run_with_cache(timeline, patterns)[1])
    before = found.streams.index("audio before")
    assert found.left[0].sum() == 0
    assert np.isnan(found.weights[0, 0, 0, before])  # there was nothing before
    assert found.left[-1, before] > 0
    assert (found.reach + found.left)[-1, before] == 4 * 19


def test_one_layer_and_one_head(cache) -> None:
    found = attention_by_stream(cache)
    assert np.array_equal(found.of(1, 2), found.weights[1, 2], equal_nan=True)
    assert np.allclose(np.nan_to_num(found.of(1)), np.nan_to_num(found.weights[1].mean(0)))
    with pytest.raises(ProbeError, match="layer=7"):
        found.of(7)
    with pytest.raises(ProbeError, match="0 to 2"):
        found.of(head=3)


def test_what_was_not_kept_is_said(cache, nano) -> None:
    with pytest.raises(ProbeError, match="hook_pattern"):
        attention_by_stream(run_with_cache(tiny_talk(nano, 4), "hook_embed")[1])
    with pytest.raises(ProbeError, match="no such token"):
        attention_by_stream(cache, "microphone")
    with pytest.raises(ProbeError, match="head=5"):
        attention_figure(cache, 1, 5)


def test_strips_mark_what_is_out_of_reach(cache) -> None:
    found = attention_by_stream(cache)
    found.left[:4, 0] = 2
    found.reach[:4, 0] = 0
    fig = found.figure(1, live=False)
    heat = [trace for trace in fig.data if trace.type == "heatmap"]
    assert len(heat) == 2 * len(found.streams)
    gone = np.asarray(heat[1].z[0], float)
    assert np.isfinite(gone).tolist() == [True] * 4 + [False] * 11
    assert "out of reach" in fig.layout.annotations[0].text


def test_the_margins_of_a_matrix_are_its_sums(cache) -> None:
    fig = attention_figure(cache, 2, 1, at_s=2.0, live=False)
    matrix, above, *beside, away = fig.data
    z = np.asarray(matrix.z, float)
    assert np.allclose(above.y, np.nansum(z, 0) / len(z))
    assert np.allclose(sum(np.asarray(trace.x) for trace in beside), np.nansum(z, 1), atol=1e-6)
    assert (np.isnan(z) == np.isfinite(np.asarray(away.z, float))).all()
    assert np.isnan(z).any()
    assert (above.xaxis, beside[0].yaxis) == ("x", "y")  # what is zoomed in the matrix is zoomed in its margins


def test_margins_follow_the_zoom(cache) -> None:
    widget = attention_figure(cache, 2, 1, live=True)
    z = np.asarray(widget.data[0].z, float)
    widget.update_layout({"xaxis.range": [9.5, 19.5], "yaxis.range": [7.5, -0.5]})
    assert np.allclose(widget.data[1].y, np.nansum(z[:8], 0) / 8)
    beside = sum(np.asarray(trace.x) for trace in widget.data[2:-1])
    assert np.allclose(beside, np.nansum(z[:, 10:20], 1), atol=1e-6)


def test_too_much_is_drawn_in_groups_and_said() -> None:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(900), 400)
    names, times = ["audio", "acts"] * 450, np.arange(900) * 0.05
    fig = attention_matrix(weights, (names[:400], times[:400]), (names, times), live=False)
    assert max(np.shape(fig.data[0].z)) <= MOST_CELLS
    assert "too many" in fig.layout.annotations[0].text
    assert np.isclose(np.sum(fig.data[0].z[0]), 1)
    assert np.isclose(sum(trace.x[0] for trace in fig.data[2:-1]), 1)
    assert (
        "too many"
        not in attention_matrix(weights[:9, :9], (names[:9], times[:9]), (names[:9], times[:9]))
        .layout.annotations[0]
        .text
    )


def test_a_grid_has_a_field_for_each_head_and_is_bounded(cache) -> None:
    found = attention_by_stream(cache)
    fig = found.grid()
    assert list(fig.layout.xaxis.ticktext) == ["head 0", "head 1", "head 2"]
    assert list(fig.layout.yaxis.ticktext) == ["layer 0", "layer 1", "layer 2"]
    z = np.asarray(fig.data[0].z, float)
    share = np.nan_to_num(found.weights[0, 0])  # the field at the top left
    column = np.bincount(z[-20:, 2].astype(int), minlength=share.shape[-1]) / 20
    assert np.abs(column - share[2]).max() <= 1 / 20 + 1e-6
    long = attention_grid(rng_shares(8, 8, 5000), ("audio now", "act now"), range(8), np.arange(5000) * 0.2, "dark")
    assert np.size(long.data[0].z) < 160_000
    assert "mean of" in long.layout.annotations[0].text


def rng_shares(layers: int, heads: int, rows: int) -> np.ndarray:
    one = np.random.default_rng(0).random((layers, heads, rows, 1))
    return np.concatenate([one, 1 - one], -1)

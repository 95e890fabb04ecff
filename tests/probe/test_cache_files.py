"""Activations on disk: what was written comes back, and a file from anywhere is refused or is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from looking import Guest, lived, percepts, small_nano
from safetensors.torch import load_file, save_file

from imkit.probe import ActivationCache, ProbeError, load_cache


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ActivationCache:
    nano = small_nano(tmp_path_factory.mktemp("small"))
    names = ["blocks.0.attn.hook_pattern", "blocks.1.hook_out", "floor.hook_out", "text.hook_out", "audio.mic.hook_in"]
    return lived(nano, percepts(8, gap_at=4))[0].run_with_cache(names, dtype=torch.float16)[1]


@pytest.fixture
def path(cache: ActivationCache, tmp_path: Path) -> Path:
    return cache.save(tmp_path / "kept" / "acts.safetensors")


def test_what_was_written_comes_back(cache: ActivationCache, path: Path) -> None:
    again = load_cache(path)
    assert list(again) == list(cache)
    for name in cache:
        assert again[name].dtype == cache[name].dtype
        assert torch.equal(again[name].nan_to_num(7), cache[name].nan_to_num(7)), name
        for column in ("index", "stream", "slot", "start_s"):
            np.testing.assert_array_equal(
                getattr(again.positions_of(name), column), getattr(cache.positions_of(name), column)
            )
    assert again.key_positions.stream.tolist() == cache.key_positions.stream.tolist()
    assert torch.equal(again["resid_post", 1], cache["resid_post", 1])  # without the model being there
    assert repr(again) == repr(cache)
    assert sorted(one.name for one in path.parent.iterdir()) == ["acts.safetensors", "acts.safetensors.json"]


def test_with_a_model_other_names_and_near_ones_are_told(path: Path, tmp_path: Path) -> None:
    again = load_cache(str(path), small_nano(tmp_path))
    assert again["pattern", 0].ndim == 4
    with pytest.raises(ProbeError, match="did you mean"):
        again["blocks.0.attn.hook_patern"]


def test_of_a_guest_too(tmp_path: Path) -> None:
    _, cache = lived(Guest(), percepts(3))[0].run_with_cache()
    again = load_cache(cache.save(tmp_path / "guest.safetensors"))
    assert all(torch.equal(again[name], cache[name]) for name in cache)


def test_parts_and_an_empty_one(cache: ActivationCache, tmp_path: Path) -> None:
    late = load_cache(cache.between(1.0).save(tmp_path / "late.safetensors"))
    assert late.index.tolist() == [index for index in cache.index.tolist() if index >= 5]
    assert len(load_cache(cache.between(99.0).save(tmp_path / "none.safetensors")).seen) == 0


def test_another_name_is_refused_and_nothing_is_left_behind(cache: ActivationCache, tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match=r"call it .*acts\.safetensors"):
        cache.save(tmp_path / "acts.npz")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(ProbeError, match="cannot be written"):
        cache.save(tmp_path / "folder.safetensors")
    (tmp_path / "file").touch()
    with pytest.raises(ProbeError, match="cannot be written"):
        cache.save(tmp_path / "file" / "acts.safetensors")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder.safetensors"]


@pytest.mark.parametrize("which", ["acts.safetensors", "acts.safetensors.json"])
def test_a_file_that_is_not_there_or_a_folder(path: Path, which: str) -> None:
    (path.parent / which).unlink()
    with pytest.raises(ProbeError, match="no activations that can be read"):
        load_cache(path)
    (path.parent / which).mkdir()
    with pytest.raises(ProbeError, match="no activations that can be read"):
        load_cache(path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999), which=st.sampled_from(["", ".json"]))
def test_cut_anywhere_it_is_refused(path: Path, share: float, which: str) -> None:
    file = path.with_name(path.name + which)
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ProbeError):
            load_cache(path)
    finally:
        file.write_bytes(whole)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 0.999), byte=st.integers(0, 255), which=st.sampled_from(["", ".json"]))
def test_with_any_byte_changed_it_is_refused_or_fits(path: Path, at: float, byte: int, which: str) -> None:
    file = path.with_name(path.name + which)
    whole = file.read_bytes()
    place = int(at * len(whole))
    try:
        file.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
        again = load_cache(path)
    except ProbeError:
        return
    finally:
        file.write_bytes(whole)
    for name in again:
        assert len(again.positions_of(name)) == again[name].shape[2 if "query_pos" in again.axes[name] else 1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(["format", "version", "pair", "streams", "axes", "turns", "index", "tokens", "reach"]),
    value=JSON,
)
def test_an_index_that_says_anything_is_refused_or_fits(path: Path, key: str, value: Any) -> None:
    told = path.with_name(path.name + ".json")
    whole = told.read_text()
    index = json.loads(whole)
    (index["turns"][2] if key in ("index", "tokens", "reach") else index)[key] = value
    try:
        told.write_text(json.dumps(index))
        load_cache(path)
    except ProbeError:
        return
    finally:
        told.write_text(whole)
    assert key in ("index", "axes", "streams")
    assert value != json.loads(whole).get(key, 0) or key == "streams"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "of version 2, expected imkit-activations 1"),
        ({"format": "other"}, "is 'other' of version 1"),
        ({"pair": "x"}, "is of another time"),
        ({"streams": ["camera", "smell"]}, "no activations that can be read"),
        ({"turns": []}, "no activations that can be read"),
        ({"axes": {}}, "which its index does not know"),
        ({"axes": {"blocks.1.hook_out": ["batch", "pos"]}}, "does not know|does not fit"),
    ],
)
def test_wrong_words_are_told(path: Path, change: dict[str, Any], why: str) -> None:
    told = path.with_name(path.name + ".json")
    told.write_text(json.dumps(json.loads(told.read_text()) | change))
    with pytest.raises(ProbeError, match=why):
        load_cache(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("index", 2**70),
        ("index", -1),
        ("index", 1.5),
        ("index", True),
        ("index", 0),
        ("tokens", None),
        ("tokens", {"place": [1, 2], "kind": [0]}),
        ("tokens", {"place": [2**63], "kind": [0]}),
        ("tokens", {"place": [1], "kind": [99]}),
        ("reach", {"place": "12", "kind": "12"}),
    ],
)
def test_a_micro_turn_that_cannot_be(path: Path, field: str, value: Any) -> None:
    told = path.with_name(path.name + ".json")
    index = json.loads(told.read_text())
    index["turns"][3][field] = value
    told.write_text(json.dumps(index))
    with pytest.raises(ProbeError):
        load_cache(path)


def test_deep_nesting_is_refused(path: Path) -> None:
    path.with_name(path.name + ".json").write_text("[" * 200_000)
    with pytest.raises(ProbeError, match="no activations"):
        load_cache(path)


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("3/blocks.1.hook_out", (1, 99, 48)),
        ("3/blocks.1.hook_out", (48,)),
        ("3/blocks.1.hook_out", (2, 6, 48)),
        ("3/blocks.0.attn.hook_pattern", (1, 3, 6, 7)),
        ("-1/blocks.1.hook_out", (1, 6, 48)),
        ("99/blocks.1.hook_out", (1, 6, 48)),
        ("²/blocks.1.hook_out", (1, 6, 48)),
        ("../../x", (1,)),
        ("3/../../etc/passwd", (1,)),
        ("plain", (1,)),
    ],
)
def test_tensors_that_do_not_fit_are_refused(path: Path, key: str, shape: tuple[int, ...]) -> None:
    pair = json.loads(path.with_name(path.name + ".json").read_text())["pair"]
    save_file(load_file(path) | {key: torch.zeros(shape)}, path, {"pair": pair})
    with pytest.raises(ProbeError):
        load_cache(path)


def test_two_halves_of_different_times_are_refused(cache: ActivationCache, path: Path) -> None:
    older = path.read_bytes()
    cache.save(path)
    path.write_bytes(older)
    with pytest.raises(ProbeError, match="keep the two files together"):
        load_cache(path)


def test_an_index_too_large_to_read_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imkit.probe.files.MAX_INDEX_BYTES", 100)
    with pytest.raises(ProbeError, match="GB at most"):
        load_cache(path)

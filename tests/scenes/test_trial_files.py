import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.scenes.trial_files import digits, json_text, png


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_a_png_is_read_as_what_was_written(height, width, seed):
    av = pytest.importorskip("av")
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    with av.open(io.BytesIO(png(image)), format="png_pipe") as container:
        frame = next(container.decode(video=0))
    assert np.array_equal(frame.to_ndarray(format="rgb24"), image)


def test_digits_are_the_root_of_peaks():
    sound = np.repeat(np.array([0, 0.25, -1, 3], np.float32), 800)
    assert digits(sound, 16_000) == "0izz"
    assert digits(np.repeat(sound, 3)[::2], 24_000) == "0izz"
    assert digits(sound[:799], 16_000) == ""


def test_json_is_plain_and_finite():
    assert json_text({"a": np.float32(0.5), "b": np.bool_(True), "c": "…"}, None) == '{"a": 0.5, "b": true, "c": "…"}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"a": float("nan")})

"""Colours that mean different things look different, also to the colour-blind, and words can be read."""

from itertools import combinations

import numpy as np
import pytest

from imkit.views.palette import DARK, LIGHT, css_variables, faint, theme_of
from imkit.views.svg import static

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
BLIND = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(a, b):
    one, other = sorted((float(TO_XYZ[1] @ linear(colour)) for colour in (a, b)), reverse=True)
    return (one + 0.05) / (other + 0.05)


@pytest.mark.parametrize("sight", BLIND)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_colours_side_by_side_can_be_told_apart(theme, sight):
    names = ("you", "me", "both", "ink", "paper")
    seen = {name: lab(np.asarray(BLIND[sight]) @ linear(getattr(theme, name))) for name in names}
    for a, b in combinations(seen, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 15, (a, b)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_words_can_be_read(theme):
    for name in ("ink", "soft", "you", "me", "act"):
        assert contrast(getattr(theme, name), theme.band) >= 4.5, name
    assert contrast(theme.paper, theme.me) >= 4.5


def test_themes_by_name():
    assert theme_of("dark") is DARK
    with pytest.raises(ValueError, match="theme='sepia'"):
        theme_of("sepia")
    assert faint("#ff8000", 0.5) == "rgba(255,128,0,0.5)"


def test_pages_use_the_same_colours():
    css = css_variables()
    for theme in (LIGHT, DARK):
        for name in ("you", "me", "act"):
            assert f"--{name}:{getattr(theme, name)};" in css
            assert f"--{name}: {getattr(theme, name)};" in static("timeline.css")

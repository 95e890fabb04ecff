"""Colours of every picture, light and dark, told apart also by who does not see red or green."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

ThemeName = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours by what they mean, as #rrggbb.

    ink, soft, line, fine, paper, band  text, lesser text, grid by the second, grid by the tick, ground, lane ground
    you, me, nod, act, cost             the user, the model, backchannels, calls and results, compute
    both, late                          two voices at once; a missed deadline or lost input
    sound                               from silent to loud, of a spectrogram
    """

    name: ThemeName
    ink: str
    soft: str
    line: str
    fine: str
    paper: str
    band: str
    you: str
    me: str
    nod: str
    act: str
    cost: str
    both: str
    late: str
    sound: tuple[str, str, str]


LIGHT = Theme(
    "light",
    ink="#1f2430",
    soft="#5f6776",
    line="#d9dce5",
    fine="#eff0f5",
    paper="#ffffff",
    band="#f8f9fc",
    you="#0b8080",
    me="#5146d8",
    nod="#d99306",
    act="#c2306b",
    cost="#9aa3b5",
    both="#e8590c",
    late="#d32f2f",
    sound=("#f8f9fc", "#6fb5b3", "#073c3f"),
)
DARK = Theme(
    "dark",
    ink="#e8eaf0",
    soft="#98a1b3",
    line="#313746",
    fine="#20242f",
    paper="#14161d",
    band="#181b24",
    you="#3ec7bf",
    me="#a49bff",
    nod="#f0b840",
    act="#ff7eae",
    cost="#5d667a",
    both="#ff8a3d",
    late="#ff6b6b",
    sound=("#181b24", "#1f7f7c", "#d7fff8"),
)


def theme_of(name: str) -> Theme:
    """The theme called "light" or "dark"."""
    themes: dict[str, Theme] = {theme.name: theme for theme in (LIGHT, DARK)}
    if name not in themes:
        raise ValueError(f"theme={name!r}; expected 'light' or 'dark'")
    return themes[name]


def faint(colour: str, opacity: float) -> str:
    """``colour`` (#rrggbb) as an rgba() of that opacity."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def mixed(colour: str, ground: str, share: float) -> str:
    """``share`` of one colour and the rest of another, all #rrggbb."""
    parts = ((int(colour[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def css_variables() -> str:
    """Both themes as CSS: what the system prefers, unless ``data-theme`` on the root element says which."""

    def named(theme: Theme) -> str:
        return "".join(f"--{key}:{value};" for key, value in asdict(theme).items() if isinstance(value, str))

    light, dark = named(LIGHT), named(DARK)
    return (
        f":root{{{light}color-scheme:light}}\n"
        f"@media (prefers-color-scheme: dark){{:root:not([data-theme=light]){{{dark}color-scheme:dark}}}}\n"
        f":root[data-theme=dark]{{{dark}color-scheme:dark}}\n"
    )

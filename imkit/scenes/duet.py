"""One scene played to several models, one below the other on one clock: to look at and to listen to.

What people say in it lies in ``spoken/``, recorded from a speech engine beforehand, so that none is needed here. Each
model is answered by its own user: who is told "stop" while it counts is told so when it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from imkit.adapters import load
from imkit.stream import INPUT_RATE, TICK_S, InteractionModel, ModelError, Timeline
from imkit.views.lanes import PEAKS_PER_TICK, Span, peaks, rows_of
from imkit.voices import resample

from .cast import Cast
from .scoring import Verdict
from .suite import Suite, SuiteError, load_suite
from .trial import make_world, play_trial
from .world import Expected, Said

SHOWN = (
    ("smooth_turn_taking", 0),
    ("pause_handling", 0),
    ("user_interruption", 0),
    ("user_interruption", 1),
    ("talking_to_other", 0),
    ("timespeak_synth", 0),
)
"""Scenes and numbers of which everything that is said was recorded."""

_USER, _MODEL, _MARK = "#0b8080", "#5146d8", "#c2306b"
_WORD_ROWS, _CHAR_PX = 2, 7.0


@dataclass(frozen=True)
class Played:
    """What one model made of the scene, what was said to it, and what a perfect model would have done."""

    verdict: Verdict
    timeline: Timeline
    said: tuple[Said, ...]
    expected: tuple[Expected, ...]

    @property
    def told(self) -> str:
        """What was wrong, in words; "as it should be" where nothing was."""
        return "; ".join(check.why for check in self.verdict.checks if not check.passed) or "as it should be"

    @property
    def onsets_s(self) -> list[float]:
        """When each stretch of words of the model starts."""
        return [said.start_s for said in self.timeline.transcript() if said.who == "model"]

    @property
    def marks_s(self) -> list[float]:
        """Moments that ask for something: to answer, to fall silent, to keep a time."""
        wanted = (e.cause_s if e.due_s is None else e.due_s for e in self.expected if not e.withdrawn)
        return sorted({round(float(at), 3) for at in wanted})


@dataclass(frozen=True)
class Duet:
    """A scene as several models played it, by name. The last line of a notebook's cell shows it with its players."""

    scene: str
    plays: Mapping[str, Played]

    def sound(self, name: str) -> npt.NDArray[np.float32]:
        """Both sides of one model's play, float32 [2, samples] at 16 kHz: the user left, the model right."""
        timeline = self.plays[name].timeline
        user = timeline.user_audio()
        model = resample(timeline.model_audio(), timeline.output_rate, INPUT_RATE)
        both = np.zeros((2, max(len(user), len(model))), np.float32)
        both[0, : len(user)], both[1, : len(model)] = user, np.clip(model, -1, 1)
        return both

    def figure(self, width: int = 960) -> Any:
        """A ``plotly.graph_objects.Figure``: for each model what its user said, and below it what the model said.

        Dotted lines are the moments that ask for something; above each pair stands what the scene has against it.
        """
        from plotly.subplots import make_subplots

        names = list(self.plays)
        fig = make_subplots(rows=2 * len(names), cols=1, shared_xaxes=True, vertical_spacing=0.05)
        end_s = max(played.timeline.end_s for played in self.plays.values()) + TICK_S
        s_per_px = end_s / (width - 92)
        for number, name in enumerate(names):
            played = self.plays[name]
            timeline = played.timeline
            spoken = [Span(word, start_s, stop_s) for said in played.said for word, start_s, stop_s in said.words]
            own = [Span(word.text, word.start_s, word.end_s) for word in timeline.words()]
            row = 2 * number + 1
            title = f"{name}: {_plain(played.told)}"
            _lane(fig, row, "user", timeline.user_audio(), INPUT_RATE, spoken, _USER, s_per_px, title)
            _lane(fig, row + 1, name, timeline.model_audio(), timeline.output_rate, own, _MODEL, s_per_px)
            for at_s in played.marks_s:
                for lane in (row, row + 1):
                    fig.add_shape(
                        type="line",
                        x0=at_s,
                        x1=at_s,
                        y0=-1,
                        y1=_WORD_ROWS + 1,
                        line={"color": _MARK, "width": 1, "dash": "dot"},
                        row=lane,
                        col=1,
                    )
        fig.update_xaxes(range=[0, end_s], dtick=1, gridcolor="#d9dce5", zeroline=False)
        fig.update_xaxes(title_text="seconds", row=2 * len(names), col=1)
        fig.update_yaxes(range=[-1.1, _WORD_ROWS + 1.2], showticklabels=False, showgrid=False, zeroline=False)
        fig.update_layout(
            template="plotly_white",
            showlegend=False,
            width=width,
            height=60 + 200 * len(names),
            margin={"l": 80, "r": 12, "t": 32, "b": 40},
            font={"size": 12},
        )
        return fig

    def _ipython_display_(self) -> None:
        import IPython.display

        show: Any = IPython.display
        show.display(self.figure())
        for name in self.plays:
            show.display(show.HTML(f"<b>{_plain(name)}</b>, the user left, {_plain(name)} right"))
            show.display(show.Audio(self.sound(name), rate=INPUT_RATE))

    def __repr__(self) -> str:
        return f"<Duet {self.scene}: {'; '.join(f'{name} {played.told}' for name, played in self.plays.items())}>"


def chairs(names: Sequence[str] = ("cascade", "nano")) -> dict[str, InteractionModel[Any]]:
    """Models by name. What cannot be loaded on this machine is left out, with one line that says why."""
    found: dict[str, InteractionModel[Any]] = {}
    for name in names:
        try:
            found[name] = load(name)
        except ModelError as error:
            print(f"Going on without {name}: {' '.join(str(error).split())}")
    return found


@cache
def duet_suite() -> Suite:
    """The suite that is played: one recorded voice in a quiet room, one phrase of each kind."""
    return load_suite(str(files("imkit.scenes") / "duet.toml"))


def duet(scene: str, number: int, models: Mapping[str, InteractionModel[Any]]) -> Duet:
    """Plays a scene to each model, in virtual time. Scenes and numbers are those of ``SHOWN``.

    Raises SuiteError for others: nobody recorded what is said in them.
    """
    from . import SCENES

    if (scene, number) not in SHOWN:
        known = ", ".join(f"{name} {k}" for name, k in SHOWN)
        raise SuiteError(f"duet({scene!r}, {number}): expected one of {known}; `imkit eval` plays all others")
    plays = {}
    with Cast(duet_suite()) as cast:
        for name, model in models.items():
            world = make_world(duet_suite(), cast, scene, number, model.spec.output_rate)
            verdict, timeline = play_trial(SCENES[scene].play, world, model)
            plays[name] = Played(verdict, timeline, tuple(world.said), tuple(world.expected))
    return Duet(scene, plays)


def _lane(
    fig: Any,
    row: int,
    label: str,
    audio: npt.NDArray[np.float32],
    rate_hz: int,
    words: Sequence[Span],
    colour: str,
    s_per_px: float,
    title: str = "",
) -> None:
    """Sound as an outline about 0, its words in rows above it."""
    import plotly.graph_objects as go

    loud = peaks(audio, rate_hz)
    tall = np.maximum(loud / max(0.02, float(loud.max(initial=0.0))), 0.01)
    times = (np.arange(len(loud)) + 0.5) * TICK_S / PEAKS_PER_TICK
    outline = {"x": np.r_[times, times[::-1]].round(3), "y": np.r_[tall, -tall[::-1]].round(3)}
    fig.add_trace(
        go.Scatter(**outline, fill="toself", mode="lines", line={"width": 0.5, "color": colour}, hoverinfo="skip"),
        row=row,
        col=1,
    )
    rows = rows_of(words, [(len(word.text) + 2) * _CHAR_PX * s_per_px for word in words], _WORD_ROWS)
    fig.add_trace(
        go.Scatter(
            x=[word.start_s for word in words],
            y=[1.5 + at for at in rows],
            mode="text+markers",
            text=[_plain(word.text) for word in words],
            textposition="middle right",
            textfont={"color": colour},
            marker={"symbol": "line-ns-open", "size": 8, "color": colour},
            customdata=[[word.start_s, word.end_s] for word in words],
            hovertemplate="%{text}  %{customdata[0]:.2f} to %{customdata[1]:.2f} s<extra></extra>",
        ),
        row=row,
        col=1,
    )
    x, y = (f"{axis}{row if row > 1 else ''} domain" for axis in "xy")
    side = {"xref": x, "yref": y, "showarrow": False}
    fig.add_annotation(text=_plain(label), x=-0.01, y=0.3, xanchor="right", font={"color": colour}, **side)
    if title:
        fig.add_annotation(text=f"<b>{title}</b>", x=0, y=1, xanchor="left", yanchor="bottom", **side)


def _plain(text: str) -> str:
    """``text`` without anything that would be read as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;")

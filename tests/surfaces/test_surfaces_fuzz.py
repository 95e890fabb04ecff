"""Generated cells of any text: placeholders or components, never an exception, markup, or more than the bounds."""

import contextlib
import json
import random

import pytest
from corpus import CORPUS, hostile_lines
from fakes_hostile import anything, many, nothing_breaks, torn
from test_security import check

from imkit.stream import Act, Event, Moment, Percept, Provenance
from imkit.surfaces import CATALOG, Board, Surface, SurfaceError, from_a2ui, picture, words
from imkit.surfaces.surface import MAX_COMPONENTS

pytestmark = pytest.mark.fuzz

IDS = ("root", "a", "b", "c", "!d", "x y", "$", "")


def value(rng):
    return (
        rng.choice(CORPUS) if rng.random() < 0.3 else {"$": rng.choice("nma")} if rng.random() < 0.1 else anything(rng)
    )


def line(rng):
    """One line: a component that is nearly right, another hostile one, or no component at all."""
    draw = rng.random()
    if draw < 0.3:
        return rng.choice(hostile_lines(rng.choice(CORPUS)))
    if draw < 0.85:
        kind = rng.choice(sorted(CATALOG))
        props = {name: value(rng) for name in CATALOG[kind].props if rng.random() < 0.5}
        if rng.random() < 0.1:
            props[rng.choice(["onclick", "style", "href", "__proto__"])] = value(rng)
        return [rng.choice(IDS), kind, props, [rng.choice(IDS) for _ in range(rng.randrange(4))]]
    return ["$", {rng.choice("nma"): value(rng)}] if draw < 0.93 else anything(rng)


def hold(surface):
    """What must be so of any surface."""
    assert len(surface.components) <= MAX_COMPONENTS + 3
    told = json.dumps(surface.to_json(), allow_nan=False)
    assert Surface.from_json(json.loads(told)).to_json() == surface.to_json()


def test_lines_of_any_kind_in_any_pieces():
    rng = random.Random(9)
    surface, drawn, longest = Surface("s", "T"), 0, 0
    with nothing_breaks():
        for number in range(many(4_000)):
            if number % 40 == 0:
                hold(surface)
                surface = Surface("s", "T")
            text = json.dumps(line(rng))
            if rng.random() < 0.15:
                text = torn(rng, text.encode()).decode("utf-8", "surrogateescape")
            text += rng.choice(["\n", "\n", "\n", ",\n", ""])
            cut = rng.randrange(len(text) + 1)
            surface.feed(text[:cut])
            surface.feed(text[cut:])
            component = rng.choice(IDS)
            try:
                action = surface.act(component, value(rng))
            except SurfaceError as error:
                longest = max(longest, len(str(error)))
            else:
                assert component in surface.components
                json.dumps(action.value, allow_nan=False)
            if number % 20 == 19:
                check(picture(surface))
                words(surface)
                drawn += sum(one.kind != "fault" for one in surface.layout.components.values())
    assert longest < 1_000
    assert drawn > many(4_000) // 100


def test_payloads_and_a2ui_of_any_kind():
    rng, board, clock = random.Random(10), Board(), 0
    with nothing_breaks():
        for number in range(many(1_500)):
            spec = {"id": rng.choice(["s1", "s2", f"t{number}", 7]), "title": value(rng), "kind": "panel", "lines": ""}
            spec["lines"] = "\n".join(json.dumps(line(rng)) for _ in range(rng.randrange(3)))
            spec |= {rng.choice(["id", "kind", "spec", "lines", "data", "source", "x"]): value(rng)}
            clock += 1
            told = Event("result", Provenance.BACKGROUND, "", f"c{number}", {"surface": spec})
            percept = Percept(clock, events=(told,))
            board.notice(Moment(percept, Act(clock, percept.audio)))
            with contextlib.suppress(SurfaceError):
                board.act(rng.choice(["s1", "s2", 7, None]), rng.choice(IDS), value(rng), clock / 5)
            board.due(clock / 5)
            if number % 5 == 0:
                kinds, props = ["Text", "Column", "Slider", "Image", 7], ["text", "children", "url", "value", "min"]
                parts = [
                    {"id": rng.choice(IDS), "component": rng.choice(kinds), rng.choice(props): value(rng)}
                    for _ in range(3)
                ]
                messages = [
                    {"version": "v0.9", "createSurface": {"surfaceId": "s", "catalogId": value(rng)}},
                    {"version": "v0.9", "updateComponents": {"surfaceId": "s", "components": parts}},
                    {"version": rng.choice(["v0.9", 1]), "updateDataModel": {"surfaceId": "s", "path": value(rng)}},
                    anything(rng),
                ]
                try:
                    made = from_a2ui(rng.sample(messages, 3) if rng.random() < 0.3 else messages[:3])
                except SurfaceError:
                    continue
                for surface in made:
                    hold(surface)
                    check(picture(surface))
    assert len(board.surfaces) <= 100
    assert len(board._rates) <= 201
    for surface in board.surfaces:
        hold(surface)
        check(picture(surface))

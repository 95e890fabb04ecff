"""Methods that are lent to a timeline."""

import inspect
from importlib import import_module

import pytest

from imkit.stream import Timeline
from imkit.stream.lent import LENT, Lent


@pytest.mark.parametrize("name", LENT)
def test_what_is_lent_is_there_and_takes_a_timeline_first(name: str) -> None:
    module, _, function = LENT[name].partition(":")
    lent = getattr(import_module(f"imkit.{module}"), function)
    first = next(iter(inspect.signature(lent).parameters.values()))
    assert "Timeline" in str(first.annotation), first
    assert f"imkit.{module}.{function}" in (getattr(Lent, name).__doc__ or "")
    assert not hasattr(Timeline, f"_{name}")


def test_every_lent_method_is_named() -> None:
    methods = {name for name in vars(Lent) if not name.startswith("_")}
    assert methods == set(LENT)


def test_a_method_hands_everything_on(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = Timeline()
    seen = []
    monkeypatch.setattr("imkit.probe.fork", lambda *given, **named: seen.append((given, named)))
    timeline.fork(1.5, model="nano")
    assert seen == [((timeline, 1.5), {"model": "nano"})]

"""The mistakes that people make first: each is told in prose, with what was passed, what was expected, what to do."""

import importlib.util
import socket

import numpy as np
import pytest
import soundfile
from fakes import FakeModel

import imkit
from imkit.adapters import load
from imkit.capture import AudioArray
from imkit.cli import main
from imkit.stream import ImkitError

MODEL = ["--model", "fakes:FakeModel"]


def session(**more):
    return imkit.Session(FakeModel(24_000), namespace={}, **more)


def unnamed(x):
    """A tool."""


def untyped(x, y: int) -> int:
    """A tool."""


def odd(x: "Nowhere") -> int:  # noqa: F821
    """A tool."""


def typed(x: int) -> int:
    """A tool."""


def twice(method, *arguments):
    """Calls it on a session that is closed, or does it again."""
    with session() as one:
        if method == "closed":
            one.close()
            one.run(seconds=1)
        elif method == "live":
            one.start()
            one.run(seconds=1)
        else:
            for folder in arguments:
                getattr(one, method)(folder)


def missing(name, monkeypatch, call):
    """As if a package was not installed."""
    before = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda one, *more: None if one == name else before(one, *more))
    call()


MISTAKES = {
    "a model's name misspelt": (lambda _: load("nanoo"), "'nanoo'", "pass 'nano'"),
    "a model's folder that is not there": (lambda _: load("./mine"), "'./mine'", "config.json and weights.safetensors"),
    "a class for a model": (lambda _: imkit.Session(FakeModel), "FakeModel is a class or a function", "FakeModel()"),
    "something else for a model": (lambda _: imkit.Session(7), "7 has no spec, open and step", "such as 'nano'"),
    "an address that is none": (lambda _: load("realtime:http://localhost:1"), "'http'", "expected ws:// or wss://"),
    "no such file": (lambda _: session().run("b.wav"), "b.wav: no such file", "current folder"),
    "a file that is no sound": (lambda _: session().run("text.wav"), "text.wav: not a sound file", "Convert it to WAV"),
    "samples without a rate": (lambda _: session().run(np.zeros(9)), "ndarray", "AudioArray(samples, rate)"),
    "a rate that is none": (lambda _: AudioArray(np.zeros(9), 0), "0 Hz", "expected 1 to"),
    "whole numbers for samples": (lambda _: AudioArray(np.zeros(9, np.int16), 16_000), "int16", "Scale integers"),
    "seconds for a source": (lambda _: session().run(5), "is a int", "run(seconds=5)"),
    "nothing to play": (lambda _: session().run(), "is silence", "run(seconds=5)"),
    "a closed session": (lambda _: twice("closed"), "this session is closed", "make a new Session()"),
    "a run while it is live": (lambda _: twice("live"), "this session is live", "call stop() first"),
    "two recordings at once": (lambda _: twice("record", "r1", "r2"), "records into r1", "stop_recording() first"),
    "a folder that holds something": (lambda _: twice("record", "full"), "is not empty", "Choose another folder"),
    "something else than text": (lambda _: session().say(5), "say() got 5", "expected a str"),
    "something else than a surface": (lambda _: session().show("hi"), "show() got 'hi'", "expected a Surface"),
    "a background model that is none": (lambda _: session(background="gpt"), "'gpt'", "'chat:MODEL@URL' such as"),
    "a tool without annotations": (lambda _: imkit.tool(untyped), "untyped", "type hint"),
    "a tool with an odd annotation": (lambda _: imkit.tool(odd), "'Nowhere' is not defined", "odd"),
    "a tool of a tier that is none": (lambda _: imkit.tool(tier="rw")(typed), "'rw'", "pure, read, effect"),
    "a tool that is no function": (lambda _: session(tools=[3]), "3 is no function", "typed function"),
    "a recording that is none": (lambda _: imkit.open_recording("none"), "is no folder", "expected the folder of"),
    "a format that is none": (lambda _: session().run(seconds=1).export("textgird", "x"), "textgird", "did you mean"),
    "a moment that never was": (lambda _: session().run(seconds=1).fork(99), "at_s=99", "expected 0.0 to"),
    "no notebook to share": (lambda _: session(notebook=True), "no IPython runs here", "leave it off"),
    "an argument misspelt": (lambda _: session(modle="nano"), "'modle'", "unexpected keyword"),
    "a missing extra": (
        lambda patch: missing("websockets", patch, lambda: imkit.serve.Server(FakeModel(24_000))),
        "websockets",
        "pip install 'imkit[serve]'",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    import imkit.serve  # noqa: F401

    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", np.zeros(1600), 16_000)
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("hello")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_what_to_do(mistake, monkeypatch):
    make, passed, then = MISTAKES[mistake]
    with pytest.raises((ImkitError, TypeError)) as caught:
        make(monkeypatch)
    assert isinstance(caught.value, ImkitError) or mistake == "an argument misspelt"
    said = str(caught.value)
    assert passed in said
    assert then in said
    assert len(said) < 500


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "none.toml"], "none.toml: no such recipe; expected a file such as"),
        (["bench", "nosuch"], "no row is called nosuch; there are import and first session"),
        (["serve", *MODEL, "--port", "70000"], "port=70000, expected a number from 0"),
        (["serve", *MODEL, "--host", "0.0.0.0"], "give a token of at least 16 characters"),
        (["export", "none", "--to", "vtt"], "is no folder; expected the folder of a recording"),
        (["eval", "--suite", "none", "--out", "o"], "expected a suite file or dev"),
    ],
)
def test_so_is_one_on_the_command_line_in_one_line(arguments, said, capsys):
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.startswith(f"imkit {arguments[0]}: ")
    assert told.count("\n") == 1


def test_a_port_that_is_taken_is_told_and_how_to_get_another(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", *MODEL, "--port", str(taken.getsockname()[1])]) == 2
    assert "is the port taken? Port 0 takes a free one" in capsys.readouterr().err

"""What the README shows is there: its code runs, its commands are known, its links lead somewhere."""

import re
from pathlib import Path

import numpy as np
import pytest

import imkit
from imkit.adapters import PREFIXES
from imkit.capture import AudioArray
from imkit.cli import main

ROOT = Path(imkit.__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_lines_about_a_timeline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lines,) = (code for code in CODE if "timeline.fork(" in code)
    sound = np.random.default_rng(1).normal(0, 0.02, 6 * 16_000).astype(np.float32)
    with imkit.Session() as session:
        timeline = session.run(AudioArray(sound, 16_000))
    monkeypatch.chdir(tmp_path)
    exec(lines, {"timeline": timeline})
    assert {path.name for path in tmp_path.iterdir()} == {"talk.TextGrid", "talk.html"}
    for called in re.findall(r"\.(\w+)\(", lines.replace("other", "timeline")):
        assert hasattr(timeline, called) or hasattr(timeline.fork(1.0), called), called


def test_the_lines_about_the_inside_run() -> None:
    (lines,) = (code for code in CODE if "run_with_cache" in code)
    sound = np.random.default_rng(1).normal(0, 0.02, 4 * 16_000).astype(np.float32)
    with imkit.Session() as session:
        names = {"timeline": session.run(AudioArray(sound, 16_000)), "imkit": imkit}
    exec(lines, names)
    assert [act.index for act in names["acts"]] == [moment.index for moment in names["after"]]
    assert len(names["cache"].positions) >= 5 * len(names["acts"])


def test_the_lines_that_make_a_session_are_those_of_its_arguments() -> None:
    (line,) = (code for code in CODE if code.startswith("imkit.Session(model="))
    with eval(line, {"imkit": imkit}) as session:
        assert session.model.spec.name == "nano"


def test_models_that_are_named_with_a_prefix_have_one_that_is_known() -> None:
    (lines,) = (code for code in CODE if 'model="moshi:' in code)
    assert set(re.findall(r"\b([a-z]+):(?=[a-z,]| )", lines)) - {"wss"} <= set(PREFIXES)
    assert "moshi" in re.findall(r"\b([a-z]+):(?=[a-z,]| )", lines)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`imkit ([a-z]+)", README)) - {"start"}))
def test_every_command_is_known(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", README))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert "://" in link or (ROOT / link).exists()

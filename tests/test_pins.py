"""What is installed is what is pinned, and an audit that could not ask does not pass for one that did."""

import importlib.util
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pins, audit = script("pins"), script("audit")


@pytest.mark.skipif(
    (sys.platform, platform.machine(), sys.version_info[:2]) != ("linux", "x86_64", (3, 11)),
    reason="the pins are those of Linux x86-64 with Python 3.11",
)
def test_every_package_that_is_needed_is_pinned_as_it_is_installed():
    held, told = pins.needed(pins.asked_for()), pins.pinned(pins.CONSTRAINTS.read_text())
    assert len(held) > 100
    assert {"torch", "numpy", "jupyter-server", "hypothesis"} <= set(held)
    assert {name: version for name, version in held.items() if name not in told} == {}, "run: python .ci/pins.py"
    other = {name: (version, told[name]) for name, version in held.items() if told[name] != version}
    assert other == {}, "installed and pinned differ; run `make clean` and `make`, or `python .ci/pins.py`"


def test_everything_that_pyproject_names_is_pinned_installed_or_not():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    told = pins.pinned(pins.CONSTRAINTS.read_text())
    for asked in map(Requirement, pins.asked_for()):
        assert asked.specifier.contains(told[canonicalize_name(asked.name)]), str(asked)


def test_every_package_of_the_front_end_is_locked_with_its_checksum():
    told = json.loads((ROOT / "widget/package-lock.json").read_text())["packages"]
    package = json.loads((ROOT / "widget/package.json").read_text())
    for name in package.get("dependencies", {}) | package.get("devDependencies", {}):
        assert f"node_modules/{name}" in told
    assert all(one.get("integrity", "").startswith("sha512-") for place, one in told.items() if place)


def test_a_line_that_is_no_pin_is_refused():
    assert pins.pinned("# x\na.b==1\n") == {"a-b": "1"}
    for text in ("a>=1\n", "a\n", "a==1\nA==2\n"):
        with pytest.raises(ValueError, match="expected one name==version"):
            pins.pinned(text)


class Desk:
    """A vulnerability service with pip-audit before it: what it knows, and whether it answers."""

    def __init__(self, faulty=(), skipped=(), answers=True, knows_the_old_one=True):
        self.faulty = {*faulty, *(["jinja2==2.4.1"] if knows_the_old_one else [])}
        self.skipped, self.answers = skipped, answers

    def run(self, command, **_):
        pins = Path(command[command.index("-r") + 1]).read_text().split()
        if not self.answers:
            return subprocess.CompletedProcess(command, 1, "", "no such host")
        told = []
        for pin in pins:
            name, _, version = pin.partition("==")
            one = {"name": name, "version": version, "vulns": []}
            if pin in self.faulty:
                one["vulns"] = [{"id": "CVE-1", "fix_versions": ["9"]}]
            told.append({"name": name, "skip_reason": "not found"} if pin in self.skipped else one)
        return subprocess.CompletedProcess(
            command, int(bool(self.faulty & set(pins))), json.dumps({"dependencies": told}), ""
        )


@pytest.mark.parametrize(
    ("desk", "code", "strict", "said"),
    [
        (Desk(), 0, 0, "2 of 2 packages asked about at pypi, 0 faults"),
        (Desk(faulty=["a==1"]), 1, 1, "FAULT a==1: CVE-1; mended in: 9"),
        (Desk(skipped=["a==1"]), 0, 3, "not known there: a"),
        (Desk(answers=False), 0, 3, "COULD NOT ASK"),
        (Desk(knows_the_old_one=False), 0, 3, "COULD NOT ASK"),  # a mirror that answers, and knows nothing
        (Desk(skipped=["jinja2==2.4.1"]), 0, 3, "COULD NOT ASK"),
    ],
)
def test_an_audit_says_what_it_found_and_whether_it_could_ask(desk, code, strict, said, monkeypatch, capsys):
    monkeypatch.setattr(audit.subprocess, "run", desk.run)
    assert audit.audit(["a==1", "b==2"]) == code
    assert said in capsys.readouterr().out
    assert audit.audit(["a==1", "b==2"], strict=True) == strict

"""A suite of scenes as a TOML file: who speaks, in which rooms, which phrases, values and times, which seeds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from imkit.stream import ImkitError

ENGINES = ("espeak", "flite", "festival", "command", "files")
BUNDLED = ("dev", "orders", "wakewords", "interpreting")


class SuiteError(ImkitError):
    """A suite cannot be read or played. Names the file, the table and what was expected."""


@dataclass(frozen=True)
class SuiteVoice:
    """One ``[[voice]]`` table. Ranges are drawn from once a trial.

    engine   espeak, flite, festival, command or files
    name     the engine's name of the voice, for example "en-gb+f2"; free for command and files
    rate, pitch, range  (low, high) multipliers of what is usual for the voice
    command  for "command": a program line with {text} and {wav}
    folder   for "files": a folder with recordings and a manifest
    weight   how often this voice is drawn
    """

    engine: str
    name: str
    rate: tuple[float, float] = (1.0, 1.0)
    pitch: tuple[float, float] = (1.0, 1.0)
    range: tuple[float, float] = (1.0, 1.0)
    command: str = ""
    folder: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Suite:
    """Everything that decides what a suite plays. Equal suites play equal bytes."""

    name: str
    seed: int
    trials: int
    voices: tuple[SuiteVoice, ...]
    microphone: Mapping[str, Any]
    phrases: Mapping[str, tuple[str, ...]]
    scenes: Mapping[str, Mapping[str, Any]]
    home: Path = Path()
    """Where the folders of recordings lie that it names: beside its file."""
    plays: tuple[str, ...] = ()
    """The scenes that are played unless others are asked for; empty for all that have a table."""

    def settings(self, scene: str) -> Settings:
        """The table of one scene."""
        if scene not in self.scenes:
            raise SuiteError(f"suite {self.name}: no table [scene.{scene}]; it has {', '.join(self.scenes)}")
        return Settings(f"suite {self.name}, [scene.{scene}]", self.scenes[scene])

    def lines(self, name: str) -> tuple[str, ...]:
        """The phrases of one kind."""
        if not self.phrases.get(name):
            raise SuiteError(f"suite {self.name}: [phrases] has no {name!r}; expected a list of sentences")
        return self.phrases[name]


class Settings:
    """The values of one table. Asking for one that is missing or of the wrong shape is an error that says so."""

    def __init__(self, where: str, table: Mapping[str, Any]) -> None:
        self.where, self._table = where, table

    def __getitem__(self, name: str) -> Any:
        if name not in self._table:
            raise SuiteError(f"{self.where}: {name!r} is missing; it has {', '.join(self._table) or 'nothing'}")
        return self._table[name]

    def number(self, name: str) -> float:
        """A number."""
        value = self[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SuiteError(f"{self.where}: {name} = {value!r}, expected a number")
        return float(value)

    def span(self, name: str) -> tuple[float, float]:
        """A range [low, high]."""
        return _span(self.where, name, self[name])

    def draw(self, rng: np.random.Generator, name: str) -> float:
        """A number drawn evenly from a range."""
        return float(rng.uniform(*self.span(name)))

    def whole(self, rng: np.random.Generator, name: str) -> int:
        """A whole number drawn evenly from a range, both ends included."""
        low, high = self.span(name)
        return int(rng.integers(int(low), int(high) + 1))


def _span(where: str, name: str, value: Any) -> tuple[float, float]:
    numbers = value if isinstance(value, list | tuple) else [value, value]
    if len(numbers) != 2 or any(isinstance(x, bool) or not isinstance(x, int | float) for x in numbers):
        raise SuiteError(f"{where}: {name} = {value!r}, expected a number or a range [low, high]")
    low, high = float(numbers[0]), float(numbers[1])
    if low > high:
        raise SuiteError(f"{where}: {name} = {value!r}, expected the lower end first")
    return low, high


def _voice(where: str, table: Any) -> SuiteVoice:
    if not isinstance(table, dict):
        raise SuiteError(f"{where}: {table!r}, expected a table")
    known = set(SuiteVoice.__dataclass_fields__)
    unknown = set(table) - known
    if unknown:
        raise SuiteError(
            f"{where}: {', '.join(sorted(unknown))} is unknown; expected some of {', '.join(sorted(known))}"
        )
    engine = table.get("engine")
    if engine not in ENGINES:
        raise SuiteError(f"{where}: engine = {engine!r}, expected one of {', '.join(ENGINES)}")
    needed = {"command": "command", "files": "folder"}.get(str(engine), "name")
    if not table.get(needed):
        raise SuiteError(f'{where}: a voice of engine {engine} needs {needed} = "..."')
    ranges = {key: _span(where, key, table[key]) for key in ("rate", "pitch", "range") if key in table}
    weight = table.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise SuiteError(f"{where}: weight = {weight!r}, expected a number above 0")
    rest = {key: value for key, value in table.items() if key not in ("rate", "pitch", "range")}
    return SuiteVoice(**({"name": str(table.get("folder") or table.get("command"))} | rest | ranges))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SuiteError(
            f"{path}: cannot be read ({error.strerror}); expected a suite file or {', '.join(BUNDLED)}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: is not TOML ({error})") from error


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if both else value
    return out


def _whole(path: Path) -> dict[str, Any]:
    """A file's tables over those of its base."""
    table = _read(path)
    base = table.pop("base", None)
    if base is None:
        return table
    if base not in BUNDLED:
        raise SuiteError(f"{path}: base = {base!r}, expected one of {', '.join(BUNDLED)}")
    return _merged(_whole(Path(str(files("imkit.scenes") / f"{base}.toml"))), table)


def load_suite(name_or_path: str | Path) -> Suite:
    """A suite that comes with imkit ("dev", "orders", "wakewords", "interpreting"), or a TOML file.

    A file may say ``base = "dev"`` and give only what differs: tables are merged, lists (voices, phrases) replaced.
    ``scenes = ["pause_handling"]`` at its top says which scenes are played where nobody asks for others.
    Raises SuiteError that names the file and what is wrong with it.
    """
    path = Path(name_or_path)
    if str(name_or_path) in BUNDLED:
        path = Path(str(files("imkit.scenes") / f"{name_or_path}.toml"))
    table = _whole(path)
    where = f"suite {path.stem}"
    voices = table.get("voice")
    if not voices or not isinstance(voices, list):
        raise SuiteError(f"{where}: no [[voice]] table; expected at least one")
    for key, least in (("seed", 0), ("trials", 1)):
        value = table.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SuiteError(f"{where}: {key} = {value!r}, expected a whole number from {least} on")
    for name, lines in table.get("phrases", {}).items():
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise SuiteError(f"{where}, [phrases]: {name} = {lines!r}, expected a list of sentences")
    plays = table.get("scenes", [])
    if not isinstance(plays, list) or not all(
        isinstance(name, str) and name in table.get("scene", {}) for name in plays
    ):
        raise SuiteError(f"{where}: scenes = {plays!r}, expected a list of names that each have a table [scene.NAME]")
    return Suite(
        path.stem,
        table["seed"],
        table["trials"],
        tuple(_voice(f"{where}, [[voice]] {i + 1}", voice) for i, voice in enumerate(voices)),
        table.get("microphone", {}),
        {name: tuple(lines) for name, lines in table.get("phrases", {}).items()},
        table.get("scene", {}),
        path.parent,
        tuple(plays),
    )

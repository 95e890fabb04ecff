"""Where trials are played: one process's voices and model, and the jobs that it can do."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imkit.adapters import PREFIXES
from imkit.adapters import load as load_by_name
from imkit.stream import ImkitError, InteractionModel, ModelError

from . import hearing
from .cast import Cast
from .kinds import SceneKind
from .people import People, people_of
from .policies import HALF_ORACLES, RATE, TIMERS, TRIVIAL, Make, Oracle
from .suite import Settings, Suite, SuiteError
from .trial import make_world, play_trial
from .trial_files import trial_json, write_json, write_sound, write_strip
from .wake import WakeRecordings, wake_recordings
from .world import World

RECORDED: Mapping[str, Callable[[Settings], People | WakeRecordings]] = {
    "order_recording": people_of, "wake_cue": wake_recordings, "wake_other": wake_recordings
}  # fmt: skip
"""The scenes that need recordings of people, and how to find those."""

POLICIES: Mapping[str, Make] = {Oracle.name: Oracle, **TRIVIAL, **HALF_ORACLES, **TIMERS}
"""Every policy by name: each may sit in the model's chair, and each is played beside it."""

WHOLE_BYTES, END_BYTES = 1 << 26, 1 << 20  # of a file of weights that is read whole; of each end of a larger one
NOT_PLAYED = {"stage", "run", "report", "report_page", "trial_files", "length", "table", "duet"}
"""Modules of this folder that decide nothing in a trial."""

DESCRIPTIONS = {"config.json", "clips.json", "voice.json"}
"""What a model folder says of itself, beside its weights."""

Job = tuple[str, str, int] | hearing.Sentence
"""("trial" or "baselines", scene, number), or a sentence to be heard."""


class EvalError(ImkitError):
    """An evaluation cannot be run or continued. Says why, and what to do."""


@dataclass(frozen=True)
class Plan:
    """What is played to whom, and where it is kept. Goes to every process.

    model      what ``load`` takes, or the name of a policy
    kinds      the scenes by name, in the order of the report
    audio      keep the sound of every trial
    baselines  play the policies too
    """

    suite: Suite
    model: str
    kinds: Mapping[str, SceneKind]
    trials: int
    out: Path
    audio: bool = True
    baselines: bool = True
    load: Callable[[str], InteractionModel[Any]] = load_by_name

    @property
    def name(self) -> str:
        """The model's name, without the folder that it lies in."""
        return self.model if ":" in self.model else Path(self.model).name

    def trial_path(self, scene: str, number: int) -> Path:
        """Where a trial is kept."""
        return self.out / "trials" / scene / f"{number:03d}.json"

    def head(self) -> dict[str, str]:
        """What every trial in the folder has in common."""
        fingerprint, weights = fingerprint_of(self.suite), weights_of(self.model)
        return {"suite": self.suite.name, "fingerprint": fingerprint, "model": self.name, "weights": weights}


def fingerprint_of(suite: Suite) -> str:
    """Twelve hexadecimal digits of what decides a trial: the suite's values and the code of the scenes."""
    values = asdict(suite)
    del values["trials"], values["home"], values["plays"]
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode())
    digest.update(_recordings(suite).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in NOT_PLAYED:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _recordings(suite: Suite) -> str:
    """What names the recordings that the suite plays; "" where it plays none, or they are not here."""
    found = ""
    for scene in sorted(RECORDED.keys() & suite.scenes.keys()):
        with suppress(SuiteError):
            found += RECORDED[scene](suite.settings(scene)).digest
    return found


def weights_of(model: str) -> str:
    """Twelve hexadecimal digits of what a model's folder holds; "" for a policy and for a model without a folder.

    Of a guest's folder that holds gigabytes, the ends of every large file and its length are looked at.
    """
    from imkit.model.nano import model_folder

    if model in POLICIES:
        return ""
    prefix, _, rest = model.partition(":")
    if rest and (prefix not in PREFIXES or not Path(rest.partition("@")[0]).is_dir()):
        return ""
    path = Path(rest or model)
    try:
        folder = path if (path / "config.json").is_file() else model_folder(model)
    except ModelError:
        return ""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".safetensors", ".onnx", ".flac"} or path.name in DESCRIPTIONS:
            _digest(path, digest)
    return digest.hexdigest()[:12]


def _digest(path: Path, digest: Any) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            digest.update(file.read())
            return
        digest.update(str(size).encode())
        for at in (0, size - END_BYTES):
            file.seek(at)
            digest.update(file.read(END_BYTES))


class Stage:
    """Voices and a model, and trials played one after another."""

    def __init__(self, plan: Plan, head: Mapping[str, str]) -> None:
        self.plan, self.head, self.cast = plan, head, Cast(plan.suite)
        self.model = None if plan.model in POLICIES else plan.load(plan.model)
        if (with_phrases := getattr(self.model, "with_phrases", None)) is not None:
            self.model = with_phrases(plan.suite.phrases)  # who hears a closed language is told which
        self.rate = RATE if self.model is None else self.model.spec.output_rate

    def seat(self, world: World) -> InteractionModel[Any]:
        """Who plays in this world."""
        return POLICIES[self.plan.model](world) if self.model is None else self.model

    def play(self, job: Job) -> dict[str, Any]:
        """Does one job. A trial is written here; what is given back is for whoever asked to keep."""
        try:
            if isinstance(job, hearing.Sentence):
                return hearing.hear(job, self.plan.suite, self.cast, self.seat, self.rate)
            what, scene, number = job
            return self.trial(scene, number) if what == "trial" else self.baselines(scene, number)
        except (EvalError, ModelError, SuiteError):
            raise
        except Exception as error:
            raise EvalError(f"{self.plan.name}, {job}: {type(error).__name__}: {error}") from error

    def trial(self, scene: str, number: int) -> dict[str, Any]:
        """The model plays a trial, which is written; gives the milliseconds that it took for each micro-turn."""
        plan = self.plan
        world = make_world(plan.suite, self.cast, scene, number, self.rate)
        verdict, timeline = play_trial(plan.kinds[scene].play, world, self.seat(world), time.perf_counter)
        path = plan.trial_path(scene, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if plan.audio:
            write_sound(path.with_suffix(".flac"), timeline)
        strip = write_strip(path.with_suffix(".png"), timeline)
        value = {**self.head, "scene": scene, "number": number, "strip": strip, **trial_json(world, verdict, timeline)}
        write_json(path, value, indent=None)  # last: it says that the trial is finished
        return {"scene": scene, "number": number, "ms": [round(m.compute_ms, 2) for m in timeline]}

    def baselines(self, scene: str, number: int) -> dict[str, Any]:
        """All policies play a trial; gives their verdicts."""
        verdicts = {}
        for name, make in POLICIES.items():
            world = make_world(self.plan.suite, self.cast, scene, number, RATE)
            world.looked_at = False
            verdicts[name] = play_trial(self.plan.kinds[scene].play, world, make(world))[0].to_json()
        return {"scene": scene, "number": number, "verdicts": verdicts}

    def close(self) -> None:
        """End the voices' process."""
        self.cast.close()

"""A model plays a suite: trials in processes of their own, kept as they end, taken up again where a run was stopped.

What the folder holds::

    eval.json                   what is played to whom; another suite or model in the same folder is an error
    trials/SCENE/003.json       one trial (see ``trial_files``); 003.flac to hear it, 003.png what was seen
    baselines.jsonl             verdicts of the policies, a line a trial
    hearing.jsonl               what was heard, a line a sentence
    ticks.jsonl                 milliseconds that the model took for each micro-turn, a line a trial
    report.json                 scores: the same bytes for the same suite, seed and model
    runtime.json, report.html   what the machine took for it; everything to look at and to listen to
    length.json                 one long stream (see ``length``): what came of it, and a row a trial
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Self, TextIO

from .hearing import Sentence, sentences
from .length import length_of, pace_of, play_length
from .report import report_of, runtime_of
from .report_page import write_page
from .stage import POLICIES, RECORDED, EvalError, Job, Plan, Stage
from .trial_files import json_text, write_json

LOGS = ("baselines.jsonl", "hearing.jsonl", "ticks.jsonl")
OURS = ("eval.json", "report.json", "runtime.json", "report.html", "length.json", *LOGS)


def evaluate(plan: Plan, *, workers: int = 1, fresh: bool = False, told: TextIO = sys.stderr) -> dict[str, Any]:
    """Plays what is not yet played, writes the report and gives it.

    ``fresh`` throws away what the folder holds of earlier runs. Raises EvalError where it holds trials of another suite
    or model, SuiteError and ModelError where this one cannot be played. What is finished is kept whatever happens.
    """
    for scene in plan.kinds:  # an error now rather than after the scenes before it
        settings = plan.suite.settings(scene)
        if scene in RECORDED:
            RECORDED[scene](settings)
    head = plan.head()
    _prepare(plan.out, head, fresh)
    baselines, heard, ticks = (Log(plan.out / name) for name in LOGS)
    lines_of = {(row["scene"], row["number"]) for row in baselines.rows}
    jobs: list[Job] = []
    for scene in plan.kinds:
        for number in range(plan.trials):
            if not _finished(plan, head, scene, number):
                jobs.append(("trial", scene, number))
            if plan.baselines and (scene, number) not in lines_of:
                jobs.append(("baselines", scene, number))
    texts = [] if plan.model in POLICIES else sentences(plan.suite, plan.kinds, (plan.trials + 1) // 2)
    known = {_key(row) for row in heard.rows}
    to_hear = [sentence for sentence in texts if _key(sentence.row) not in known]
    total = plan.trials * len(plan.kinds) * (1 + plan.baselines) + len(texts)
    progress = Progress(total, total - len(jobs) - len(to_hear), told)

    def keep(job: Job, result: dict[str, Any]) -> None:
        log = heard if isinstance(job, Sentence) else ticks if job[0] == "trial" else baselines
        log.add(result)
        progress.step("hearing" if isinstance(job, Sentence) else f"{job[1]} {job[2]}")

    if jobs or to_hear:
        with Players(plan, head, workers) as players:
            players.play(jobs, keep)
            players.play([sentence for sentence in to_hear if sentence.number == 0], keep)
            if any(row["heard"] for row in heard.rows):  # a model without a transcript need not hear the rest
                players.play([sentence for sentence in to_hear if sentence.number > 0], keep)
    progress.end()
    return _write(plan, head, texts, baselines, heard, ticks, workers)


def evaluate_length(
    plan: Plan, seconds: float, *, fresh: bool = False, told: TextIO = sys.stderr
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plays the plan's scenes in one stream of so many seconds; gives what came of it, and the pace of the machine.

    Both are kept in length.json and told in the report of the same folder, whichever was made first. A stream has one
    state, so one that was stopped is not taken up again. Raises as ``evaluate`` does.
    """
    head = plan.head()
    _prepare(plan.out, head, fresh)
    progress = Progress(max(1, int(seconds / 60)), 0, told)

    def tell(at_s: float) -> None:
        while progress.done < min(progress.total, int(at_s / 60)):
            progress.step("minutes of one stream")

    rows = play_length(plan, seconds, tell)
    progress.end()
    found = length_of(rows, plan.kinds, seconds, plan.suite.seed)
    pace = {"tick_ms_p50": pace_of(rows, seconds)}
    write_json(plan.out / "eval.json", head)
    write_json(plan.out / "length.json", {**head, "length": found, "runtime": pace, "trials": rows}, indent=None)
    report, runtime = (_read(plan.out / name) for name in ("report.json", "runtime.json"))
    report = report or {**head, "seed": plan.suite.seed}
    _add_length(plan.out, head, report, runtime)
    write_json(plan.out / "report.json", report)
    if "scenes" in report:
        write_json(plan.out / "runtime.json", runtime)
        trials = {
            scene: [_read(plan.trial_path(scene, number)) for number in range(report["n"])]
            for scene in report["scenes"]
        }
        write_page(plan.out / "report.html", report, runtime, trials)
    return found, pace


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    value = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return value if isinstance(value, dict) else {}


def _add_length(out: Path, head: dict[str, str], report: dict[str, Any], runtime: dict[str, Any]) -> None:
    """What one long stream came to, where the folder has one."""
    if _same(out / "length.json", head):
        kept = _read(out / "length.json")
        report["length"], runtime["length"] = kept["length"], kept["runtime"]


def _write(
    plan: Plan, head: dict[str, str], texts: Sequence[Sentence], baselines: Log, heard: Log, ticks: Log, workers: int
) -> dict[str, Any]:
    wanted = {(scene, number) for scene in plan.kinds for number in range(plan.trials)}
    asked = {_key(sentence.row) for sentence in texts}
    trials = {
        scene: [json.loads(plan.trial_path(scene, number).read_text("utf-8")) for number in range(plan.trials)]
        for scene in plan.kinds
    }
    rows = [row for row in baselines.rows if (row["scene"], row["number"]) in wanted] if plan.baselines else []
    report = report_of(plan, head, trials, rows, [row for row in heard.rows if _key(row) in asked])
    runtime = runtime_of(plan, head, [row for row in ticks.rows if (row["scene"], row["number"]) in wanted], workers)
    _add_length(plan.out, head, report, runtime)
    write_json(plan.out / "report.json", report)
    write_json(plan.out / "runtime.json", runtime)
    write_page(plan.out / "report.html", report, runtime, trials)
    return report


def _prepare(out: Path, head: dict[str, str], fresh: bool) -> None:
    try:
        if fresh:
            shutil.rmtree(out / "trials", ignore_errors=True)
            for name in OURS:
                (out / name).unlink(missing_ok=True)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvalError(f"{out}: cannot be written: {error.strerror or error}. Choose another folder.") from error
    _same(out / "eval.json", head)


def _same(path: Path, head: dict[str, str]) -> bool:
    """Whether ``path`` can be read; EvalError if it is of another run."""
    try:
        found = json.loads(path.read_text("utf-8"))
        other = {key: found.get(key, "") for key in head}
    except (OSError, ValueError, AttributeError):
        return False
    if other == head:
        return True
    differs = "; ".join(
        f"{key} {other[key] or 'none'}, now {head[key] or 'none'}" for key in head if other[key] != head[key]
    )
    raise EvalError(f"{path} is of another evaluation ({differs}); choose another folder, or --fresh to throw it away")


def _finished(plan: Plan, head: dict[str, str], scene: str, number: int) -> bool:
    path = plan.trial_path(scene, number)
    return path.exists() and _same(path, head) and (not plan.audio or path.with_suffix(".flac").exists())


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("number", "voice_number", "kind", "text"))


class Players:
    """Processes that play, each with a stage of its own."""

    def __init__(self, plan: Plan, head: dict[str, str], workers: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._workers, self._eval, self._head = workers, plan.out / "eval.json", head
        self._pool = ProcessPoolExecutor(workers, spawn, _begin, (plan, head))

    def play(self, jobs: Sequence[Job], keep: Callable[[Job, dict[str, Any]], None]) -> None:
        """Has every job done, in any order, and each result kept as it comes. The first error ends it."""
        waiting = iter(jobs)
        under_way: dict[Future[dict[str, Any]], Job] = {}
        try:
            while True:
                while len(under_way) < 2 * self._workers and (job := next(waiting, None)) is not None:
                    under_way[self._pool.submit(_play, job)] = job
                if not under_way:
                    return
                for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                    result = done.result()
                    if not self._eval.exists():  # not before the model could be loaded and played
                        write_json(self._eval, self._head)
                    keep(under_way.pop(done), result)
        except BrokenProcessPool as error:
            raise EvalError(
                "a process that played ended by itself (no memory left?); run this again to go on"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


_plan: tuple[Plan, dict[str, str]] | None = None
_stage: Stage | None = None


def _begin(plan: Plan, head: dict[str, str]) -> None:
    """A process begins: it leaves Ctrl-C to its parent, and ends when the parent is gone."""
    global _plan
    _plan = plan, head
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _play(job: Job) -> dict[str, Any]:
    global _stage
    assert _plan is not None
    _stage = _stage or Stage(*_plan)
    return _stage.play(job)


class Log:
    """A file of JSON lines that is added to. A last line that was cut short, when a run was stopped, is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        whole = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in whole.split("\n"):
            try:
                self.rows.append(json.loads(line))
            except ValueError:
                continue
        self._torn = bool(whole) and not whole.endswith("\n")

    def add(self, row: dict[str, Any]) -> None:
        """One more line."""
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" * self._torn + json_text(row, None))
        self._torn = False


class Progress:
    """How far a run is, on one line of a terminal, or on a new line every tenth where there is none."""

    def __init__(self, total: int, done: int, stream: TextIO) -> None:
        self.total, self.done, self._stream = total, done, stream
        self._already, self._tenths, self._started_s = done, 10 * done // max(1, total), time.monotonic()

    def step(self, what: str) -> None:
        """One more is done."""
        self.done += 1
        left_s = (time.monotonic() - self._started_s) / (self.done - self._already) * (self.total - self.done)
        filled = 24 * self.done // self.total
        left = f"{int(left_s) // 60}:{int(left_s) % 60:02d}"
        line = f"[{'#' * filled}{'.' * (24 - filled)}] {self.done}/{self.total}, {left} left, {what}"
        tenths = 10 * self.done // self.total
        if self._stream.isatty():
            self._stream.write(f"\r{line[:99]:<99}")
        elif tenths > self._tenths:
            self._stream.write(line + "\n")
        self._tenths = tenths
        self._stream.flush()

    def end(self) -> None:
        """All is done."""
        if self._stream.isatty() and self.done > self._already:
            self._stream.write("\n")

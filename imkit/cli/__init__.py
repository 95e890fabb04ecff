"""The command line: ``imkit lab | check | demo | run | record | replay | eval | bench | serve | train``, late."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from imkit import __version__
from imkit.stream import ImkitError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code: 0 done, 1 something does not work here, 2 wrong use or input."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.command != "lab":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    try:
        return _command(arguments)
    except ImkitError as error:
        print(f"imkit {arguments.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"imkit {arguments.command}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _command(arguments: argparse.Namespace) -> int:
    command = arguments.command
    if command == "run":
        from .run import run

        return run(arguments)
    if command == "record":
        from .run import record

        return record(arguments)
    if command == "replay":
        from .replay import replay

        return replay(arguments)
    if command == "demo":
        from .run import demo

        return demo(arguments)
    if command == "check":
        from .check import check

        return check(arguments.model)
    if command == "lab":
        from .lab import lab

        return lab(arguments.notebook, arguments.rest)
    if command == "bench":
        from .bench import bench

        only = [*arguments.rows, *(arguments.only or ())] or None
        return bench(arguments.model, arguments.minutes, only, arguments.hours, arguments.ppm, arguments.real)
    if command == "export":
        from .export import export

        return export(arguments)
    if command == "eval":
        from .evaluate import evaluate

        return evaluate(arguments)
    if command == "serve":
        from .serve import serve

        return serve(arguments)
    from imkit.training.train import main as train

    return train([arguments.recipe, *arguments.options])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("imkit", description="Full-duplex AI in a Jupyter notebook.")
    parser.add_argument("--version", action="version", version=f"imkit {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=help)

    lab = command("lab", "Open JupyterLab on the first notebook. Further options go to jupyter lab.")
    lab.add_argument("notebook", nargs="?", help="another notebook")

    check = command("check", "Say in one line each what works here, and what to do where it does not.")
    _model(check)

    demo = command("demo", "Run the bundled spoken scene, without a browser, and write a recording folder.")
    _model(demo)
    _out(demo, required=False)

    run = command("run", "Play files to the model in virtual time: a recording, its sounds, words and timeline.")
    _played(run)
    record = command("record", "Play files to the model in virtual time and write a recording, nothing beside it.")
    _played(record)
    record.add_argument("--acts", action="store_true", help="keep what acts tell besides (numbers, logits)")

    replay = command("replay", "Run the model again on what was recorded.")
    replay.add_argument("folder", metavar="DIR", help="the recording")
    replay.add_argument(
        "--check", action="store_true", help="exit with 0 if all is the same to the byte, else name where it is not"
    )
    replay.add_argument("--live", action="store_true", help="keep to the clock, and show what is said when it is said")
    replay.add_argument("--model", help="as for run (the one it was recorded with, where imkit knows its name)")

    bench = command("bench", "Measure what the design asks for and print it beside its targets.")
    bench.add_argument("rows", nargs="*", metavar="ROW", help="only these rows, such as delegate; as --only")
    _model(bench)
    bench.add_argument(
        "--minutes", type=_seconds, default=30.0, metavar="N", help="length of the long run (default 30)"
    )
    bench.add_argument(
        "--only", action="append", metavar="ROW", help="only rows whose name holds this; may be repeated"
    )

    bench.add_argument("--hours", type=_seconds, default=8.0, metavar="H", help="length of the row soak (default 8)")
    bench.add_argument(
        "--ppm", type=float, default=100.0, metavar="N", help="soak: how much too fast the page's clock is (100)"
    )
    bench.add_argument("--real", action="store_true", help="soak: by the wall clock, for --minutes")

    evaluate = command("eval", "Have a model play the scenes of a suite, and write a report with scores.")
    evaluate.add_argument(
        "--suite", default="dev", metavar="NAME", help="dev, orders, wakewords, interpreting, or a TOML file (dev)"
    )
    evaluate.add_argument(
        "--model", default="nano", help="a name, a folder, module:attribute, or a policy such as oracle (nano)"
    )
    evaluate.add_argument("--scenes", metavar="A,B", help="only these scenes")
    evaluate.add_argument("--n", type=_count, metavar="N", help="trials of each scene (as the suite says)")
    evaluate.add_argument("--workers", type=_count, default=1, metavar="N", help="processes that play at once (1)")
    evaluate.add_argument(
        "--audio", action=argparse.BooleanOptionalAction, default=True, help="keep the sound of every trial (yes)"
    )
    evaluate.add_argument(
        "--baselines", action=argparse.BooleanOptionalAction, default=True, help="play the policies too (yes)"
    )
    evaluate.add_argument("--out", metavar="DIR", help="the folder to write; a run that was stopped goes on there")
    evaluate.add_argument(
        "--minutes", type=_seconds, metavar="N", help="instead, short scenes back to back in one stream of so long"
    )
    evaluate.add_argument("--fresh", action="store_true", help="throw away what the folder holds of an earlier run")
    evaluate.add_argument(
        "--list-texts", action="store_true", help="print every sentence that the suite has spoken, as JSON lines"
    )

    export = command("export", "Write a recording in a form that other tools read.")
    export.add_argument("recording", metavar="DIR", help="a recording folder")
    export.add_argument(
        "--to", required=True, metavar="FORMAT", help="such as vtt, textgrid, eaf, rttm, parquet, trace"
    )
    export.add_argument("--out", metavar="PATH", help="the file or folder to write (one beside the recording)")
    export.add_argument("--force", action="store_true", help="replace what is there")

    serve = command("serve", "Serve a model to clients of the OpenAI Realtime API, on this machine.")
    _model(serve)
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1, this machine alone)")
    serve.add_argument("--port", type=int, default=8765, metavar="N", help="0 takes a free one (8765)")
    serve.add_argument(
        "--token", metavar="T", help="what clients must know (the variable IMKIT_SERVE_TOKEN, else one is made)"
    )
    serve.add_argument("--max-sessions", type=_count, default=4, metavar="N", help="clients at a time (4)")
    serve.add_argument("--origin", action="append", metavar="URL", help="a page that may come in; may be repeated")

    train = command("train", "Train a model from a recipe.")
    train.add_argument("recipe", metavar="RECIPE", help="such as models/nano/recipe.toml")
    train.add_argument("options", nargs=argparse.REMAINDER, help="passed on to the training program")
    return parser


def _played(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--audio", metavar="A.wav", help="what is said: any file that libsndfile reads")
    parser.add_argument("--video", metavar="V.mp4", help="what is seen; its sound is used unless --audio is given")
    parser.add_argument("--text", metavar="T.jsonl", help='what is typed: lines such as {"t": 1.5, "text": "hello"}')
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="at most so much of the input")
    _model(parser)
    _out(parser, required=True)


def _model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="nano", help="a name, or module:attribute for a model of your own (nano)")


def _out(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--out", required=required, metavar="DIR", help="the recording folder to write")
    parser.add_argument("--force", action="store_true", help="write into a folder that is not empty")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the model's own choices (0)")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value

"""Whether a wheel and an sdist hold all that a person needs: ``python .ci/release_check.py dist [--version 0.1.0]``.

Every file of the package and of the model in this tree must be in the wheel byte for byte; the front end and the
weights must be there at all. Exits with 1 and one line for each thing that is wrong.
"""

from __future__ import annotations

import argparse
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

FRONT_END = ("widget.js", "widget.css", "surface.js", "surface.css", "demo.wav")
MODEL = (
    "config.json",
    "weights.safetensors",
    "tick.onnx",
    "voice.json",
    "voice.onnx",
    "voice.safetensors",
    "README.md",
)
NEEDED = {f"imkit/notebook/static/{name}": f"imkit/notebook/static/{name}" for name in FRONT_END} | {
    f"models/nano/{name}": f"imkit/_models/nano/{name}" for name in MODEL
}
"""Place in the tree: place in the wheel."""
LEAST_BYTES = 100
LEFT_OUT = ("__pycache__", ".ipynb_checkpoints")
FOREIGN = ("tests/", "runs/", "data/", ".env", ".pypirc")


def of_tree(root: Path) -> dict[str, str]:
    """Every file of the package and the model: place in the tree, place in the wheel."""
    found = dict(NEEDED)
    for folder, place in (("imkit", "imkit"), ("models/nano", "imkit/_models/nano")):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not any(part in LEFT_OUT for part in path.parts):
                name = path.relative_to(root / folder).as_posix()
                found[f"{folder}/{name}"] = f"{place}/{name}"
    return found


def faults_of(root: Path, kind: str, held: Mapping[str, bytes], wanted: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with an archive of these files; ``wanted``: place in the tree, place in the archive."""
    for source, place in wanted.items():
        path = root / source
        if not path.is_file():
            yield f"tree: {source} is missing; run `make widget`, or take the model's files from the repository"
        elif place not in held:
            yield f"{kind}: {place} is missing"
        elif held[place] != path.read_bytes():
            yield f"{kind}: {place} is not the {source} of this tree"
        elif source in NEEDED and len(held[place]) < LEAST_BYTES:
            yield f"{kind}: {place} has {len(held[place])} bytes, which cannot be all of it"
    for name in held:
        if name.startswith(FOREIGN) or name.endswith((".pyc", ".pt", ".pkl")):
            yield f"{kind}: {name} does not belong there"


def check(root: Path, dist: Path, version: str = "") -> list[str]:
    """All that is wrong with the one wheel and the one sdist in ``dist``."""
    wheels, sdists = sorted(dist.glob("*.whl")), sorted(dist.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        return [
            f"{dist}: {len(wheels)} wheels and {len(sdists)} sdists, expected one of each; empty it and build again"
        ]
    wanted = of_tree(root)
    with zipfile.ZipFile(wheels[0]) as archive:
        wheel = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    faults = list(faults_of(root, "wheel", wheel, wanted))
    sdist: dict[str, bytes] = {}
    with tarfile.open(sdists[0]) as packed:
        for member in packed:
            file = packed.extractfile(member) if member.isfile() else None
            if file is not None:
                sdist[member.name.partition("/")[2]] = file.read()
    faults += faults_of(root, "sdist", sdist, {source: source for source in wanted})
    told = [name for name in wheel if name.endswith(".dist-info/METADATA")]
    built = next((line[9:] for line in wheel[told[0]].decode().splitlines() if line.startswith("Version: ")), "")
    if version and built != version.removeprefix("v"):
        faults.append(f"wheel: version {built}, and the release is {version}")
    return sorted(set(faults))


def main() -> int:
    """Checks and tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dist", type=Path)
    parser.add_argument("--version", default="", help="what it must be, such as v0.1.0")
    options = parser.parse_args()
    faults = check(Path(__file__).parents[1], options.dist, options.version)
    for fault in faults:
        print(fault)
    print(f"release check: {len(faults)} faults" if faults else "release check: all there")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The page of models says what the code says."""

import re
import tomllib
from pathlib import Path

import pytest
from fakes_guests import inkling_tokenizer, tiny_inkling, tiny_moshi

import imkit
from imkit.adapters import PREFIXES
from imkit.adapters.inkling import Inkling
from imkit.adapters.minicpmo import MiniCPMO
from imkit.adapters.moshi import Moshi
from imkit.model.hub import WANTED

ROOT = Path(imkit.__file__).parent
PAGE = (ROOT / "adapters" / "MODELS.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
TABLE = {row[0]: dict(zip(ROWS[0], row, strict=True)) for row in ROWS[2:]}


class Duplex:
    prepare = streaming_prefill = streaming_generate = lambda self: None


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("nano", lambda: imkit.load("nano")),
        ("Moshi", lambda: Moshi(tiny_moshi())),
        ("MiniCPM-o 4.5", lambda: MiniCPMO(Duplex())),
        ("Inkling", lambda: Inkling(tiny_inkling(), inkling_tokenizer())),
    ],
)
def test_a_row_says_what_the_spec_says(name, model):
    row, spec = TABLE[name], model().spec
    period = {0.08: "80 ms", 0.2: "200 ms", 1.0: "1 s"}[spec.native_period_s]
    assert row["native period"] == period
    assert (row["sees"] != "no") == spec.sees
    assert (row["reads"] == "yes") == spec.reads
    assert (row["tools"] == "yes") == spec.delegates
    if not row["speaks"].startswith("no"):
        assert row["speaks"] == f"{spec.output_rate // 1000} kHz"


def test_every_prefix_and_every_extra_is_there():
    named = {prefix for row in TABLE.values() for prefix in re.findall(r"`(\w+):`", row["name"])}
    assert named == set(PREFIXES)
    extras = tomllib.loads((ROOT.parent / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    asked = {extra for row in TABLE.values() for extra in re.findall(r"`imkit\[(\w+)\]`", row["needs"])}
    assert asked - {"realtime"} <= set(extras)
    assert asked >= {"guests", "minicpmo", "cascade"}


def test_what_is_fetched_is_what_it_says():
    kinds = {suffix: suffix.lstrip("*.") for suffix in WANTED}
    said = PAGE.partition("## What is fetched")[2].lower()
    assert all(kind in said for kind in kinds.values())

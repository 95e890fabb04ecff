"""The page that lists every site: ``python -m imkit.probe.page`` writes ``SITES.md`` beside this module."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imkit.model.ring import STREAMS
from imkit.model.sites import BLOCK, SITES, Site

PAGE = Path(__file__).with_name("SITES.md")
ROWS = {
    "pos": "every token of the micro-turn, 5 to 14: a picture if one came, up to 8 words, 4 of sound, 1 act",
    "audio": "its 4 tokens of sound, 50 ms each: microphone and own sound, summed",
    "act": "its last token, from which floor, next word and call are read",
    "word": "its tokens of words, 0 to 8: heard in the micro-turn before, typed, or told by an event",
    "frame": "its token of a picture, 1 where one came, else 0",
    "mel": "its mel frames, equal parts of its 200 ms: 20, or 16 where sound goes through the convolutions of a stem",
    "tick": "one",
    "query_pos": "as pos: the tokens that look",
    "key_pos": "what they could reach, oldest first: `cache.key_positions`; NaN where it could not be reached",
}
"""What the rows of a site are, by the axis that rises with time."""
INTRO = """# Sites of nano

Written by `python -m imkit.probe.page` from `imkit/model/sites.py`; edit that.

Each is an identity in the network, at which activations are kept and changed:

```python
acts, cache = timeline.run_with_cache(["blocks.3.attn.hook_pattern", ("resid_post", 5)])  # live through it again
capture = session.capture(lambda name: name.endswith("hook_out"), last_s=30)  # while it runs
change = session.hooks([("blocks.2.hook_resid_post", lambda tensor, hook: 0 * tensor)])  # until change.remove()
list(imkit.probe.sites("nano"))  # all of them
```

Names are those of TransformerLens 3; other names are those of TransformerLens 2 and mean the same site. `{i}` is the
layer, from 0. Batch is always 1. Which moment and stream each row is of: `cache.positions_of(name)`. Of a model that
has no sites of its own every part has two: `<path>.hook_in` and `<path>.hook_out`.
"""


def page() -> str:
    """The whole page, Markdown."""
    inside = [site for site in SITES if site.name.startswith(BLOCK)]
    first = SITES.index(inside[0])
    streams = ", ".join(f"`{name}`" for name in STREAMS)
    parts = [
        INTRO,
        "## Into the layers",
        _table(SITES[:first]),
        "## In each layer",
        _table(inside),
        "## Out of the layers",
        _table(SITES[first + len(inside) :]),
        "## Rows",
        "\n".join(
            [
                "| axis | one row for each of |",
                "| --- | --- |",
                *(f"| {axis} | {says} |" for axis, says in ROWS.items()),
            ]
        ),
        f"What a token is of, `positions.stream`, is one of {streams}.",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def write(path: Path = PAGE) -> Path:
    """Writes the page and gives its path."""
    path.write_text(page(), encoding="utf-8")
    return path


def _table(sites: Iterable[Site]) -> str:
    lines = ["| site | axes | what is there | other names |", "| --- | --- | --- | --- |"]
    for site in sites:
        other = ", ".join(f"`{name}`" for name in site.known)
        lines.append(f"| `{site.name}` | {' '.join(site.axes)} | {site.says} | {other} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(write())

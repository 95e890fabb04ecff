"""Draws the pictures of the gallery: ``python docs/pictures.py [NAME ...]`` runs notebooks and keeps a figure of each.

A notebook's cells are run in order, in this process, up to the one that holds a given piece of text; what that cell
shows is drawn by Chromium and written to ``docs/pictures/<notebook>.png``.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
NOTEBOOKS = DOCS.parent / "notebooks"
SHOWN = {
    "01_one_micro_turn": "figure(timeline[0.0:10.0])",
    "02_full_duplex": 'question = duet("smooth_turn_taking", 0, models)',
    "03_talk_about_your_data": "versions[1]",
    "04_timeline": "views.figure(timeline, 4.5, 10.5",
    "05_what_if": "fork_figure(question, paused)",
    "06_inside": "why.figure()",
    "07_who_decides_to_speak": "patch_figure(mean, ",
    "08_a_clock_inside": "at_clock, best_request",
    "09_guests": "figure = go.Figure(go.Heatmap(z=levels.T",
    "10_teach": "frontier = [tried(SilenceTimer(wait_s))",
}
"""Notebook -> text of the cell whose figure is taken; of 08 the figure stands in the cell before."""
SERVE = "serve"
"""Drawn from what ``imkit bench serve`` measured and ``docs/measured/serve.json`` keeps."""
WIDTH = 1200
KEPT_WIDTH, KEPT_HEIGHT = 1000, 640


def cells_of(name: str) -> list[str]:
    """The code cells of a notebook up to the one whose figure is wanted."""
    wanted, taken = SHOWN[name], []
    for cell in json.loads((NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        taken.append("".join(cell["source"]))
        if wanted in taken[-1]:
            return taken[:-1] if name.startswith("08") else taken
    raise SystemExit(f"{name}: no cell holds {wanted!r}; say in docs/pictures.py which one does")


def page_of(shown: Any) -> str:
    """What a cell showed as a page that needs no network."""
    if hasattr(shown, "figure"):
        shown = shown.figure()
    if hasattr(shown, "to_html"):
        body = shown.to_html(include_plotlyjs=True, full_html=False, config={"displayModeBar": False})
    elif hasattr(shown, "_repr_html_"):
        body = shown._repr_html_()
    else:
        body = shown._repr_mimebundle_()["text/html"]
    style = "body { margin: 0; background: white; font: 14px sans-serif } #shown { display: inline-block }"
    return f"<!doctype html><meta charset='utf-8'><style>{style}</style><div id='shown'>{body}</div>"


def run(name: str) -> str:
    """Runs a notebook and gives the page of its figure."""
    if name == SERVE:
        from imkit.cli.bench_serve import Load, load_figure

        told = json.loads((DOCS / "measured" / "serve.json").read_text("utf-8"))
        return page_of(load_figure([Load(**one) for one in told["loads"]], told["cores"]))
    from IPython.core.interactiveshell import InteractiveShell

    shell, shown = InteractiveShell.instance(), None
    for source in cells_of(name):
        done = shell.run_cell(source, store_history=True)
        if not done.success:
            raise SystemExit(f"{name}: a cell failed; see above")
        shown = done.result
    if shown is None:
        raise SystemExit(f"{name}: the cell with {SHOWN[name]!r} shows nothing")
    return page_of(shown)


def main(names: list[str]) -> None:
    """Draws those of ``names``, each in a process of its own, or of all notebooks."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    for name in names or [*SHOWN, SERVE]:
        pages = Path(os.environ.get("TMPDIR", "/tmp")) / f"imkit-picture-{name}.html"
        os.chdir(NOTEBOOKS)
        if os.spawnv(os.P_WAIT, sys.executable, [sys.executable, __file__, "--page", name, str(pages)]):
            raise SystemExit(f"{name}: not drawn")
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": WIDTH})
            page.goto(pages.as_uri())
            page.wait_for_timeout(1500)
            taken = page.locator("#shown").screenshot()
            browser.close()
        pages.unlink()
        picture = Image.open(io.BytesIO(taken)).convert("RGB")
        picture.thumbnail((KEPT_WIDTH, KEPT_HEIGHT), Image.Resampling.LANCZOS)
        path = DOCS / "pictures" / f"{name}.png"
        picture.quantize(128).save(path, optimize=True)
        print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--page"]:
        Path(sys.argv[3]).write_text(run(sys.argv[2]), encoding="utf-8")
    else:
        main(sys.argv[1:])

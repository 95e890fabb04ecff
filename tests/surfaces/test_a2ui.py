"""Export and import of A2UI, checked against the schemas that the A2UI project publishes in ``@a2ui/web_core``.

They come with the front end's development packages (Apache-2.0; ``npm ci`` in widget/) and are not copied here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imkit.surfaces import Surface, SurfaceError, from_a2ui, to_a2ui

SCHEMAS = Path(__file__).parents[2] / "widget" / "node_modules" / "@a2ui" / "web_core" / "src"
MESSAGE = {"v0.9": "server_to_client.json", "v1.0": "agent_to_renderer.json"}
needs_schemas = pytest.mark.skipif(not SCHEMAS.exists(), reason="npm ci in widget/ brings the A2UI schemas")
PANEL = Surface(
    "demo",
    "Demo",
    lines="\n".join(
        map(
            json.dumps,
            [
                ["root", "column", {}, ["h", "t", "r", "tabs", "go", "d", "prog", "code", "num", "img"]],
                ["h", "heading", {"text": "Look", "level": 1}],
                ["t", "text", {"text": {"$": "note"}}],
                ["r", "row", {"align": "end"}, ["s", "c", "cb", "i"]],
                ["s", "slider", {"label": "bins", "min": 5, "max": 50, "step": 5, "value": 20}],
                ["c", "choice", {"label": "which", "options": ["a", "b"], "value": {"$": "which"}}],
                ["cb", "checkbox", {"label": "log", "value": True}],
                ["i", "input", {"label": "name", "placeholder": "weight"}],
                ["tabs", "tabs", {"labels": ["one", "two"]}, ["card", "table"]],
                ["card", "card", {"title": "A card"}, ["m"]],
                ["m", "metric", {"label": "mean", "value": 4.5, "unit": "g"}],
                ["table", "table", {"columns": ["a"], "rows": [[1], [None]]}],
                ["go", "button", {"label": "Go", "action": "draw", "style": "primary"}],
                ["d", "divider"],
                ["prog", "progress", {"label": "reading", "value": 0.5}],
                ["code", "code", {"text": "x = 1"}],
                ["num", "number", {"label": "limit", "value": 3}],
                ["img", "image", {"ref": "none"}],
            ],
        )
    ),
    data={"note": "hello"},
)
SHORT = [
    Surface("t", "Title", "text", {"text": "x"}),
    Surface("t", "", "table", {"columns": ["a"], "rows": [[1]]}),
    Surface("c", "C", "chart", {"mark": "bar", "x": ["a"], "x_label": "", "y_label": "",
                                "series": [{"name": "n", "y": [1]}]}),
    Surface("one", "", lines='["x","divider"]'),
    Surface("bad", "", lines='["root","iframe"]\nnonsense'),
]  # fmt: skip


def validator(version: str) -> Any:
    """The published schemas, which reach each other by name: "catalog.json" is the basic catalog."""
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    folder = SCHEMAS / version.replace(".", "_") / "schemas"
    main = json.loads((folder / MESSAGE[version]).read_text("utf-8"))
    common = json.loads((folder / "common_types.json").read_text("utf-8"))
    catalog = json.loads((folder / "catalogs" / "basic" / "catalog.json").read_text("utf-8"))
    base = main["$id"].rsplit("/", 1)[0]
    found = []
    for value, names in ((main, []), (common, ["common_types.json"]), (catalog, ["catalog.json"])):
        resource = referencing.Resource.from_contents(value)
        found.append((value["$id"], resource))
        found.extend((f"{base}/{name}", resource) for name in names)
        found.append((f"{catalog['$id'].rsplit('/', 1)[0]}/{(names or ['main'])[0]}", resource))
    registry = referencing.Registry().with_resources(found)
    return jsonschema.Draft202012Validator(main, registry=registry)


@needs_schemas
@pytest.mark.parametrize("version", MESSAGE)
@pytest.mark.parametrize("surface", [PANEL, *SHORT], ids=lambda s: s.title or s.id)
def test_every_message_keeps_the_published_schema(version: str, surface: Surface) -> None:
    check = validator(version)
    for message in to_a2ui(surface, version):
        check.validate(message)


@needs_schemas
@pytest.mark.parametrize("version", MESSAGE)
def test_the_schemas_do_refuse(version: str) -> None:
    check = validator(version)
    for message in to_a2ui(PANEL, version):
        assert not check.is_valid({**message, "more": 1})
    update = to_a2ui(PANEL, version)[-1]
    update["updateComponents"]["components"][0]["component"] = "Nonsense"
    assert not check.is_valid(update)


@needs_schemas
@pytest.mark.parametrize("version", MESSAGE)
def test_the_project_s_own_examples_are_read(version: str) -> None:
    folder = SCHEMAS / version.replace(".", "_") / "schemas" / "catalogs" / "basic" / "examples"
    examples = sorted(folder.glob("*.json"))
    assert len(examples) > 20
    drawn = lost = 0
    for path in examples:
        for surface in from_a2ui(json.loads(path.read_text("utf-8"))["messages"]):
            kinds = [one.kind for one in surface.layout.components.values()]
            drawn += len(kinds)
            lost += kinds.count("fault")
    assert lost < 0.4 * drawn


@pytest.mark.parametrize("version", MESSAGE)
def test_there_and_back_keeps_controls_values_and_order(version: str) -> None:
    (back,) = from_a2ui(to_a2ui(PANEL, version))
    kept = {id: one for id, one in back.layout.components.items() if id in PANEL.components}
    for id in ("r", "s", "c", "cb", "i", "tabs", "go", "d", "t", "h"):
        assert kept[id].kind == PANEL.components[id].kind, id
    assert back.layout.components["s"].props["value"] == 20
    assert back.data["which"] == "a"
    assert back.data["note"] == "hello"
    assert back.components["go"].props["action"] == "draw"
    assert back.act("s", 30).values["s"] == 30


def test_json_lines_are_read_too() -> None:
    text = "\n".join(json.dumps(message) for message in to_a2ui(PANEL))
    assert from_a2ui(text)[0] == from_a2ui(to_a2ui(PANEL))[0]


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ("{", "not JSON lines"),
        ([{"version": "v0.8"}], "no version"),
        ([{"version": "v0.9", "createSurface": {}}], "surfaceId"),
        ([{"version": "v0.9", "updateComponents": {"surfaceId": "x", "components": []}}], "cannot be taken"),
        ([3], "no version"),
        ([{"version": "v0.9", "createSurface": {"surfaceId": "x"}}] * 1001, "more than 1000"),
    ],
)
def test_what_is_no_message_raises(messages: Any, says: str) -> None:
    with pytest.raises(SurfaceError, match=says):
        from_a2ui(messages)


def test_a_deleted_surface_is_gone() -> None:
    messages = [*to_a2ui(PANEL), {"version": "v0.9", "deleteSurface": {"surfaceId": "demo"}}]
    assert from_a2ui(messages) == []
    with pytest.raises(SurfaceError, match=r"v0.9, v1.0"):
        to_a2ui(PANEL, "v0.8")

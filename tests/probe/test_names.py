"""Which sites a name, several, or a function of a name choose."""

from __future__ import annotations

from pathlib import Path

import pytest
from looking import Guest, small_nano

from imkit.model.sites import SITES
from imkit.probe import Points, ProbeError, UnknownSite, sites

OLD = {
    "hook_embed": "embed.hook_out",
    "blocks.1.hook_resid_pre": "blocks.1.hook_in",
    "blocks.1.hook_resid_mid": "blocks.1.ln2.hook_in",
    "blocks.1.hook_resid_post": "blocks.1.hook_out",
    "blocks.0.hook_attn_out": "blocks.0.attn.hook_out",
    "blocks.0.hook_mlp_out": "blocks.0.mlp.hook_out",
    "blocks.0.attn.hook_z": "blocks.0.attn.o.hook_in",
    "blocks.0.attn.hook_q": "blocks.0.attn.q.hook_out",
    "blocks.0.mlp.hook_post": "blocks.0.mlp.out.hook_in",
    "ln_final.hook_normalized": "ln_final.hook_out",
}


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Points:
    return sites(small_nano(tmp_path_factory.mktemp("small")))


def test_every_site_is_there_in_the_order_in_which_a_micro_turn_passes_it(points: Points) -> None:
    inside = [site.name for site in SITES if "{i}" in site.name]
    outside = [site.name for site in SITES if "{i}" not in site.name and site.name != "slots.hook_out"]
    assert len(points) == len(outside) + 2 * len(inside)  # the small one has two layers and no slots
    names = list(points)
    assert names.index("embed.hook_out") < names.index("blocks.0.hook_in") < names.index("blocks.0.attn.hook_pattern")
    assert names.index("blocks.0.hook_out") < names.index("blocks.1.hook_in") < names.index("ln_final.hook_out")


def test_a_name_several_and_all(points: Points) -> None:
    assert points.chosen("floor.hook_out") == ["floor.hook_out"]
    assert points.chosen(["floor.hook_out", "embed.hook_out"]) == ["embed.hook_out", "floor.hook_out"]
    assert points.chosen(("floor.hook_out", "embed.hook_out")) == ["embed.hook_out", "floor.hook_out"]
    assert points.chosen(name for name in ["embed.hook_out", "hook_embed"]) == ["embed.hook_out"]
    assert points.chosen(None) == list(points)


@pytest.mark.parametrize(("old", "own"), OLD.items())
def test_names_of_transformer_lens_2_mean_the_same_site(points: Points, old: str, own: str) -> None:
    assert points.canonical(old) == own
    assert points[old] is points[own]
    assert old in points.known_as(own)


@pytest.mark.parametrize(
    ("short", "own"),
    [
        (("resid_post", 1), "blocks.1.hook_out"),
        (("pattern", 0), "blocks.0.attn.hook_pattern"),
        (("z", 1), "blocks.1.attn.o.hook_in"),
        (("pre", 0), "blocks.0.mlp.in.hook_out"),
    ],
)
def test_short_names(points: Points, short: tuple[str, int], own: str) -> None:
    assert points.chosen(short) == [own]
    assert points.chosen([short, "floor.hook_out"]) == [own, "floor.hook_out"]


def test_a_function_is_asked_of_old_names_too(points: Points) -> None:
    assert points.chosen(lambda name: name.endswith("resid_post")) == ["blocks.0.hook_out", "blocks.1.hook_out"]
    both = points.chosen(lambda name: name.endswith(("hook_resid_pre", "hook_pattern")))
    assert both == ["blocks.0.hook_in", "blocks.0.attn.hook_pattern", "blocks.1.hook_in", "blocks.1.attn.hook_pattern"]


def test_a_function_that_leaves_out_leaves_out_by_every_name(points: Points) -> None:
    assert points.chosen(lambda name: name != "floor.hook_out") == [name for name in points if name != "floor.hook_out"]
    left = points.chosen(lambda name: "resid" not in name)
    assert len(left) == len(points) - 6  # into, between and out of two layers
    assert not any("pattern" in name for name in points.chosen(lambda name: "attn" in name and "pattern" not in name))


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("blocks.0.hook_resid_pots", "blocks.0.hook_resid_post"),
        ("blocks.7.attn.hook_pattern", "blocks.1.attn.hook_pattern"),
        ("floor.hook_uot", "floor.hook_out"),
    ],
)
def test_an_unknown_site_is_told_with_the_nearest(points: Points, wrong: str, near: str) -> None:
    with pytest.raises(UnknownSite, match=r"did you mean") as told:
        points.chosen(wrong)
    assert near in str(told.value)
    assert wrong in str(told.value)
    assert not str(told.value).startswith('"')
    assert wrong not in points


def test_what_is_like_no_site_is_told_where_the_list_is(points: Points) -> None:
    with pytest.raises(UnknownSite, match=r"such as clock\.hook_out.*imkit\.probe\.sites"):
        points.chosen("qqqq")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([], "empty"),
        (lambda name: name == "x", "chose none of"),
        (5, "expected a name, several"),
        ([3], "no name of a site"),
        (("resid_pots", 1), "resid_post"),
        ([("resid_post", "1")], "no name of a site"),
        ([("resid_post", True)], "no name of a site"),
    ],
)
def test_a_filter_that_is_none(points: Points, wrong: object, why: str) -> None:
    with pytest.raises(ProbeError, match=why):
        points.chosen(wrong)  # type: ignore[arg-type]


def test_any_other_module_has_what_goes_in_and_what_comes_out_of_each_part() -> None:
    points = sites(Guest())
    parts = ["ears", "cell", "cell.inner", "out"]
    assert list(points) == [f"{part}.{end}" for part in parts for end in ("hook_in", "hook_out")]
    assert not points.axes
    with pytest.raises(UnknownSite, match=r"cell\.inner\.hook_out"):
        points.chosen("cell.inner.hook_uot")


def test_every_site_says_what_is_there_and_no_two_share_a_name() -> None:
    names = [name for site in SITES for name in (site.name, *site.known)]
    assert len(names) == len(set(names))
    assert all(site.says and site.axes[0] == "batch" and len(site.axes) > 1 for site in SITES)


def test_sites_come_without_a_folder_being_written(tmp_path: Path) -> None:
    model = small_nano(tmp_path)
    before = sorted(tmp_path.iterdir())
    sites(model)
    assert sorted(tmp_path.iterdir()) == before

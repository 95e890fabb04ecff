"""The page of sites is what the code says."""

from __future__ import annotations

from looking import lived, percepts, small_nano

from imkit.model.sites import SITES
from imkit.probe.page import PAGE, ROWS, page


def test_the_page_is_the_one_that_the_code_writes() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it again: python -m imkit.probe.page"


def test_every_site_and_other_name_stands_on_it_once() -> None:
    text = page()
    for site in SITES:
        assert text.count(f"| `{site.name}` | {' '.join(site.axes)} |") == 1
        assert all(f"`{name}`" in text for name in site.known)


def test_every_axis_that_rises_with_time_is_explained_and_has_so_many_rows(tmp_path_factory) -> None:
    nano = small_nano(tmp_path_factory.mktemp("small"))
    _, cache = lived(nano, percepts(8))[0].run_with_cache()
    assert {site.counts for site in SITES} - {"head_index"} <= set(ROWS)
    most: dict[str, tuple[int, int]] = {}
    for one in cache.seen:
        for name, tensor in one.at.items():
            axis, rows = cache.axes[name][1], tensor.shape[1]
            low, high = most.get(axis, (rows, rows))
            most[axis] = (min(low, rows), max(high, rows))
    assert most["audio"] == (4, 4)
    assert most["act"] == most["tick"] == (1, 1)
    assert most["frame"] == (0, 1)
    assert most["mel"] == (20, 20)  # the small one has a hop of 160 samples
    assert most["word"][0] == 0
    assert most["word"][1] <= 8
    assert 5 <= most["pos"][0] < most["pos"][1] <= 14

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imkit.surfaces import Surface
from imkit.tools import Namespace, Toolbox, ToolError
from imkit.tools.arithmetic import FUNCTIONS
from imkit.tools.evaluate import evaluate_tool, worked_out

touched: list[str] = []


class Trap:
    """Any method of it that is called is a hole."""

    columns = None

    def _spring(self, *_: Any, **__: Any) -> Any:
        touched.append("sprung")
        return self

    __add__ = __radd__ = __mul__ = __rmul__ = __eq__ = __lt__ = __call__ = __getitem__ = __len__ = _spring  # type: ignore[assignment]
    __neg__ = __bool__ = __str__ = __repr__ = __format__ = __array__ = __iter__ = __contains__ = __index__ = _spring  # type: ignore[assignment]
    __hash__ = _spring  # type: ignore[assignment]


class SlyInt(int):
    def __add__(self, other: Any) -> Any:
        touched.append("sly")
        return 0


class SlyDict(dict):  # type: ignore[type-arg]
    def __getitem__(self, key: Any) -> Any:
        touched.append("sly")
        return 0


VARIABLES: dict[str, Any] = {
    "n": 7,
    "x": 2.5,
    "name": "Ada",
    "flags": [True, False],
    "words": ["b", "a", "c"],
    "prices": {"tea": 2.0, "cake": [3, 4]},
    "a": np.arange(12).reshape(3, 4),
    "big": np.zeros(9_000_000),
    "tall": np.zeros((9_000, 1)),
    "wide": np.zeros((1, 9_000)),
    "s": pd.Series([1.0, None, 3.0]),
    "k": pd.Series([1, None, 3], dtype="Int64"),
    "people": pd.DataFrame({"age": [30, 41, 22], "city": ["Rome", "Oslo", None]}),
    "born": pl.DataFrame({"day": pl.Series(["2026-01-01", "2026-02-01"]).str.to_date(), "h": [1, 2]}),
    "trap": Trap(),
    "traps": [Trap()],
    "trapped": {"k": Trap()},
    "objects": np.empty(2, dtype=object),
    "sly": SlyInt(3),
    "slydict": SlyDict(a=1),
    "matrix": np.ma.masked_array([1, 2]),
    "complexes": np.array([1j]),
    "nested": [[1, 2], [3, 4]],
}
VARIABLES["objects"].fill(VARIABLES["trap"])
SPACE = Namespace(VARIABLES)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3 ** 2", 19),
        ("-n // 2 + 7 % 4", -1),
        ("2 ** -1", 0.5),
        ("1 < x <= 2.5 and not flags[1]", True),
        ("name + '!' * 3", "Ada!!!"),
        ("name[::-1]", "adA"),
        ("len(words) if n > 5 else 0", 3),
        ("sorted(words, reverse=True)", ["c", "b", "a"]),
        ("prices['tea'] * 2", 4.0),
        ("sum(prices['cake'])", 7),
        ("max(3, n, 5)", 7),
        ("min(words)", "a"),
        ("a[1, 2]", 6),
        ("sum(a)", 66),
        ("sum(a[:, 0] > 3)", 2),
        ("mean(s)", 2.0),
        ("std(s)", math.sqrt(2)),
        ("sum(k)", 4.0),
        ("median([3, 1, 2])", 2.0),
        ("mean(people['age'][people['age'] > 25])", 35.5),
        ("'Rome' in people['city']", True),
        ("len(people)", 3),
        ("sum(people['city'] == 'Oslo')", 1),
        ("round(10 / 3, 2)", 3.33),
        ("quantile(people['age'], 0.5)", 30.0),
        ("unique([1, 2, 1])", [1, 2]),
        ("mode([1, 2, 1])", 1),
        ("int('12') + float('0.5')", 12.5),
        ("any(born['day'] > '2026-01-15')", True),
        ("max(born['h'])", 2),
        ("1 << 10 | 1", 1025),
        ("abs(-3) + sqrt(16) + floor(1.5)", 8.0),
        ("{'a': 1}['a']", 1),
        ("(1, 2)[1]", 2),
    ],
)
def test_what_it_works_out(expression: str, value: Any) -> None:
    assert worked_out(expression, SPACE) == (pytest.approx(value) if isinstance(value, float) else value)


HOSTILE = r"""
__import__('os').system('true')
().__class__.__bases__[0].__subclasses__()
name.__class__
name.format(n)
'{0.__class__}'.format(n)
a.tofile('/tmp/imkit-hole')
a.__array_interface__
people.to_csv('/tmp/imkit-hole')
people.query('@__import__("os")')
people.eval('1')
people['age'].values
eval('1')
exec('1')
compile('1', '', 'eval')
open('/etc/passwd')
open('/tmp/imkit-hole', 'w')
getattr(n, 'real')
globals()
locals()
vars()
dir()
type(n)
object
input()
breakpoint()
print(1)
help()
id(n)
memoryview(b'')
lambda: 1
(lambda: 1)()
[i for i in words]
{i for i in words}
{i: i for i in words}
(i for i in words)
sum(i for i in [1])
[x for x in [0] * 10 ** 6 for y in [0] * 10 ** 6]
f'{n}'
f'{n!r:>{10**9}}'
(y := 5)
yield 1
await n
*words,
[*words]
sum(*[words])
{**prices}
sorted(words, key=len)
sorted(words, **{'reverse': True})
max(words, key=len)
len(obj=words)
10 ** 10 ** 10
9 ** 9 ** 9 ** 9
2 ** 100000
(2 ** 4000) * (2 ** 4000) * 2 ** 4000
1 << 10 ** 9
1 << (1 << 62)
'a' * 10 ** 10
10 ** 10 * 'a'
[0] * 10 ** 9
([0] * 10 ** 6) * 10 ** 6
[[0] * 1000] * 1000
'%1000000000d' % 1
'%s' % name
'%(a)s' % prices
tall * wide
tall == wide
tall[:, None, None]
a[...]
a[None]
a[True]
a[[0] * 10]
a['x']
a[words]
big[0] + words
round(1, -10 ** 9)
round(2 ** 4000, -4000)
int('9' * 5000)
int('1_0' * 400)
(-8) ** 0.5
complexes
1j
b'x'
...
None + 1
not_there
_secret
In
math.pi
trap
trap + 1
trap == 1
trap[0]
trap()
traps[0]
traps == traps
trapped['k']
objects[0]
objects + 1
sly + 1
slydict['a']
matrix
n is n
n == 1 if trap else 2
people[0]
people['no']
people[['age']]
people + 1
people == people
[people]
{n: a}
{[1]: 2}
nested[[0]]
words['a']
prices[words]
1 / 0
0 ** -1
mean([])
mean(words)
mean('abc')
sum(words)
sum(nested)
std([1])
log('x')
sqrt(words)
min()
max(1)
quantile([1], 2)
a @ a
a << 62
a and a
if n: 1
n = 1
import os
del n
n; n
1 +
""".strip().splitlines()


@pytest.mark.parametrize("expression", HOSTILE)
def test_hostile_expressions_end_in_words(expression: str) -> None:
    touched.clear()
    start_s = time.process_time()
    with pytest.raises(ToolError) as caught:
        worked_out(expression, SPACE)
    assert time.process_time() - start_s < 2.0
    assert 0 < len(str(caught.value)) <= 400
    assert touched == []


def test_the_corpus_is_large_and_left_nothing_behind(tmp_path: Any) -> None:
    import os

    assert len(HOSTILE) == len(set(HOSTILE)) >= 60
    assert not os.path.exists("/tmp/imkit-hole")


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 1_000,
        "-" * 400 + "1",
        "1" + "+1" * 400,
        "[" * 90 + "]" * 90,
        "n" + "[0]" * 120,
        "1" * 2_001,
        "9" * 1_900,
        "\0",
        "",
        "0 if 0 else " * 100 + "1",
        "not " * 200 + "1",
        "1" + "<1" * 300,
    ],
)
def test_long_and_deep_ones_too(expression: str) -> None:
    with pytest.raises(ToolError) as caught:
        worked_out(expression, SPACE)
    assert len(str(caught.value)) <= 400


def test_what_is_made_on_the_way_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imkit.tools.evaluate.MAX_MADE", 100_000)
    assert worked_out("len(big)", SPACE) == 9_000_000  # reading costs nothing
    with pytest.raises(ToolError, match="too much memory"):
        worked_out("sum(big[:60000] + 1) + sum(big[:60000] + 1)", SPACE)
    monkeypatch.setattr("imkit.tools.evaluate.LIMIT_S", -1.0)
    with pytest.raises(ToolError, match="longer than"):
        worked_out("1", SPACE)


def test_no_function_reaches_code_files_or_attributes() -> None:
    assert not {"eval", "exec", "open", "getattr", "type", "map", "print", "range", "str", "repr"} & set(FUNCTIONS)


def test_variables_are_not_changed() -> None:
    worked_out("sorted(a[0])", SPACE)
    worked_out("words + words", SPACE)
    assert VARIABLES["words"] == ["b", "a", "c"]
    assert (VARIABLES["a"][0] == [0, 1, 2, 3]).all()


def test_the_tool_says_it_and_shows_columns() -> None:
    box = Toolbox([evaluate_tool(SPACE)])
    answer = box.call("evaluate", {"expression": "mean(people['age'])"})
    assert answer == {"text": "mean(people['age']) is 31.", "surface": None}
    answer = box.call("evaluate", {"expression": "people['age'] * 2"})
    assert answer["text"] == "people['age'] * 2 is 3 values: 60, 82, 44."
    Surface.from_json({"id": "s", **answer["surface"]})
    wide = box.call("evaluate", {"expression": "[" + "'" + "y" * 900 + "', " * 1 + "1]"})
    assert len(wide["text"]) <= 600
    Surface.from_json({"id": "s", **wide["surface"]})


ATOMS = st.sampled_from(
    ["n", "x", "name", "words", "a", "s", "people['age']", "prices", "1", "-2.5", "'t'", "[1, 2]", "trap"]
)
GROWN = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+ - * / // % ** << >> & | ^ < == in and or".split()), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]"),
        inner.map(lambda one: f"not {one}"),
    ),
    max_leaves=8,
)


@settings(max_examples=250, deadline=2_000)
@given(GROWN)
def test_any_expression_gives_a_plain_value_or_words(expression: str) -> None:
    touched.clear()
    try:
        value = worked_out(expression, SPACE)
    except ToolError:
        pass
    else:
        assert isinstance(value, int | float | str | bool | list | tuple | dict | np.ndarray | type(None))
    assert touched == []

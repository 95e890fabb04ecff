"""Errors that really came up, in words. Code runs as a notebook's cells do: names of one namespace, source kept."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from imkit.tools import explain

PRICES = {"price": [3.0, 4.0], "region": ["north", "south"]}


def fresh() -> dict[str, Any]:
    return {
        "df": pd.DataFrame(PRICES),
        "named": pd.DataFrame(PRICES, index=["first", "second"]),
        "frame": pl.DataFrame(PRICES),
        "series": pd.Series([1, 2], index=["alpha", "beta"]),
        "array": np.arange(3),
        "config": {"price": 1, 7: "seven"},
        "items": [1, 2, 3],
        "price": 3.0,
        "n": 0,
        "text": "abc",
        "nothing": None,
        "np": np,
    }


def error_of(source: str, namespace: dict[str, Any]) -> BaseException:
    name = f"<cell {abs(hash(source))}>"
    linecache.cache[name] = (len(source), None, [f"{line}\n" for line in source.splitlines()], name)
    try:
        exec(compile(source, name, "exec"), namespace)
    except BaseException as error:
        return error
    raise AssertionError(f"nothing was raised by {source!r}")


TABLE = [
    # keys and columns
    ("df['prize']", "that raised a KeyError; 'prize' is not a column of df, 'price' is"),
    ("df['zzz']", "that raised a KeyError; 'zzz' is not a column of df; it has price and region"),
    ("df[['price', 'regoin']]", "that raised a KeyError; 'regoin' is not a column of df, 'region' is"),
    ("df.groupby('regin').price.mean()", "that raised a KeyError; 'regin' is not a column of df, 'region' is"),
    ("df.sort_values('Price')", "that raised a KeyError; 'Price' is not a column of df, 'price' is"),
    ("df.loc[5]", "that raised a KeyError; 5 is not a row label of df; the first is 0 and the last 1"),
    ("named.loc['frist', 'price']", "that raised a KeyError; 'frist' is not a row label of named, 'first' is"),
    ("named.loc['first', 'prize']", "that raised a KeyError; 'prize' is not a column of named, 'price' is"),
    ("series['alfa']", "that raised a KeyError; 'alfa' is not a label of series, 'alpha' is"),
    (
        "def mean_of(table, column):\n    return table[column].mean()\nmean_of(df, 'prize')",
        "that raised a KeyError; 'prize' is not a column of table, 'price' is",
    ),
    ("frame['prize']", "that raised a ColumnNotFoundError; 'prize' is not a column of frame, 'price' is"),
    ("frame.select('regin')", "that raised a ColumnNotFoundError; 'regin' is not a column of frame, 'region' is"),
    ("config['prise']", "that raised a KeyError; 'prise' is not a key of config, 'price' is"),
    ("config['7']", "that raised a KeyError; the text '7' is not a key of config, the number 7 is"),
    ("{}['x']", "that raised a KeyError; 'x' was not found"),
    ("import os\nos.environ['NO_SUCH']", "that raised a KeyError; the environment variable NO_SUCH is not set"),
    # names and attributes
    ("prcie + 1", "that raised a NameError; prcie is not defined, price is"),
    ("pritn(1)", "that raised a NameError; pritn is not defined, print is"),
    ("pd.DataFrame()", "that raised a NameError; pd is not defined; it usually comes from: import pandas as pd"),
    ("region", "that raised a NameError; region is not a variable but a column: df['region']"),
    ("qqqqqq", "that raised a NameError; qqqqqq is not defined here"),
    (
        "def count():\n    total += 1\n    total = 0\ncount()",
        "that raised an UnboundLocalError; total is used in count before it gets a value",
    ),
    ("df.prize", "that raised an AttributeError; 'prize' is not a column of df, 'price' is"),
    ("df.haed()", "that raised an AttributeError; df is a DataFrame and has no 'haed', it has 'head'"),
    ("items.appendd(1)", "that raised an AttributeError; items is a list and has no 'appendd', it has 'append'"),
    ("np.aranges(3)", "that raised an AttributeError; numpy has no 'aranges', it has 'arange'"),
    ("nothing.head()", "that raised an AttributeError; nothing is None, so it has no 'head'"),
    # modules
    ("import nunpy", "that raised a ModuleNotFoundError; there is no module nunpy, there is numpy"),
    (
        "import tensorflow",
        "that raised a ModuleNotFoundError; tensorflow is not installed; to install it: %pip install tensorflow",
    ),
    (
        "import qqzzx",
        "that raised a ModuleNotFoundError; there is no module qqzzx here, and I do not know which package holds it",
    ),
    ("import numpy.nothere", "that raised a ModuleNotFoundError; numpy is installed, but has no module nothere"),
    ("from numpy import aranje", "that raised an ImportError; numpy has no 'aranje', it has 'arange'"),
    # types, values, places, zero
    ("1 / n", "that raised a ZeroDivisionError; n is zero, and it is divided by that"),
    ("len(items) % (n * 2)", "that raised a ZeroDivisionError; n * 2 is zero, and it is divided by that"),
    ("items[5]", "that raised an IndexError; items has 3 entries, so there is no items[5]; the last is items[2]"),
    ("[].pop()", "that raised an IndexError; the list is empty"),
    ("array[9]", "that raised an IndexError; array has 3 entries, so there is no array[9]; the last is array[2]"),
    ("df.iloc[9]", "that raised an IndexError; df has 2 entries, so there is no df.iloc[9]; the last is df.iloc[1]"),
    (
        "price + text",
        "that raised a TypeError; price is a float and text is a str, and + does not work between them",
    ),
    ("'a' + 1", "that raised a TypeError; + does not work between a str and an int"),
    ("text < 3", "that raised a TypeError; < does not work between a str and an int"),
    ("text()", "that raised a TypeError; text is a str and cannot be called"),
    (
        "list = [1]\nlist('ab')",
        "that raised a TypeError; list is a list and cannot be called; that name hides Python's own list",
    ),
    ("n[0]", "that raised a TypeError; n is an int, and it holds nothing that [ ] could take out"),
    ("for one in n: pass", "that raised a TypeError; an int cannot be gone through one by one"),
    ("len(n)", "that raised a TypeError; n is an int and has no length"),
    ("{[1]: 2}", "that raised a TypeError; a list can change, so it cannot be a key or be in a set"),
    ("items['a']", "that raised a TypeError; items is a list, and its places are numbers, not a str"),
    ("def f(x, y): pass\nf(1)", "that raised a TypeError; f needs 'y', which it was not given"),
    ("def f(colour): pass\nf(color=1)", "that raised a TypeError; f does not take 'color', it takes 'colour'"),
    (
        "df.sort_values('price', ascendng=True)",
        "that raised a TypeError; DataFrame.sort_values does not take 'ascendng', it takes 'ascending'",
    ),
    ("float('3,5')", "that raised a ValueError; '3,5' is not a number"),
    ("int('x')", "that raised a ValueError; 'x' is not a whole number"),
    ("a, b = [1]", "that raised a ValueError; there are 2 names on the left and only 1 values for them"),
    ("np.ones(3) + np.ones(4)", "that raised a ValueError; the shapes (3,) and (4,) do not fit together"),
    (
        "if df.price > 3: pass",
        "that raised a ValueError; a Series is not simply true or false; "
        "use & and | between conditions, or .any() and .all()",
    ),
    # the rest, and what nothing is known of
    ("def (", "that raised a SyntaxError; line 1: invalid syntax"),
    ("open('/no/such/file')", "that raised a FileNotFoundError; there is no file '/no/such/file'"),
    ("assert n > 1", "that raised an AssertionError; this does not hold: n > 1"),
    ("def f(): return f()\nf()", "that raised a RecursionError; f calls itself too often"),
    ("raise RuntimeError('the pump is off\\nsecond line')", "that raised a RuntimeError; the pump is off"),
    ("raise ValueError", "that raised a ValueError"),
    ("raise KeyboardInterrupt", "that was interrupted"),
    ("raise KeyError('odd', 'pair')", "that raised a KeyError; ('odd', 'pair')"),
    ("raise AttributeError('no')", "that raised an AttributeError; no"),
    ("raise ExceptionGroup('many', [ValueError('x'), OSError()])",
     "that raised an ExceptionGroup; in it a ValueError and 1 more: x"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "words"), TABLE, ids=[source[:40] for source, _ in TABLE])
def test_errors_in_words(source: str, words: str) -> None:
    namespace = fresh()
    error = error_of(source, namespace)
    assert explain(error, namespace) == words
    assert explain(error, namespace) == words


def test_no_code_of_the_notebook_runs() -> None:
    """Attributes that compute, keys that say things and listings of one's own are all left alone."""
    ran: list[str] = []

    class Trap:
        def __getattr__(self, name: str) -> Any:
            ran.append(name)
            raise AttributeError(name)

        def __dir__(self) -> list[str]:
            ran.append("dir")
            return []

        def __repr__(self) -> str:
            ran.append("repr")
            return "<b>"

        @property
        def rows(self) -> Any:
            ran.append("rows")
            return {}

        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            return self is other

    class Odd(dict[Any, Any]):
        def __iter__(self) -> Any:
            ran.append("iter")
            return iter(())

    odd = Odd({"price": 1, Trap(): 2})
    namespace = fresh() | {"trap": Trap(), "held": {"a": 1}, "odd": odd}
    sources = ("held[trap]", "odd['prize']", "odd[3]", "trap.rows['x']", "trap[0]", "held['b'][trap.q]")
    errors = [error_of(source, namespace) for source in sources]
    ran.clear()
    words = [explain(error, namespace) for error in errors]
    assert ran == []
    assert words[:3] == [
        "that raised a KeyError; a Trap is not a key of held; it has a",
        "that raised a KeyError; 'prize' is not a key of odd, 'price' is",
        "that raised a KeyError; 3 is not a key of odd; it has price and a Trap",
    ]


def test_an_error_that_cannot_speak_and_one_that_says_too_much() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert explain(Mute(), {}) == "that raised a Mute"
    assert len(explain(ValueError("x" * 10_000), {})) <= 400
    assert explain(ValueError("a\x1b[31mb\x00c"), {}) == "that raised a ValueError; a [31mb c"
    assert len(explain(KeyError("k" * 10_000), {})) <= 400


def test_a_package_that_nobody_knows_is_never_advised() -> None:
    assert "install" not in explain(error_of("import requesst_evil_name", {}), {})

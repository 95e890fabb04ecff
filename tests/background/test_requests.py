"""Requests in words, as typed and as recognised, over real tables: which tool is called, which numbers are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from imkit.background import Analyst, Answer, Desk, Task
from imkit.stream import Utterance
from imkit.surfaces import Surface
from imkit.tools import Namespace, Toolbox, notebook_tools

LOOKING = {"list_variables", "column_kinds", "remember_variable", "summarize_column"}


def sales() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = 120
    made = pd.DataFrame(
        {
            "day": pd.date_range("2026-01-01", periods=rows),
            "region": rng.choice(["North", "South", "East"], rows),
            "unit_price": np.round(20 + 0.25 * np.arange(rows) + rng.normal(0, 2, rows), 2),
            "quantity": rng.integers(1, 40, rows),
            "discount": np.round(rng.uniform(0, 0.3, rows), 3),
        }
    )
    made["revenue"] = made.unit_price * made.quantity
    made.loc[[3, 8, 70], "discount"] = np.nan
    made.loc[50, "quantity"] = 400
    return made


def customers() -> pl.DataFrame:
    rng = np.random.default_rng(2)
    age = rng.integers(18, 80, 60)
    return pl.DataFrame(
        {
            "customer_id": np.arange(1000, 1060),
            "age": age,
            "income": 500.0 + 30.0 * age + rng.normal(0, 40, 60),
            "home_city": rng.choice(["Rome", "Oslo", "Lima"], 60),
            "member": rng.choice([True, False], 60),
        }
    )


def orders() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "order_no": np.arange(200),
            "customer": rng.choice(np.arange(1000, 1060), 200),
            "amount_eur": rng.normal(50, 9, 200).round(2),
            "amount_usd": rng.normal(60, 9, 200).round(2),
        }
    )


SALES, PEOPLE, ORDERS = sales(), customers(), orders()
P = pd.DataFrame(PEOPLE.to_dict(as_series=False))
NOTEBOOK: dict[str, Any] = {"n": 3, "orders": ORDERS, "customers": PEOPLE, "sales": SALES}


class Notebook:
    """The analyst over variables; ``calls`` are the tool calls of the last request, looking up left out."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        view = Namespace(variables)
        self.box = Toolbox(notebook_tools(view))
        self.analyst = Analyst()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.tick = 0

    def ask(self, heard: str = "", typed: str = "", topic: str = "", talk: tuple[Utterance, ...] = ()) -> Answer:
        self.calls.clear()
        self.tick += 20
        functions = {name: self._spy(name) for name in self.box.names}
        task = Task("t", topic, heard, typed, tick=self.tick, conversation=talk)
        answer = self.analyst.answer(task, Desk(functions, lambda: False, lambda text: None))
        assert 0 < len(answer.text) < 700
        if answer.surface is not None:
            Surface.from_json({"id": "s", **answer.surface})
        return answer

    def _spy(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            return self.box.call(name, arguments)

        return call

    @property
    def did(self) -> list[tuple[str, dict[str, Any]]]:
        return [call for call in self.calls if call[0] not in LOOKING]


@pytest.fixture
def notebook() -> Notebook:
    return Notebook(dict(NOTEBOOK))


def g(number: float) -> str:
    """A number as the answers round it."""
    return f"{number:.4g}"


def pearson(frame: pd.DataFrame, one: str, other: str) -> float:
    return float(frame[[one, other]].corr().iloc[0, 1])


def tool(called: str, /, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return called, arguments


def rows_where(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return "peek_table", {"which": "first", "rows": 5, **arguments}


SLOPE = float(np.polyfit(np.arange(120.0), SALES.unit_price, 1)[0])
MEANS = SALES.groupby("region").unit_price.mean()
HIGH, LOW = MEANS.idxmax(), MEANS.idxmin()
Q1, Q3 = SALES.quantity.quantile([0.25, 0.75])
FAR = SALES.quantity[(SALES.quantity > Q3 + 1.5 * (Q3 - Q1)) | (SALES.quantity < Q1 - 1.5 * (Q3 - Q1))]
R = SALES.select_dtypes("number").corr().where(np.triu(np.ones((4, 4)), 1) > 0).stack()
BEST, BEST_R = R.abs().idxmax(), R[R.abs().idxmax()]
BY_REGION = tool("compare_groups", name="sales", column="unit_price", by="region")
TREND = tool("find_trend", name="sales", column="unit_price", along="day")
UP = f"rises along day by {g(SLOPE)} per day"

REQUESTS: list[tuple[str, tuple[str, dict[str, Any]] | None, str]] = [
    # describe, list, look
    ("describe the sales", tool("describe_frame", name="sales"), "sales has 120 rows and 6 columns"),
    ("tell me about customers", tool("describe_frame", name="customers"), "customers has 60 rows and 5 columns"),
    ("what tables do i have", None, "the tables are orders, customers and sales"),
    ("describe the unit price", None, f"unit_price has a mean of {g(SALES.unit_price.mean())}"),
    ("show me the first three rows of orders", rows_where(name="orders", rows=3), "I show the first 3"),
    ("show the last 7 rows of sales", rows_where(name="sales", which="last", rows=7), "I show the last 7"),
    ("a random sample of customers rows", rows_where(name="customers", which="sample"), "a sample of 5"),
    # plots
    (
        "plot revenue against quantity",
        tool("plot_columns", name="sales", columns=["quantity", "revenue"]),
        "revenue against quantity",
    ),
    ("draw a histogram of income", tool("plot_columns", name="customers", columns=["income"]), "how income is spread"),
    (
        "plot the revenue over time",
        tool("plot_columns", name="sales", columns=["day", "revenue"]),
        "revenue against day",
    ),
    (
        "chart unit prize by region",
        tool("plot_columns", name="sales", columns=["region", "unit_price"]),
        "mean unit_price for each region",
    ),
    (
        "plot the prize by reagion",
        tool("plot_columns", name="sales", columns=["region", "unit_price"]),
        "mean unit_price",
    ),
    ("plot home city", tool("plot_columns", name="customers", columns=["home_city"]), "how often each home_city"),
    (
        "scatter in come versus age",
        tool("plot_columns", name="customers", columns=["age", "income"]),
        "income against age",
    ),
    # one number
    ("what is the mean age", None, f"The mean of age in customers is {g(P.age.mean())}"),
    ("what's the average quantity in sales", None, f"The mean of quantity in sales is {g(SALES.quantity.mean())}"),
    ("the median income please", None, f"The median of income in customers is {g(P.income.median())}"),
    ("what is the highest unit price", None, f"The max of unit_price in sales is {g(SALES.unit_price.max())}"),
    ("lowest discount", None, f"The min of discount in sales is {g(SALES.discount.min())}"),
    ("what is the total revenue", None, f"The sum of revenue in sales is {SALES.revenue.sum():,.0f}"),
    ("standard deviation of age", None, f"The std of age in customers is {g(P.age.std())}"),
    (
        "what is the most common home city",
        None,
        f"The most common value of home_city in customers is {P.home_city.mode()[0]}",
    ),
    (
        "mean unit price in the north",
        tool("evaluate", expression='mean(sales["unit_price"][sales["region"] == "North"])'),
        f"where region is North is {g(MEANS['North'])}",
    ),
    (
        "the maximum quantity where unit price is under thirty",
        tool("evaluate", expression='max(sales["quantity"][sales["unit_price"] < 30.0])'),
        f"is {SALES.quantity[SALES.unit_price < 30].max()}",
    ),
    # groups
    (
        "average unit price per region",
        BY_REGION,
        f"highest for {HIGH}, {g(MEANS.max())}, and lowest for {LOW}, {g(MEANS.min())}",
    ),
    ("compare the unit price between regions", BY_REGION, f"highest for {HIGH}"),
    ("which region has the highest unit price", BY_REGION, f"highest for {HIGH}"),
    ("which reason has the highest prize", BY_REGION, "I took the groups of region."),
    (
        "compare income by city",
        tool("compare_groups", name="customers", column="income", by="home_city"),
        f"highest for {P.groupby('home_city').income.mean().idxmax()}",
    ),
    (
        "total revenue per region",
        tool("aggregate_table", name="sales", by=["region"], column="revenue", how="sum"),
        f"{SALES.groupby('region').revenue.sum().idxmax()}: {g(SALES.groupby('region').revenue.sum().max())}",
    ),
    (
        "does income differ between members",
        tool("compare_groups", name="customers", column="income", by="member"),
        "mean income",
    ),
    # correlation
    (
        "are age and income correlated",
        tool("correlate_columns", name="customers", columns=["age", "income"]),
        f"correlation of {pearson(P, 'age', 'income'):.2f} over 60 rows",
    ),
    (
        "what is the relationship between quantity and discount",
        tool("correlate_columns", name="sales", columns=["quantity", "discount"]),
        f"{pearson(SALES, 'quantity', 'discount'):.2f} over 117 rows",
    ),
    (
        "which columns of sales correlate",
        tool("correlate_columns", name="sales", columns=None),
        f"and {BEST[1]}: {BEST_R:.2f}",
    ),
    (
        "what is income related to",
        tool("correlate_columns", name="customers", columns=None),
        f"goes most with age, with a correlation of {pearson(P, 'age', 'income'):.2f}",
    ),
    ("does the unit price depend on the region", BY_REGION, f"highest for {HIGH}"),
    # counts and filters
    ("how many rows does sales have", None, "sales has 120 rows"),
    ("how many customers are there", None, "customers has 60 rows"),
    ("how many columns has orders", None, "orders has 4 columns"),
    (
        "how many rows in sales have a quantity over thirty",
        rows_where(name="sales", column="quantity", op=">", value=30.0),
        f"sales has {(SALES.quantity > 30).sum()} rows where quantity > 30",
    ),
    (
        "how many customers are younger than twenty five in age",
        rows_where(name="customers", column="age", op="<", value=25.0),
        f"customers has {(P.age < 25).sum()} rows",
    ),
    (
        "count customers in oslo",
        rows_where(name="customers", column="home_city", op="==", value="Oslo"),
        f"customers has {(P.home_city == 'Oslo').sum()} rows",
    ),
    (
        "how many sales since 2026-03-01",
        rows_where(name="sales", column="day", op=">=", value="2026-03-01"),
        f"sales has {(SALES.day >= '2026-03-01').sum()} rows",
    ),
    (
        "show only the rows of sales where region is south",
        rows_where(name="sales", column="region", op="==", value="South"),
        f"sales has {(SALES.region == 'South').sum()} rows",
    ),
    (
        "filter sales where unit_price >= 40.5",
        rows_where(name="sales", column="unit_price", op=">=", value=40.5),
        f"sales has {(SALES.unit_price >= 40.5).sum()} rows",
    ),
    (
        "rows of customers with income at most two thousand",
        rows_where(name="customers", column="income", op="<=", value=2000.0),
        f"customers has {(P.income <= 2000).sum()} rows",
    ),
    ("how many different regions are there", None, "There are 3 different values of region"),
    (
        "how many rows per region",
        tool("aggregate_table", name="sales", by=["region"], how="count"),
        f"{SALES.region.value_counts().idxmax()}: {SALES.region.value_counts().max()}",
    ),
    # missing, outliers, trend
    ("is anything missing in sales", tool("count_missing", name="sales"), "3 values are missing in sales: discount 3"),
    ("any missing values in customers", tool("count_missing", name="customers"), "Nothing is missing in customers"),
    ("how many discounts are missing", tool("count_missing", name="sales"), "3 values are missing in discount"),
    (
        "show the rows where discount is missing",
        rows_where(name="sales", column="discount", op="missing"),
        "sales has 3 rows",
    ),
    (
        "are there outliers in quantity",
        tool("find_outliers", name="sales", column="quantity"),
        f"{'is one outlier' if len(FAR) == 1 else f'are {len(FAR)} outliers'} in quantity among 120 values",
    ),
    ("find out liars in the quantities", tool("find_outliers", name="sales", column="quantity"), "the farthest is 400"),
    (
        "does anything stand out in age",
        tool("find_outliers", name="customers", column="age"),
        "age has no outliers: all 60",
    ),
    ("is there a trend in unit price", TREND, UP),
    ("is the unit prize rising", TREND, UP),
    ("does the unit price rise over the days", TREND, UP),
    # keys, sums
    (
        "how can i join orders and customers",
        tool("find_keys", left="orders", right="customers"),
        "by customer in orders and customer_id in customers, many to one; 100 percent",
    ),
    ("merge customers with orders", tool("find_keys", left="customers", right="orders"), "one to many"),
    ("what is twelve times three plus four", tool("evaluate", expression="12 * 3 + 4"), "is 40."),
    (
        'compute mean(customers["age"]) * 2',
        tool("evaluate", expression='mean(customers["age"]) * 2'),
        f"is {P.age.mean() * 2:.10g}.",
    ),
    ("sum(sales['quantity'])", tool("evaluate", expression="sum(sales['quantity'])"), f"is {SALES.quantity.sum()}."),
    ("what is ten percent of two hundred and fifty", tool("evaluate", expression="10 / 100 * 250"), "is 25."),
    # names
    ("find the discount", None, "discount is a column of sales"),
]


@pytest.mark.parametrize("how", ["typed", "heard"])
@pytest.mark.parametrize(("text", "call", "told"), REQUESTS, ids=[text for text, _, _ in REQUESTS])
def test_a_request_in_words(text: str, call: Any, told: str, how: str, notebook: Notebook) -> None:
    answer = notebook.ask(**{how: text})
    assert told in answer.text
    assert answer.ok
    if call is not None:
        assert notebook.did == [call]
    else:
        assert not notebook.did


def test_two_columns_that_fit_as_well_are_asked_about_and_the_answer_is_understood(notebook: Notebook) -> None:
    answer = notebook.ask("what is the average amount in orders")
    assert (answer.text, answer.ok) == ("Do you mean amount_eur or amount_usd?", False)
    assert not notebook.did
    answer = notebook.ask("amount usd")
    assert answer.text == f"The mean of amount_usd in orders is {g(ORDERS.amount_usd.mean())}."
    notebook.ask("plot the amount")
    assert notebook.ask("the first one").text == "Here is how amount_eur is spread in orders."
    notebook.ask("plot the amount")
    notebook.tick += 1000
    assert "did not understand" in notebook.ask("the second one").text


def test_a_new_request_is_not_taken_for_the_answer(notebook: Notebook) -> None:
    notebook.ask("average amount in orders")
    assert notebook.ask("how many rows does sales have").text == "sales has 120 rows."
    assert "did not understand" in notebook.ask("the first").text


def test_tables_with_the_same_columns_are_asked_about_unless_one_was_spoken_of() -> None:
    twins = Notebook({"sales_2025": SALES, "sales_2026": SALES.head(50)})
    answer = twins.ask("what is the mean discount")
    assert (answer.ok, answer.text[:36]) == (False, "Do you mean sales_2025 or sales_2026")
    assert twins.ask("sales 2026").text == f"The mean of discount in sales_2026 is {g(SALES.discount[:50].mean())}."
    talk = (Utterance("user", "look at sales 2025", 0, 1), Utterance("model", "okay", 1, 2))
    answer = twins.ask("what is the mean discount", talk=talk)
    assert answer.text.startswith(f"The mean of discount in sales_2025 is {g(SALES.discount.mean())}.")
    assert answer.text.endswith("I took sales_2025, which we spoke of.")


def test_what_is_missing_in_a_request_is_asked_for(notebook: Notebook) -> None:
    assert notebook.ask("outliers of sales").text.startswith("Outliers of which column of sales: unit_price,")
    assert notebook.ask("the quantity").text.startswith("There")
    assert notebook.ask("the median in orders").text == "The median of which column of orders?"
    assert notebook.ask("join the tables").text.startswith("Which two tables shall I join?")
    assert notebook.ask("rows over thirty in sales").text == "Which column of sales do you mean by over 30?"
    assert notebook.ask("show sales where region is west").text == "No region in sales is called west."
    assert notebook.ask("look it up in the docs").text == "In the documentation of which package shall I look?"


def test_what_changed_since_it_was_looked_at(notebook: Notebook) -> None:
    assert "I have not looked at sales before" in notebook.ask("what changed in sales").text
    assert notebook.ask("what changed in sales").text == "Nothing that I can see changed in sales."
    grown = pd.concat([SALES, SALES.tail(10)], ignore_index=True).assign(tax=1.0).drop(columns="revenue")
    grown.loc[0, "quantity"] = np.nan
    notebook.variables["sales"] = grown
    text = notebook.ask("has sales changed").text
    for told in ("there are 10 more rows, 130 now", "tax is new", "revenue is gone"):
        assert told in text
    notebook.ask("describe orders")
    notebook.variables["orders"] = ORDERS.assign(amount_eur=ORDERS.amount_eur * 2)
    means = ORDERS.amount_eur.mean(), ORDERS.amount_eur.mean() * 2
    told = notebook.ask("what changed in orders").text
    assert told == f"In orders, the mean of amount_eur went from {g(means[0])} to {g(means[1])}."
    notebook.ask("what changed in n")
    notebook.variables["n"] = 4
    assert notebook.ask("what changed in n").text == "In n, the value was 3 and is 4."


def test_the_docs_are_searched_before_anything_else_is_read(notebook: Notebook) -> None:
    asked: list[dict[str, str]] = []

    def search_docs(**arguments: str) -> dict[str, Any]:
        asked.append(arguments)
        return {"text": "Found.", "surface": None}

    desk = Desk({"search_docs": search_docs}, lambda: False, print)
    for text in ("find rolling windows in the docs of pandas", "how do i merge in the panda documentation"):
        assert Analyst().answer(Task("t", "", text), desk).text == "Found."
    assert asked == [{"package": "pandas", "query": "rolling windows"}, {"package": "pandas", "query": "merge"}]


def test_what_a_tool_cannot_do_is_told(notebook: Notebook) -> None:
    answer = notebook.ask("is there a trend in quantity over region in sales")
    assert answer.ok
    answer = notebook.ask("outliers in home city")
    assert (answer.text, answer.ok) == ("That does not work: home_city in customers holds words, not numbers.", False)


def test_a_tool_that_is_not_there_is_told(notebook: Notebook) -> None:
    assert notebook.ask("what went wrong").text == (
        "I would need the tool last_error for that, and this session does not have it."
    )


@pytest.mark.parametrize("topic", ["describe", "list", "search", "plot", ""])
def test_the_words_are_heeded_where_they_are_more_particular_than_the_topic(topic: str, notebook: Notebook) -> None:
    answer = notebook.ask("are there missing values in sales", topic=topic)
    assert notebook.did[-1][0] == ("plot_columns" if topic == "plot" else "count_missing")
    assert answer.ok


def test_pandas_and_polars_give_the_same_answers() -> None:
    asked = (
        "mean income",
        "income by home city",
        "outliers in income",
        "trend of income along age",
        "correlate age and income",
        "how many customers in rome",
        "anything missing",
        "how many customers over 40 in age",
    )
    told = [[Notebook({"customers": frame}).ask(text).text for text in asked] for frame in (PEOPLE, P)]
    assert told[0] == told[1]


def test_an_empty_notebook_is_told() -> None:
    for text in ("mean price", "are there outliers", "compare price by region", "how many rows"):
        answer = Notebook({"n": 1}).ask(text)
        assert (answer.ok, answer.text[:17]) == (False, "There is no table")

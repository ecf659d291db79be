"""How a table of the report gets on its page."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import Environment, PackageLoader

from ferbench.reporting.blocks import Table, Value, real, word
from ferbench.reporting.numbers import count


def page_of(table: Table) -> str:
    environment = Environment(loader=PackageLoader("ferbench.reporting"), autoescape=True)
    environment.filters |= {"number": count, "sentence": str, "code": str}
    module: Any = environment.get_template("parts.html").module
    return str(module.table(table, "scores"))


def table_of(rows: int, notes: int = 0, name: str = "scores") -> Table:
    entries = [{"variant": word(f"v{n}"), "accuracy": real(n / 10, 1)} for n in range(rows)]
    return Table(name, entries, notes=notes)


@pytest.mark.parametrize("rows", [10, 1000])
def test_table_of_a_thousand_rows_is_whole(rows: int) -> None:
    page = page_of(table_of(rows, notes=2))
    assert page.count("<tr") == rows + 1
    assert page.count('class="note"') == 2
    assert "The first" not in page


def test_page_shows_the_first_thousand_rows_of_a_long_table_and_where_the_others_are() -> None:
    table = table_of(22_650, notes=2)
    page = page_of(table)
    assert page.count("<tr") == 1001
    assert ">v999<" in page
    assert ">v1000<" not in page
    assert 'class="note"' not in page
    assert "The first 1,000 of 22,650 rows. All of them: " in page
    assert len(table.frame) == 22_650


def test_long_table_without_a_file_is_whole() -> None:
    assert page_of(table_of(1500, name="")).count("<tr") == 1501


def test_entries_are_looked_at_a_few_times_however_long_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = []

    def is_number(value: Value) -> bool:
        looked_at.append(value)
        return isinstance(value.raw, float)

    monkeypatch.setattr(Value, "is_number", property(is_number))
    page_of(table_of(1000))
    assert len(looked_at) <= 2000


def test_column_with_a_reference_row_of_text_is_numeric() -> None:
    rows = [{"accuracy": real(0.5, 1)}, {"accuracy": word("as printed")}]
    assert Table("scores", rows, notes=1).numeric == {"accuracy"}
    assert Table("scores", rows).numeric == frozenset()

"""Export: what comes out reads back, is safe to open, and is there whole or not at all."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime
from pathlib import Path

import duckdb
import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_assets.cli.main import main
from segmentation_assets.exports import workbook
from segmentation_assets.exports.workbook import CannotHold, Sheet, write_workbook
from segmentation_assets.exports.writing import WrongTarget, export
from segmentation_assets.reading.access import NotPublished
from segmentation_assets.reading.rows import FORMULA
from segmentation_assets.tables.dictionary import ColumnEntry, TableEntry
from tests.reading.test_access import publish

ROWS = """
SELECT * FROM (VALUES
 ('A1', '=HYPERLINK("http://x")', -5, -0.25, 12345.678, true, DATE '2026-03-31',
  TIMESTAMP '2026-03-31 06:00:05', NULL),
 ('A2', '+49 30', 9007199254740995, 0.5, 1e300, false, DATE '0001-01-01', NULL, 'x'),
 ('A3', 'é😀 "q", <script>', 0, NULL, 'nan'::DOUBLE, NULL, DATE '9999-12-31', NULL, E'a\\nb')
) t(account_id, account_name, n, share, arr, is_live, day, moment, note)
"""


REST = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=9)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    publish(tmp_path, "accounts", ROWS)
    for day in ("2026-03-30", "2026-03-31", "2026-04-02"):
        publish(tmp_path, "kpis", f"SELECT 'Core' AS tier, day('{day}'::DATE) AS n", day)
    return tmp_path


def entry(name: str, **units: str) -> TableEntry:
    columns = tuple(
        ColumnEntry(c, "number", u, False, True, "≥ 0", "", (), "", f"=what {c} is") for c, u in units.items()
    )
    return TableEntry(name, "test", "A table.", ("account_id",), None, (), (), (), columns)


def cells(path: Path, sheet: str) -> list[list[object]]:
    book = openpyxl.load_workbook(path)
    return [[cell.value for cell in row] for row in book[sheet].iter_rows()]


def test_a_workbook_reads_back_with_types(home: Path, tmp_path: Path):
    to = tmp_path / "new" / "out.xlsx"
    (done,) = export(
        ["accounts"], to, home=home, entries={"accounts": entry("accounts", share="share", arr="currency")}
    )
    assert (done.rows, done.sheets) == (3, ("accounts",))
    assert cells(to, "accounts") == [
        ["account_id", "account_name", "n", "share", "arr", "is_live", "day", "moment", "note"],
        ["A1", '=HYPERLINK("http://x")', -5, -0.25, 12345.678, True, datetime(2026, 3, 31),  # noqa: DTZ001
         datetime(2026, 3, 31, 6, 0, 5), None],  # noqa: DTZ001
        ["A2", "+49 30", "9007199254740995", 0.5, 1e300, False, "0001-01-01", None, "x"],
        ["A3", 'é😀 "q", <script>', 0, None, None, None, datetime(9999, 12, 31), None, "a\nb"],  # noqa: DTZ001
    ]  # fmt: skip
    sheet = openpyxl.load_workbook(to)["accounts"]
    assert {sheet["B2"].data_type, sheet["B3"].data_type} == {"s"}
    assert sheet["B2"].quotePrefix
    assert not sheet["B4"].quotePrefix
    assert (sheet["D2"].number_format, sheet["E2"].number_format) == ("0.0%", "#,##0.00")
    assert sheet["G2"].number_format == "yyyy-mm-dd"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:I4"


def test_the_dictionary_goes_along_and_its_texts_are_texts(home: Path, tmp_path: Path):
    export(["accounts"], tmp_path / "o.xlsx", home=home, entries={"accounts": entry("accounts", arr="currency")})
    head, row = cells(tmp_path / "o.xlsx", "dictionary")
    assert dict(zip(head, row, strict=True))["description"] == "=what arr is"
    assert openpyxl.load_workbook(tmp_path / "o.xlsx")["dictionary"]["L2"].data_type == "s"


def test_a_folder_of_csv_is_safe_and_exact(home: Path, tmp_path: Path):
    table = export(["accounts", "kpis"], tmp_path / "f", "all", home, {"accounts": entry("accounts", arr="currency")})
    assert [(one.path.name, one.rows) for one in table] == [("accounts.csv", 3), ("kpis.csv", 3)]
    with (tmp_path / "f" / "accounts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["account_name"] for row in rows] == ['\'=HYPERLINK("http://x")', "'+49 30", 'é😀 "q", <script>']
    assert [row["n"] for row in rows] == ["-5", "9007199254740995", "0"]
    assert (tmp_path / "f" / "dictionary.csv").read_text(encoding="utf-8").count("'=what arr is") == 1
    assert sorted(p.name for p in (tmp_path / "f").iterdir()) == ["accounts.csv", "dictionary.csv", "kpis.csv"]


def test_a_range_of_days(home: Path, tmp_path: Path):
    (done,) = export(["kpis"], tmp_path / "k.csv", "2026-03-31..2026-04-30", home)
    assert done.rows == 2


@pytest.mark.parametrize(
    ("tables", "to", "error", "says"),
    [
        (["accounts", "nope"], "x.xlsx", NotPublished, "no table 'nope'"),
        (["accounts", "kpis"], "x.csv", WrongTarget, "one CSV file holds one table, and there are 2"),
        (["accounts"], "x.xls", WrongTarget, "ends in .xlsx or .csv, or a folder"),
    ],
)
def test_wrong_use_writes_nothing(tables, to, error, says, home: Path, tmp_path: Path):
    with pytest.raises(error, match=says):
        export(tables, tmp_path / "out" / to, home=home)
    assert not (tmp_path / "out").exists()


def test_a_text_too_long_for_a_cell_leaves_what_stood_before(home: Path, tmp_path: Path):
    publish(home, "notes", "SELECT 'A1' AS account_id, repeat('x', 32768) AS note")
    publish(home, "fits", "SELECT 'A1' AS account_id, repeat('x', 32767) AS note")
    to = tmp_path / "o.xlsx"
    export(["fits"], to, home=home)
    before = to.read_bytes()
    with pytest.raises(CannotHold, match="sheet notes, row 2, column note: a text of 32,768 characters"):
        export(["notes"], to, home=home)
    assert to.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_more_rows_than_a_sheet_holds_go_on_in_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", 4)
    name = "a_table_whose_name_is_longer_than_31"
    table = write_workbook(tmp_path / "o.xlsx", [Sheet(name, ["n"], [[i] for i in range(7)], {})])
    assert table == {name: [name[:31], f"{name[:27]} (2)", f"{name[:27]} (3)"]}
    held = [cells(tmp_path / "o.xlsx", sheet) for sheet in table[name]]
    assert held == [[["n"], [0], [1], [2]], [["n"], [3], [4], [5]], [["n"], [6]]]


def test_an_empty_table_has_its_header(tmp_path: Path):
    write_workbook(tmp_path / "o.xlsx", [Sheet("empty", ["a", "b"], [], {})])
    assert cells(tmp_path / "o.xlsx", "empty") == [["a", "b"]]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(FORMULA), REST), max_size=4))
def test_no_text_becomes_a_formula(tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]):
    to = tmp_path_factory.mktemp("x") / "o.xlsx"
    values = [first + rest for first, rest in texts]
    write_workbook(to, [Sheet("s", ["v"], [[value] for value in values], {})])
    sheet = openpyxl.load_workbook(to)["s"]
    assert all(row[0].data_type == "s" and row[0].quotePrefix for row in sheet.iter_rows(min_row=2))


def test_the_command_says_what_it_wrote_and_what_is_wrong(home: Path, tmp_path: Path):
    run = CliRunner().invoke(main, ["--home", str(home), "export", "kpis", "--to", str(tmp_path / "k.xlsx")])
    assert run.exit_code == 0, run.output
    assert "1 rows" in run.stderr
    assert cells(tmp_path / "k.xlsx", "kpis")[1][1:] == ["Core", 2]
    wrong = CliRunner().invoke(main, ["--home", str(home), "export", "kpis", "accounts", "--to", "a.csv"])
    assert wrong.exit_code == 2
    none = CliRunner().invoke(main, ["--home", str(home), "export", "nope", "--to", "a.csv"])
    assert (none.exit_code, "no table 'nope'" in none.stderr) == (1, True)


def test_csv_of_duckdb_and_ours_agree_on_numbers(home: Path, tmp_path: Path):
    """Another reader of the file: DuckDB."""
    export(["accounts"], tmp_path / "a.csv", home=home)
    read = duckdb.sql(f"SELECT n, share, arr FROM read_csv('{tmp_path / 'a.csv'}') ORDER BY account_id").fetchall()
    assert json.dumps(read[:2]) == json.dumps([(-5, -0.25, 12345.678), (9007199254740995, 0.5, 1e300)])
    assert date(2026, 3, 31).isoformat() in (tmp_path / "a.csv").read_text(encoding="utf-8")

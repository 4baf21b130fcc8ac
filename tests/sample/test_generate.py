"""The files: the same for equal arguments, with the contract's columns, whatever the size asked for."""

import hashlib
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from segmentation_assets.sample import generate, tables, usage
from tests.sample.conftest import END, Sample, opened


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_equal_arguments_give_equal_bytes_and_another_seed_does_not(tmp_path):
    size = dict(accounts=30, days=45, users_per_account=4, end=END)
    generate(tmp_path / "a", seed=3, **size)
    generate(tmp_path / "b", seed=3, **size)
    generate(tmp_path / "c", seed=4, **size)
    first, again, other = (_digests(tmp_path / name) for name in "abc")
    assert first == again
    assert first.keys() == other.keys()
    same = {name for name in first if first[name] == other[name]}
    assert all(name == "sources.yaml" or name.startswith("product_features") for name in same)


def test_a_shorter_window_leaves_no_file_of_the_longer_one(tmp_path):
    generate(tmp_path, accounts=3, days=40, users_per_account=2, end=END)
    generate(tmp_path, accounts=3, days=5, users_per_account=2, end=END)
    assert len(list((tmp_path / "product_usage").iterdir())) == 5
    assert [path.stem for path in sorted((tmp_path / "csm_roster").iterdir())] == ["2025-06-13", "2025-06-17"]


@pytest.mark.parametrize("name", tables.SCHEMAS)
def test_columns_and_types_are_the_contract_s(sample: Sample, name: str):
    path = sample.summary.directory / name
    files = sorted(path.iterdir()) if path.is_dir() else [path.with_suffix(".parquet")]
    assert files
    for file in files:
        assert pq.read_schema(file).equals(tables.SCHEMAS[name])


def test_types_follow_the_naming_of_columns():
    for schema in (*tables.SCHEMAS.values(), *tables.TRUTH_SCHEMAS.values()):
        for field in schema:
            if field.name.endswith("_on") or field.name.endswith("_date"):
                assert field.type == pa.date32(), field
            elif field.name.endswith("_at"):
                assert field.type == pa.timestamp("us"), field
            elif field.name.endswith("_id"):
                assert field.type == pa.string(), field


def test_sources_name_every_extract_and_find_its_files(sample: Sample):
    sources = yaml.safe_load(sample.summary.sources.read_text())
    assert sources["version"] == 1
    assert list(sources["extracts"]) == list(tables.SCHEMAS)
    assert len(sources["extracts"]) == 21
    for entry in sources["extracts"].values():
        assert list(sample.summary.directory.glob(entry["path"]))


def test_summary_counts_what_is_in_the_files(sample: Sample):
    assert sample.summary.rows.keys() == tables.SCHEMAS.keys()
    for name, rows in sample.summary.rows.items():
        assert sample.value(f"SELECT count(*) FROM {name}") == rows


def test_usage_is_one_sorted_file_per_day(sample: Sample):
    files = sorted((sample.summary.directory / "product_usage").iterdir())
    first = END - timedelta(days=399)
    assert [file.stem for file in files] == [(first + timedelta(days=n)).isoformat() for n in range(400)]
    for file in files[::40]:
        data = pq.read_table(file)
        assert {str(day) for day in data["usage_date"].to_pylist()} <= {file.stem}
        assert data["account_id"].to_pylist() == sorted(data["account_id"].to_pylist())


def test_slowly_changing_extracts_come_as_monthly_drops(sample: Sample):
    for name in tables.DROPPED:
        stems = [file.stem for file in sorted((sample.summary.directory / name).iterdir())]
        assert stems[0] == "2024-05-14"
        assert stems[-1] == END.isoformat()
        assert stems[1:-1] == [
            (date(2024 + month // 12, month % 12 + 1, 1) - timedelta(days=1)).isoformat() for month in range(5, 18)
        ]


def test_usage_never_holds_more_than_a_day(tmp_path, monkeypatch):
    held: list[int] = []
    days: list[set[date]] = []
    write = tables.write

    def watched(data: pa.Table, path: Path) -> None:
        write(data, path)
        if path.parent.name == "product_usage":
            held.append(pa.total_allocated_bytes())
            days.append(set(data["usage_date"].to_pylist()))

    monkeypatch.setattr(usage.tables, "write", watched)
    generate(tmp_path, accounts=60, days=120, users_per_account=10, end=END)
    assert len(days) == 120
    assert all(len(result) <= 1 for result in days)
    assert max(held[60:]) < 1.5 * max(held[:60])


@pytest.mark.parametrize(
    ("accounts", "days", "users", "end"),
    [
        (1, 1, 1, date(2024, 2, 29)),
        (1, 30, 25, date(2025, 1, 1)),
        (2, 365, 1, date(2025, 12, 31)),
        (25, 1, 5, date(2025, 3, 30)),
        (5, 2_000, 2, date(2025, 6, 1)),
    ],
)
def test_any_size_gives_the_accounts_and_arr_asked_for(tmp_path, accounts, days, users, end):
    summary = generate(tmp_path, accounts=accounts, days=days, users_per_account=users, end=end)
    result = opened(summary)
    assert summary.live_accounts == accounts
    assert summary.arr == pytest.approx(50_000 * accounts, rel=0.02)
    assert len(list((tmp_path / "product_usage").iterdir())) == days
    assert result.value("SELECT count(*) FROM crm_accounts WHERE filename LIKE '%' || {end}::TEXT || '%'") >= accounts
    assert result.value("SELECT max(start_date) <= {end} FROM billing_subscriptions")


@pytest.mark.parametrize("wrong", [{"accounts": 0}, {"days": 0}, {"users_per_account": 0}])
def test_nothing_less_than_one(tmp_path, wrong):
    with pytest.raises(ValueError, match="at least 1"):
        generate(tmp_path, **{"end": END, **wrong})


def test_progress_names_each_extract(tmp_path):
    heard: list[str] = []
    generate(tmp_path, accounts=2, days=3, users_per_account=2, end=END, progress=heard.append)
    assert {line.split()[0] for line in heard} == set(tables.SCHEMAS)

"""Reading sources.yaml: errors name the line and, where there is one, the likely name."""

from __future__ import annotations

import pytest

from segmentation_assets.extracts.sources import Constant, Expression, SourcesError, read_sources

START = "version: 1\nextracts:\n"
BOTH = START + "  crm_accounts: {path: a.csv}\n  billing_subscriptions: {path: s.csv}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (START + "  crm_acounts: {path: a}\n", ":3: there is no extract crm_acounts; did you mean crm_accounts?"),
        (BOTH + "  leads: {path: x, columns: {employes: n}}\n", ":5: leads has no column employes; did you mean emp"),
        (BOTH + "  leads:\n    path: x\n    colums: {a: b}\n", ":7: extracts.leads.colums: unknown key"),
        (BOTH + "  leads: {}\n", ":5: extracts.leads: set exactly one of path, duckdb, sqlite, postgres"),
        (BOTH + "  leads: {path: x, sqlite: y, table: t}\n", "set exactly one of"),
        (BOTH + "  leads: {sqlite: y}\n", "sqlite needs either table or query"),
        (BOTH + "  leads: {path: x, table: t}\n", "a path has no table"),
        (BOTH + "  leads: {postgres: 'postgresql://me:secret@host/db', table: t}\n", "leads.postgres"),
        (BOTH + "  leads: {path: x, columns: {company: {constnt: 1}}}\n", "company: give a source column, {constant"),
        (BOTH + "  leads: {path: x, format: {encoding: latin1x}}\n", "not an encoding"),
        (BOTH + "  leads: {path: x, format: {decimal: ',', thousands: ','}}\n", "cannot be the same sign"),
        (BOTH + "  product_usage: {path: x, drops: full}\n", ":5: product_usage lands by day"),
        (BOTH + "  leads: {path: x}\n  leads: {path: y}\n", ":6: extracts.leads: the key stands twice"),
        (START + "  crm_accounts: {path: a}\n", "billing_subscriptions must be mapped"),
        ("version: 2\nextracts: {crm_accounts: {path: a}, billing_subscriptions: {path: b}}\n", ":1: version"),
        ("- a\n", "expected a mapping of `version: 1` and `extracts`, found list"),
        ("a: [\n", "not readable as YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path, text, said):
    path = tmp_path / "sources.yaml"
    path.write_text(text)
    with pytest.raises(SourcesError) as error:
        read_sources(path)
    assert said in str(error.value)
    assert str(error.value).startswith(str(path))


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(SourcesError, match="no such file"):
        read_sources(tmp_path / "none.yaml")
    with pytest.raises(SourcesError, match="is a folder"):
        read_sources(tmp_path)


def test_values_stay_the_text_they_are(tmp_path):
    path = tmp_path / "sources.yaml"
    path.write_text(
        BOTH
        + "  leads:\n    path: x\n    columns: {company: {constant: 007}, country: {sql: upper(c)}, industry: null}\n"
        "    values: {company: {Yes: No, 2025-01-31: 1.0}}\n"
    )
    leads = read_sources(path).extracts["leads"]
    assert dict(leads.columns) == {
        "company": Constant(constant="007"), "country": Expression(sql="upper(c)"), "industry": None,
    }  # fmt: skip
    assert dict(leads.values["company"]) == {"Yes": "No", "2025-01-31": "1.0"}


def test_a_bomb_of_aliases_and_deep_nesting_are_refused(tmp_path):
    path = tmp_path / "sources.yaml"
    layers = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))
    path.write_text(f"version: 1\nl0: &l0 [a]\n{layers}\nextracts: *l8\n")
    with pytest.raises(SourcesError, match="more than 1,000,000 parts"):
        read_sources(path)
    path.write_text("version: 1\nextracts: " + "[" * 100 + "]" * 100)
    with pytest.raises(SourcesError, match="more than 40 levels"):
        read_sources(path)
    path.write_text("version: 1\nextracts: {[a, b]: c}\n")
    with pytest.raises(SourcesError, match=r"sources.yaml:2: a key must be plain text|not readable as YAML"):
        read_sources(path)
    with pytest.raises(SourcesError, match="is a folder; name the file in it"):
        read_sources(tmp_path)

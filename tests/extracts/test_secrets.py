"""No password in what people read or in logs, whatever form the connection string has."""

from __future__ import annotations

import re
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation_assets.extracts.secrets import without_secrets
from tests.extracts.home import Home
from tests.harness.processes import free_port

NOBODY = free_port()
"""A port that nobody listens on: connecting is refused at once."""
FORMS = (
    "postgresql://me:{}@127.0.0.1:{port}/db",
    "postgres://me:{}@127.0.0.1:{port}x/db",
    "postgresql://127.0.0.1:{port}/db?user=me&password={}",
    "host=127.0.0.1 port={port} user=me password={} dbname=db",
    "host=127.0.0.1 port={port} password='{}' nonsense",
    "host=127.0.0.1 port={port} password='{}",
    "{}",
)
words = st.text("abcdefghijklmnop0123456789", min_size=5, max_size=9).map(lambda word: "Q" + word)
passwords = st.lists(words, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from(["@", "/", ":", "%", "#", "?", " ", "'", "\\", "&", "=", "%zz", "]["]).map(
        lambda sign: sign.join(parts)
    )
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(passwords, st.sampled_from(FORMS), st.booleans())
def test_no_word_of_a_password_is_in_what_the_driver_says(password: str, form: str, is_escaped: bool):
    connection = form.format(quote(password, safe="") if is_escaped else password, port=NOBODY)
    try:
        psycopg.connect(connection, connect_timeout=2)
    except (psycopg.Error, ValueError, OSError) as error:
        said = without_secrets(str(error), connection)
        assert not re.search("Q[a-p0-9]{3,}", said), said
    else:
        pytest.fail("nobody listens there")


def test_what_is_wrong_stays_readable():
    connection = f"postgresql://me:hunter22@127.0.0.1:{NOBODY}/db"
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect(connection)
    assert "onnection refused" in without_secrets(str(refused.value), connection)


def test_a_landing_that_fails_names_the_variable_and_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("BILLING", "postgresql://me:hun%zzter@127.0.0.1:1/db")
    home = Home(tmp_path)
    home.minimal()
    landed = home.land(billing_subscriptions={"postgres": "BILLING", "table": "subscriptions"})[
        "billing_subscriptions"
    ]
    assert landed.failed
    assert "check BILLING" in (landed.reason or "")
    assert "hun" not in (landed.reason or "")
    assert "zzter" not in (landed.reason or "")

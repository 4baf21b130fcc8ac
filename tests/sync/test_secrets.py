"""A secret stands in no message, no log, no file, whatever goes wrong."""

from __future__ import annotations

import logging
import string
import tempfile
import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation_assets.reasons import Refusal
from segmentation_assets.sync.applying import Run
from segmentation_assets.sync.hubspot import TOKEN
from segmentation_assets.sync.secrets import HIDDEN, NoSecret, Secrets
from tests.sync.homes import account, connected, define_properties, policy_for, write_home
from tests.sync.hubspot_fake import HubSpotFake, served

# A begin and an end that stand nowhere else: `Content-Type` would be a token that is on every page.
tokens = st.text(string.ascii_letters + string.digits + string.punctuation, min_size=4, max_size=40).map(
    "tok~{}~kot".format
)
FAULTS = ("401", "403", "302", "400", "404", "500", "429", "daily", "cut_before", "cut_after", "garbage", "600", None)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=tokens, faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4))
def test_a_token_is_shown_nowhere(caplog: pytest.LogCaptureFixture, token: str, faults: list[str | None]):
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    text = ""
    with served(HubSpotFake(token=token)) as fake, tempfile.TemporaryDirectory() as folder:
        define_properties(fake)
        fake.add("1")
        home = write_home(Path(folder), [account("a1"), account("a2")])
        fake.faults = [*faults, *faults]
        policy = policy_for(fake, attempts=3)
        try:
            result = Run(home, policy, "hubspot", lambda: connected(fake, policy, Secrets({TOKEN: token}))).apply()
            text += repr(result)
        except Refusal as error:
            text += str(error) + repr(error) + "".join(traceback.format_exception(error))
            seen: BaseException | None = error
            while seen is not None:
                text += repr(seen.args)
                seen = seen.__cause__ or seen.__context__
        files = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert token not in text
    assert token.encode() not in files
    assert token not in caplog.text
    assert not any(token in str(record.__dict__) for record in caplog.records)


def test_every_spelling_is_hidden():
    secrets = Secrets({"X": "https://hooks.example/services/T0/B0/a+b=c"})
    secrets.get("X", "a webhook")
    for text in ("services/T0/B0/a+b=c", "https://hooks.example/services/T0/B0/a+b=c", "T0%2FB0%2Fa%2Bb%3Dc",
                 "services%2FT0%2FB0%2Fa%2Bb%3Dc"):  # fmt: skip
        assert "a+b=c" not in secrets.hidden(f"got {text}!")
    assert HIDDEN in secrets.hidden("services/T0/B0/a+b=c")


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nbreak", "umläut", "tab\there"])
def test_what_cannot_be_a_token_is_refused_by_name_and_not_quoted(value: str):
    with pytest.raises(NoSecret) as error:
        Secrets({TOKEN: value}).get(TOKEN, "a token")
    assert TOKEN in str(error.value)
    assert value.strip() == "" or value not in str(error.value)

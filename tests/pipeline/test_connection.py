"""What is said of a connection string, and what is not."""

import pytest

from b2bpilot.errors import SettingsInvalid
from b2bpilot.pipeline.connection import check_dsn, place


def test_an_unescaped_at_in_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(SettingsInvalid) as raised:
        check_dsn("postgresql://u:hun@ter2@127.0.0.1:9/x")

    assert "ter2" not in f"{raised.value} {raised.value.hint}"
    assert "%40" in str(raised.value.hint)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p%40w@h:5432/d?application_name=a@b",
        "host=h dbname=d password=a@b",
        "postgresql:///d?host=/tmp",
    ],
)
def test_other_spellings_are_taken(dsn: str) -> None:
    check_dsn(dsn)


def test_a_place_names_neither_user_nor_password() -> None:
    assert place("postgresql://pilot:s3cret@db.example.com:5432/orders") == "orders at db.example.com:5432"

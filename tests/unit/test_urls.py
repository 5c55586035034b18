"""What of a URL may be shown and stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_mlops import urls


@pytest.mark.parametrize(
    ("url", "without_password", "without_login"),
    [
        ("https://a:s3cret@host:81/x?y=1#z", "https://a:***@host:81/x", "https://host:81/x"),
        ("https://token@host/x", "https://token@host/x", "https://host/x"),
        ("postgresql://u:p%40ss@db/mlops", "postgresql://u:***@db/mlops", "postgresql://db/mlops"),
        ("data/train.csv", "data/train.csv", "data/train.csv"),
    ],
)
def test_a_url_is_shown_without_what_logs_in(
    url: str, without_password: str, without_login: str
) -> None:
    assert urls.without_password(url) == without_password
    assert urls.without_login(url) == without_login


def test_a_message_loses_the_password_in_both_its_forms_and_each_login() -> None:
    url = "postgresql://u:p%40ss@db/mlops"
    assert urls.has_password(url)
    assert not urls.has_password("https://token@host/x")
    assert urls.hide_password("no p%40ss and no p@ss", url) == "no *** and no ***"
    assert urls.hide_logins(f"{url} or https://t@h/x") == "postgresql://db/mlops or https://h/x"


def test_a_file_uri_is_a_path() -> None:
    assert urls.local_path("file:///tmp/a%20b") == Path("/tmp/a b")
    assert urls.local_path("/tmp/a") == Path("/tmp/a")

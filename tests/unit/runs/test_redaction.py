"""Secrets never reach the store."""

from __future__ import annotations

import pytest

from jupyter_mlops.runs.redaction import HIDDEN, redact


@pytest.mark.parametrize(
    "key", ["password", "DB_PASSWORD", "api_key", "aws_secret", "hf-token", "service.credentials"]
)
def test_a_value_whose_name_says_secret_is_hidden(key: str) -> None:
    assert redact("hunter2", key=key) == HIDDEN


@pytest.mark.parametrize(
    "key", ["tokenizer", "keyboard", "n_tokens_max", "monkey", "secretary_count"]
)
def test_a_harmless_name_is_not(key: str) -> None:
    assert redact("5", key=key) == "5"


def test_the_value_of_a_sensitive_variable_is_hidden_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", "s3cr3t-value-1")
    assert redact("connect('s3cr3t-value-1')") == f"connect('{HIDDEN}')"

"""Secrets never reach the store, and nothing else is changed."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from jupyter_mlops.secrets import redaction
from jupyter_mlops.secrets.redaction import HIDDEN, is_secret_file, learn, redact, redact_json
from tests.unit.secrets.secrets_corpus import APART, LOOKALIKES, SECRETS

if TYPE_CHECKING:
    pass


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin without what another has taught."""
    monkeypatch.setattr(redaction, "_known", {})
    monkeypatch.setattr(redaction, "_read", set())


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "DB_PASSWORD",
        "api_key",
        "aws_secret",
        "hf-token",
        "service.credentials",
        "apiKey",
    ],
)
def test_a_value_whose_name_says_secret_is_hidden(key: str) -> None:
    assert redact("hunter2", key=key) == HIDDEN


@pytest.mark.parametrize(
    "key",
    [
        "tokenizer",
        "keyboard",
        "n_tokens_max",
        "monkey",
        "secretary_count",
        "token_count",
        "pad_token",
    ],
)
def test_a_harmless_name_is_not(key: str) -> None:
    assert redact("5", key=key) == "5"


def test_the_value_of_a_sensitive_variable_is_hidden_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", "s3cr3t-value-1")
    assert redact("connect('s3cr3t-value-1')") == f"connect('{HIDDEN}')"


def test_the_password_in_a_variables_url_is_hidden_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE", "postgresql://me:tr0ub4dor-3@db/x")
    assert redact("wrong: tr0ub4dor-3") == f"wrong: {HIDDEN}"


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_goes_and_the_rest_of_its_text_stays(kind: str) -> None:
    source, secrets = SECRETS[kind]
    clean = redact(source)
    for secret in secrets:
        assert secret in source
        assert secret not in clean
    assert HIDDEN in clean
    assert clean.splitlines()[0][:3] == source.splitlines()[0][:3]
    assert clean.count("\n") == source.count("\n")
    if "\n%" not in f"\n{source}":
        ast.parse(clean)
    assert redact(clean) == clean


@pytest.mark.parametrize("kind", SECRETS)
def test_it_also_goes_inside_json_and_from_a_diff(kind: str) -> None:
    source, secrets = SECRETS[kind]
    inside = json.dumps({"cells": [{"source": source}]})
    diff = "".join(f"+{line}\n" for line in source.splitlines())
    for text in (inside, json.dumps({"output": inside}), diff):
        clean = redact(text)
        assert not [secret for secret in secrets if secret in clean]
        assert clean.count("\n") == text.count("\n")
    json.loads(redact(inside))
    assert all(line.startswith("+") for line in redact(diff).splitlines())


@pytest.mark.parametrize("kind", APART)
def test_one_goes_that_stands_apart_from_its_name(kind: str) -> None:
    source, secrets = APART[kind]
    clean = redact(source)
    assert not [secret for secret in secrets if secret in clean]
    assert clean.count(HIDDEN) >= 2
    assert clean.count("\n") == source.count("\n")
    ast.parse(TransformerManager().transform_cell(clean))
    assert redact(clean) == clean
    learn([source])  # as a recorded cell's source is, before anything of it is stored
    for text in (json.dumps({"source": source}), f"ValueError: {secrets[0]} {secrets[1]}"):
        assert not [secret for secret in secrets if secret in redact(text)]


@pytest.mark.parametrize("text", LOOKALIKES)
def test_a_lookalike_stays(text: str) -> None:
    assert redact(text) == text
    inside = json.dumps({"source": text})
    assert redact(inside) == inside


def test_there_are_enough_of_both() -> None:
    assert len(SECRETS) >= 40
    assert len(LOOKALIKES) >= 40


def test_what_was_a_secret_once_is_one_wherever_it_stands() -> None:
    value = "Zx9-quite-Secret"
    learn([f'password = "{value}"'])
    assert redact(f"ValueError: no access with {value}!") == f"ValueError: no access with {HIDDEN}!"
    assert redact(f"https://example.org/{value}") == f"https://example.org/{HIDDEN}"


def test_a_variables_value_is_one_too_also_in_a_dict_and_with_quotes_in_it() -> None:
    namespace = {
        "hub_token": 'quoted"9"value',
        "settings": {"db": {"password": "deeper-value-7"}},
        "token": "learning",
        "tokenizer": "bert-base-uncased",
    }
    learn([], namespace)
    assert redact(json.dumps({"shown": 'quoted"9"value'})) == json.dumps({"shown": HIDDEN})
    assert redact("deeper-value-7") == HIDDEN
    assert redact("learning bert-base-uncased") == "learning bert-base-uncased"


def test_a_tables_column_is_one_too() -> None:
    import pandas as pd

    learn(
        [],
        {
            "frame": pd.DataFrame(
                {"password": ["column-value-1"], "passenger": ["column-value-2"]}
            ),
            "series": pd.Series(["column-value-3"], name="api_key"),
            "passwords": ["column-value-4"],
            "tokens": ["learning", "don't-know-1"],
        },
    )
    shown = "column-value-1 column-value-2 column-value-3 column-value-4 don't-know-1"
    assert redact(shown) == f"{HIDDEN} column-value-2 {HIDDEN} {HIDDEN} don't-know-1"


def test_a_list_in_json_is_hidden_item_by_item() -> None:
    value = {
        "password": ["hunter2hunter2", None, 3],
        "token": ["the", "cat"],
        "n_tokens": ["12345678"],
    }
    assert redact_json(value) == {**value, "password": [HIDDEN, None, 3]}


def test_a_word_goes_only_where_it_stands_by_itself() -> None:
    learn(['password = "horsebattery"'])
    assert redact("horsebattery, horsebatterystaple") == f"{HIDDEN}, horsebatterystaple"


def test_json_keeps_its_shape() -> None:
    value = {"n": 3, "api_key": "abcd1234", "seen": [None, True, 0.5], "token": {"count": 2}}
    assert redact_json(value) == {**value, "api_key": HIDDEN}


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        "a/.env.local",
        "tls/server.pem",
        "id_rsa",
        "x/credentials.json",
        ".netrc",
        "secrets.toml",
    ],
)
def test_files_that_hold_secrets_by_custom_are_known(name: str) -> None:
    assert is_secret_file(name)


@pytest.mark.parametrize(
    "name", ["env.py", "train.csv", "id_rsa.pub", "environment.yml", "keys.py"]
)
def test_and_others_are_not(name: str) -> None:
    assert not is_secret_file(name)


def test_cells_with_magics_still_run_after_it() -> None:
    clean = redact("%env HUB_TOKEN=abcd1234efgh5678\nx = 1")
    assert clean == f"%env HUB_TOKEN={HIDDEN}\nx = 1"
    ast.parse(TransformerManager().transform_cell(clean))


@pytest.mark.parametrize(
    "line",
    [
        "files = !ls",
        "v = %env HOME",
        "len?",
        "%time print(1)",
        "for x in range(2):\n    !true",
        "for x in !ls:\n    pass",
        "if True:\n    %matplotlib inline\n    x = !ls",
        "%%time",
        "\n".join(f"!pip install package{number}" for number in range(200)),
    ],
)
def test_a_line_of_the_shell_hides_no_secret(line: str) -> None:
    found = redact(f"{line}\nadd(name='password', value='hunt12er-Xy77qqZ')\n")
    assert found == f"{line}\nadd(name='password', value='***')\n"


@pytest.mark.parametrize("magic", ["%time ", "%timeit -n 1 -r 1 ", "x = %time ", "    %prun -q "])
def test_a_secret_after_a_magic_is_found(magic: str) -> None:
    before = "if True:\n" if magic.startswith(" ") else ""
    found = redact(f"{before}{magic}add(name='password', value='hunt12er-Xy77qqZ')\n")
    assert found == f"{before}{magic}add(name='password', value='***')\n"


_TOKEN = "Zq3vR8kLm2Xw9TbN4pYc"
_LONG = 1_000_000


@pytest.mark.parametrize(
    "piece",
    ["iVBORw0KGgo", "?token=", "AccountKey=", "_authToken=", "eyJ", "ghp_", "sk-", "key['", "passwords=[",
     "passwords,", "passwords:\n- ", "key=\\n", "-----BEGIN PRIVATE KEY-----", "bearer ", "://a:", " -u a:"],
)  # fmt: skip
def test_the_end_of_a_long_text_is_read_in_linear_time(piece: str) -> None:
    """With an expression of quadratic time, one of these takes from minutes to hours."""
    size = _LONG if piece == "iVBORw0KGgo" else _LONG // 10
    text = piece * (size // len(piece)) + f'\n\n\n\npassword = "{_TOKEN}"\n'
    assert _TOKEN not in redact(text)


def test_a_value_and_a_token_longer_than_a_window_are_hidden_whole() -> None:
    value = _TOKEN * 300
    assert redact(f"export API_TOKEN={value}\nx = 1") == f"export API_TOKEN={HIDDEN}\nx = 1"
    token = "ghp_" + value
    assert redact("a" * 1_990 + f"\nuse({token!r})") == "a" * 1_990 + f"\nuse('{HIDDEN}')"


def test_a_list_in_a_list_is_searched_by_its_own_name() -> None:
    text = f'passwords = [{{"a": [{{"api_keys": ["{_TOKEN}"]}}]}}]\n' * 6
    assert _TOKEN not in redact(text)

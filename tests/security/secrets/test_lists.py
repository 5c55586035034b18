"""A secret in a list under its name is stored as little as one that stands alone."""

from __future__ import annotations

import ast
import itertools
import json
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import runs
from jupyter_mlops.secrets import redaction
from jupyter_mlops.secrets.redaction import HIDDEN, redact

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project
    from tests.trials import Trials

NAMES = ["password", "DB_PASSWORD", "api_key", "apiKey", "hf-token", "access_token", "client_secret",
         "secret", "passphrase", "aws_secret_access_key", "auth_token", "smtp_pass"]  # fmt: skip
PLAIN = ["token_count", "n_tokens", "key", "passenger", "primary_key", "foreign_key", "tokenizer",
         "pad_token", "compass", "monkey", "secretary", "password_length", "api_key_id"]  # fmt: skip
#: `@` is the name, `#` and `~` are two values.
FORMS = [
    'x = pd.DataFrame({"@": ["#", "~"]})', "x = {'@': ['#', '~']}", 'x = {"@": ("#", "~")}',
    'x = {"@": {"#", "~"}}', 'x = {"n": [1, 2], "@": ["#", None, "~"], "z": ["a", "b"]}',
    'x = {"a": {"b": {"@": [["#"], ["~"]]}}}', 'x = {"@": {"prod": "#", "test": "~"}}',
    'x["@"] = ["#", "~"]', 'x.loc[:, "@"] = ["#", "~"]', 'x["@"] = np.array(["#", "~"])',
    'x["@"] = pd.Series(["#", "~"], index=[1, 2])', 's = pd.Series(["#", "~"], name="@")',
    'x.insert(0, "@", ["#", "~"])', 'x = pd.DataFrame([["a", "#"], ["b", "~"]], columns=["u", "@"])',
    'x = [{"@": "#"}, {"@": "~"}]', 'x = {\n    "@": [\n        "#",\n        "~",\n    ],\n}',
    'x = {"@": ["#"] + ["~"]}', 'x = {"@": [*y, "#", *z, "~"]}', 'x = {"@": list(("#", "~"))}',
    'x = dict([("@", ["#", "~"])])', 'x = {"@": deque(["#", "~"])}', 'x = {"@": iter(("#", "~"))}',
    'x = pd.DataFrame(["#", "~"], columns=["@"])', 'x = pd.DataFrame(np.array([["#"], ["~"]]), columns=["@"])',
    'x = [{"name": "@", "value": "#"}, {"name": "@", "value": "~"}]', 'f(name="@", value=["#", "~"])',
    'x = [("u", 1), ("@", deque(["#", "~"]))]',
    'x = {"@": [\'#\', """~"""]}',
    'x = json.loads(\'{"@": ["#", "~"]}\')', "x = '''\n@:\n  - #\n  - ~\n'''",
    "x = '''\nuser,@,n\nann,#,1\nbob,~,2\n'''", 'x = read("user;@\\nann;#\\nbob;~\\n")',
]  # fmt: skip
#: The same for names that Python allows as such.
KEYWORDS = [
    "x = dict(@=['#', '~'])", 'x = df.assign(@=["#", "~"])', 'x = f(1, @=("#", "~"), n=2)',
    '@ = ["#", "~"]', '@: list[str] = ["#", "~"]', '@ = {"#", "~"}', 'c.@ = ["#", "~"]',
    '@ = deque(["#", "~"])', '@ = iter(["#", "~"])', 'for @ in ["#", "~"]: pass', '@ = {"#": 1, "~": 2}',
    'for user, @ in [("ann", "#"), ("bob", "~")]: pass', 'x = [f(@) for @ in ["#", "~"]]',
    'def f(a, @=["#", "~"]): pass', '@ += ["#", "~"]', '@.extend(["#", "~"])',
]  # fmt: skip
VALUES = ["Fr4me-Passw0rd-Y", "0ther-Fr4me-Pw-Z9"]


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", {})
    monkeypatch.setattr(redaction, "_read", set())


def filled(names: list[str]) -> list[str]:
    every = [*itertools.product(FORMS, names)]
    every += [*itertools.product(KEYWORDS, (name for name in names if name.isidentifier()))]
    return [
        form.replace("@", name).replace("#", VALUES[0]).replace("~", VALUES[1])
        for form, name in every
    ]


def test_every_form_of_a_list_under_every_name_is_hidden(trials: Trials) -> None:
    sources = filled(NAMES)
    for source in sources:
        redaction._known.clear()
        clean = redact(source)
        assert not [value for value in VALUES if value in clean], source
        assert clean.count(HIDDEN) >= 2
        assert clean.count("\n") == source.count("\n")
        ast.parse(clean)
        assert not [value for value in VALUES if value in redact(json.dumps({"source": source}))]
    trials("a secret in a list, by form and name", len(sources), "none readable")


def test_the_same_forms_under_ordinary_names_stay_readable(trials: Trials) -> None:
    sources = filled(PLAIN)
    for source in sources:
        redaction._known.clear()
        assert redact(source) == source
    trials("an ordinary column in the same forms", len(sources), "all unchanged")


FRAME = """
import pandas as pd
frame = pd.DataFrame({"user": ["ann"], "password": ["Fr4me-Passw0rd-Y"], "passenger": ["Ann-Lee-0123456"]})
named = pd.Series(["0ther-Fr4me-Pw-Z9"], name="password")
print(frame)
"""
ERROR = FRAME + 'raise ValueError(f"no access with {frame.password[0]} and {named[0]}")\n'


def test_nothing_of_a_recorded_cells_frame_is_readable_in_the_store(
    project: Project, trials: Trials
) -> None:
    for source in (FRAME, ERROR):
        namespace: dict[str, object] = {}
        try:
            with runs.record_cell("frame", source, namespace, project=project):
                exec(source, namespace)
        except ValueError:
            pass
    found = [path for path in project.root.rglob("*") if path.is_file() and holds(path)]
    assert not found
    assert any(b"Ann-Lee-0123456" in path.read_bytes() for path in project.state.rglob("cell.py"))
    trials("recorded cells with a password column, one failing", 2, "nothing in any file")


def holds(path: Path) -> bool:
    content = path.read_bytes()
    return any(value.encode() in content for value in VALUES)


def test_versions_of_packages_are_no_secrets(trials: Trials) -> None:
    """The manifest of a run says which packages it ran on; some of them are called `asttokens`."""
    from importlib import metadata

    packages = {
        item.metadata["Name"]: item.version for item in metadata.distributions() if item.metadata
    }
    packages |= {"secretstorage": "3.3.3", "torch-tokens": "2.13.0+cpu", "password": "1.0rc1.post2"}
    for text in (json.dumps({"packages": packages}, indent=2), json.dumps(packages)):
        assert redact(text) == text
    trials("versions of packages under names that say secret", len(packages), "all readable")

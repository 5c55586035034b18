"""Whatever is recorded, no byte of a secret is in the project's state, data cache or git objects."""

from __future__ import annotations

import os
import runpy
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from jupyter_mlops import jobs, runs
from jupyter_mlops.errors import UsageError
from jupyter_mlops.runs.capsules import capsule
from jupyter_mlops.secrets import redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
_CORPUS = runpy.run_path(str(Path(__file__).parents[2] / "unit" / "secrets" / "secrets_corpus.py"))
SECRETS: dict[str, tuple[str, list[str]]] = _CORPUS["SECRETS"]
LOOKALIKES: list[str] = _CORPUS["LOOKALIKES"]
#: Known only by the variable that holds it.
HELD = "Zq9" + "held-by-a-variable"
HOLD = f"hub_token = ''.join({[*HELD]!r})"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what these cells teach and put into the environment."""
    kept = dict(os.environ)
    monkeypatch.setattr(redaction, "_known", {})
    monkeypatch.setattr(redaction, "_read", set())
    yield
    os.environ.clear()
    os.environ |= kept


def _kept(project: Project) -> Iterator[tuple[str, bytes]]:
    """Give every file of the project's state and data cache, and every object in its git."""
    for folder in (project.state, project.root / ".dvc"):
        for path in folder.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()
    objects = subprocess.run(
        ["git", "cat-file", "--batch", "--batch-all-objects", "--unordered"],
        cwd=project.root, capture_output=True, check=True,
    ).stdout  # fmt: skip
    yield "git", objects


def _left(project: Project, *more: str) -> list[str]:
    every = [secret for _, secrets in SECRETS.values() for secret in secrets] + [*more]
    return [
        f"{secret[:6]}… in {where}"
        for where, content in _kept(project)
        for secret in every
        if secret.encode() in content
    ]


def test_nothing_is_left_of_a_recorded_cell_s_secrets(
    project: Project, cell: Callable[[str], Any]
) -> None:
    for source, _ in SECRETS.values():
        cell(source)
    cell(HOLD)
    # What is not committed is in the snapshot: a module, the notebook, and files by their names.
    sources = "\n\n".join(source for source, _ in SECRETS.values() if "%env" not in source)
    Path("connect.py").write_text(sources)
    cells = [nbformat.v4.new_code_cell(source) for source, _ in SECRETS.values()]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), "train.ipynb")
    Path(".env").write_text(f"VALUE={HELD}\n")
    Path("credentials.json").write_text(f'{{"value": "{HELD}"}}')
    body = sources + "\nopen('.env').read(), open('credentials.json').read()\nscore = 0.5 * 1\n"
    assert cell(f"%%mlops run case\n{body}").success
    cell(
        f"%%mlops run broken\nname = 'x'\n{body}\nraise ValueError(f'no access with {{hub_token}}')"
    )
    assert runs.get("broken").error == "ValueError: no access with ***"
    assert runs.get("case").metrics == {"score": 0.5}
    kept = capsule.load(runs.get("case").run_id, "case", project=project)
    assert len(kept.cells) == len(SECRETS) + 2
    assert {"connect.py", "train.ipynb"} <= {*kept.redacted}
    assert {".env", "credentials.json"} <= {*kept.left_out}
    assert not [use.path for use in runs.get("case").data]
    shown = subprocess.run(
        ["git", "show", f"{kept.commit}:connect.py"], capture_output=True, text=True, check=True
    ).stdout
    assert shown.count("***") >= len(SECRETS)
    compile(shown, "connect.py", "exec")
    runs.export("case", output="exported.ipynb", project=project)
    assert "hunter2" not in Path("exported.ipynb").read_text()
    assert _left(project, HELD) == []


def test_nothing_is_left_of_a_job_s_secrets(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    given, hidden = "Given-" + "8chars-and-more", "prompted" + "-4711-value"
    sources = [source for source, _ in SECRETS.values()]
    cells = [
        nbformat.v4.new_code_cell("service_api_key = ''\nn = 1", metadata={"tags": ["parameters"]}),
        *(nbformat.v4.new_code_cell(source) for source in sources),
        nbformat.v4.new_code_cell("for name in [*globals()]:\n    print(name, globals()[name])"),
        nbformat.v4.new_code_cell(f"my_password = ''.join({[*hidden]!r})\nprint(my_password)"),
        nbformat.v4.new_code_cell("print(service_api_key); len(service_api_key)"),
        nbformat.v4.new_code_cell("import os\nos.write(2, my_password.encode())"),
        nbformat.v4.new_code_cell("raise ValueError(service_api_key + my_password)"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), "train.ipynb")
    done = jobs.run(
        "train.ipynb", params={"service_api_key": given}, force=True, output="out.ipynb"
    )
    assert done.status == "failed"
    assert done.error == f"ValueError: ****** (cell {len(cells)})"
    assert done.params == {"service_api_key": "***", "n": 1}
    assert runs.get(done.run_id).params == {"service_api_key": "***", "n": "1"}
    executed = nbformat.read("out.ipynb", 4)
    assert executed.cells[-3].outputs[1].data["text/plain"] == str(len(given))
    assert executed.cells[-3].outputs[0].text == "***\n"
    told = capfd.readouterr()
    assert given not in told.out + told.err
    Path("train.ipynb").unlink()
    assert _left(project, given, hidden) == []
    assert given not in Path("out.ipynb").read_text()
    assert hidden not in Path("out.ipynb").read_text()


def test_lookalikes_are_recorded_as_they_are(project: Project, cell: Callable[[str], Any]) -> None:
    texts = "\n".join(LOOKALIKES)
    Path("notes.txt").write_text(texts)
    cell(f"%%mlops run case\ntexts = {texts!r}\nscore = len(texts) * 0.5")
    names: dict[str, Any] = {}
    exec(runs.get("case").source, names)
    assert names["texts"] == texts
    kept = capsule.load(runs.get("case").run_id, "case", project=project)
    assert (kept.left_out, kept.redacted) == ([], [])
    shown = subprocess.run(
        ["git", "show", f"{kept.commit}:notes.txt"], capture_output=True, check=True
    )
    assert shown.stdout.decode() == texts


def test_a_schedule_takes_no_secret_because_its_file_is_in_git(project: Project) -> None:
    cells = [nbformat.v4.new_code_cell("api_key = ''", metadata={"tags": ["parameters"]})]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), "train.ipynb")
    with pytest.raises(UsageError, match="'api_key' is a secret by its name"):
        jobs.schedule("train.ipynb", cron="0 6 * * *", params={"api_key": "abcd"})
    assert not [*project.root.glob("jobs/*")]

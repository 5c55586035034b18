"""`run reproduce --env recorded`: the packages that a run had, built by the real uv."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import runs
from jupyter_mlops.environment import hard_links, package_indexes, rebuild, uv
from jupyter_mlops.errors import MlopsError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
PYTHON = platform.python_version()


def wheel(folder: Path, name: str, version: str, **modules: str) -> Path:
    """Write a wheel of plain modules."""
    info = f"{name}-{version}.dist-info"
    content = {f"{module}.py": text for module, text in modules.items()}
    content |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},{_hash(text)},{len(text)}\n" for path, text in content.items()]
    content[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in content.items():
            archive.writestr(inside, text)
    return path


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with two versions of a package, and tell pip's settings of it."""
    folder = tmp_path / "wheels"
    for version, value in (("1.0", 2.5), ("2.0", 7.5)):
        wheel(folder, "mlopsprobe", version, mlopsprobe=f"value = {value}\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return folder


def _installed(folder: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a wheel one of the installed packages, for this process and the kernels it starts."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    monkeypatch.syspath_prepend(folder)
    inherited = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), inherited])))


def _imported(environment: rebuild.Environment, code: str) -> str:
    done = subprocess.run(
        [environment.python, "-c", code], capture_output=True, text=True, check=True,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def upgraded(
    cell: Callable[[str], Any], wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record a run with version 1.0 of a package, then have 2.0 of it."""
    sys.modules.pop("mlopsprobe", None)  # another test may have imported its own
    with monkeypatch.context() as then:
        _installed(tmp_path / "then", wheels / "mlopsprobe-1.0-py3-none-any.whl", then)
        cell("import mlopsprobe")
        cell("%%mlops run case\nscore = mlopsprobe.value * 2")
    sys.modules.pop("mlopsprobe")
    monkeypatch.delenv("PIP_FIND_LINKS")  # the run knows it
    _installed(tmp_path / "now", wheels / "mlopsprobe-2.0-py3-none-any.whl", monkeypatch)


@pytest.mark.usefixtures("upgraded")
def test_a_run_comes_out_the_same_with_the_packages_it_had(project: Project) -> None:
    result = runs.reproduce("case", env="recorded")
    assert (result.verdict, result.error, result.notes) == ("reproduced", "", [])
    name = result.environment.removeprefix("recorded, ")
    assert f"environment recorded, {name}" in str(result)
    kept = hard_links.site_packages(project.state / "environments" / name)
    assert (kept / "mlopsprobe.py").read_text() == "value = 2.5\n"
    assert not [*kept.glob("jupyter_mlops*")]


@pytest.mark.slow
@pytest.mark.usefixtures("upgraded")
def test_a_run_differs_with_the_packages_of_now_and_says_what_to_type() -> None:
    result = runs.reproduce("case")
    assert (result.verdict, result.environment) == ("differs", "current")
    assert [(item.then, item.now) for item in result.compared] == [("5.0", "15.0")]
    assert result.notes == [
        "packages differ: mlopsprobe 1.0 → 2.0. To use the run's packages: --env recorded"
    ]


def test_nothing_is_built_where_the_packages_are_the_same(project: Project) -> None:
    packages = {name: package.version for name, package in rebuild.installed().items()}
    found = rebuild.interpreter(packages, python=PYTHON, project=project)
    assert (found.python, found.built, found.name) == (Path(sys.executable), False, "")
    assert not (project.state / "environments").exists()


def test_an_environment_has_the_asked_packages_and_no_others(
    project: Project, wheels: Path
) -> None:
    here = rebuild.installed()["six"].version
    packages = {"mlopsprobe": "1.0", "six": here}
    found = rebuild.interpreter(packages, python=PYTHON, project=project)
    assert (found.built, found.notes) == (True, [])
    code = "import importlib.metadata as m; print(sorted((d.name, d.version) for d in m.distributions()))"
    assert _imported(found, code) == str([("mlopsprobe", "1.0"), ("six", here)])
    six = hard_links.site_packages(found.python.parent.parent) / "six.py"
    assert six.stat().st_nlink > 1
    again = rebuild.interpreter(packages, python=PYTHON, project=project)
    assert (again.python, again.built) == (found.python, False)


def test_what_cannot_be_had_is_named_and_this_environments_version_takes_its_place(
    project: Project, wheels: Path
) -> None:
    here = rebuild.installed()["six"].version
    packages = {"mlopsprobe": "1.0", "six": "0.0.1", "mlops-nowhere": "3.0+cpu"}
    found = rebuild.interpreter(packages, python=PYTHON, project=project)
    assert sorted(note.partition(":")[0] for note in found.notes) == [
        "mlops-nowhere 3.0+cpu cannot be installed, left out",
        f"six 0.0.1 cannot be installed, {here} is used instead",
    ]
    assert _imported(found, "import mlopsprobe, six; print(mlopsprobe.value)") == "2.5"


def test_a_package_whose_files_were_edited_is_not_taken_as_it_is(
    project: Project, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "here"
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", target,
         wheels / "mlopsprobe-1.0-py3-none-any.whl"],
        check=True,
    )  # fmt: skip
    monkeypatch.syspath_prepend(target)
    (target / "mlopsprobe.py").unlink()  # or it would be edited in uv's cache, too
    (target / "mlopsprobe.py").write_text("value = 'edited by hand'\n")
    found = rebuild.interpreter({"mlopsprobe": "1.0"}, python=PYTHON, project=project)
    assert _imported(found, "import mlopsprobe; print(mlopsprobe.value)") == "2.5"
    assert found.notes == [
        "mlopsprobe 1.0 was installed again: mlopsprobe.py was changed after it was installed"
    ]


def test_a_python_that_is_not_here_and_a_missing_uv_are_said_in_one_line(
    project: Project, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match=r"Python 3\.2, .*Type: uv python install 3\.2"):
        rebuild.interpreter({"mlopsprobe": "1.0"}, python="3.2.1", project=project)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(MlopsError, match=r"not installed\. Type: pip install uv"):
        rebuild.interpreter({"mlopsprobe": "1.0"}, python=PYTHON, project=project)
    assert not [*(project.state / "environments").glob("*")]


def test_index_options_are_kept_without_what_logs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nextra-index-url = https://me:pass@one.example/simple?t=1\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_INDEX_URL", "https://token@two.example/simple")
    monkeypatch.setenv("UV_INDEX", "named=https://u:p@three.example/simple")
    found = package_indexes.options()
    assert found["index-url"] == ["https://two.example/simple"]
    assert {"https://one.example/simple", "https://three.example/simple"} <= {
        *found["extra-index-url"]
    }
    assert (
        "https://token@two.example/simple" in package_indexes.options(credentials=True)["index-url"]
    )


_BUILD = """
import json, sys
from jupyter_mlops.project import Project
from jupyter_mlops.environment import rebuild
found = rebuild.interpreter(json.loads(sys.argv[1]), python=sys.argv[2], project=Project.find())
print(found.built)
"""


def _building(packages: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _BUILD, json.dumps(packages), PYTHON],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_an_environment_is_built_once_by_two_at_once_and_again_after_a_kill(
    project: Project, wheels: Path
) -> None:
    packages = {name: item.version for name, item in rebuild.installed().items()}
    packages |= {"mlopsprobe": "1.0"}
    home = project.state / "environments"
    for way in (signal.SIGINT, signal.SIGKILL):
        ended = _building(packages)
        while not [*home.glob("*/lib/python3*/site-packages/m*")]:
            time.sleep(0.05)
        ended.send_signal(way)
        ended.communicate()
        assert not [*home.glob("*/mlops-environment.json")]
        assert bool([*home.iterdir()]) == (way == signal.SIGKILL)
    both = [_building(packages) for _ in range(2)]
    assert sorted(one.communicate(timeout=600)[0].strip() for one in both) == ["False", "True"]
    found = rebuild.interpreter(packages, python=PYTHON, project=project)
    assert (found.built, found.notes) == (False, [])
    assert _imported(found, "import mlopsprobe, sklearn, mlflow; print(mlopsprobe.value)") == "2.5"
    assert len([*home.iterdir()]) == 1


@pytest.mark.slow
def test_an_environment_is_built_for_another_python(project: Project, wheels: Path) -> None:
    for minor in ("3.12", "3.13", "3.11"):
        if not PYTHON.startswith(minor):
            with contextlib.suppress(NotFound):
                uv.interpreter(minor)
                break
    else:
        pytest.skip("uv finds no other Python on this machine")
    found = rebuild.interpreter({"mlopsprobe": "2.0"}, python=f"{minor}.0", project=project)
    code = "import sys, mlopsprobe; print('%d.%d' % sys.version_info[:2])"
    assert _imported(found, code) == minor

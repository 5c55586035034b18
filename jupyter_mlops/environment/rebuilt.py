"""The environment that a run had: the same Python and package versions, built once and kept.

Packages that this environment has in the same version are linked out of it, the others are installed
by uv from the indexes that the run knew. Nothing else can be imported there, so what comes out is the
recorded set of packages and not this one with something in front of it. jupyter_mlops is no part of
it: a replay is done by the one that is running.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops import files, progress
from jupyter_mlops.environment import hard_links, uv
from jupyter_mlops.environment import package_indexes as recorded_indexes
from jupyter_mlops.errors import BackendFailed, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_mlops.project import Project

_FOLDER = "environments"
#: Written last: an environment without it was not finished.
_WHOLE = "mlops-environment.json"
_OURS = "jupyter-mlops"
_INFO = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)\.dist-info$")
_FORMAT = 1
_KEPT = 5
_LONGEST = 3600.0
_SPARED = 24 * 3600.0  # seconds since the last use, in which a replay may still be running


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment to replay in. `built` is False when it was there already.

    `notes` says what could not be had as it was; `name` is empty for the running environment.
    """

    python: Path
    notes: list[str] = field(default_factory=list)
    built: bool = False
    name: str = ""


def interpreter(
    packages: dict[str, str],
    *,
    python: str,
    project: Project,
    sources: dict[str, str] | None = None,
    indexes: dict[str, list[str]] | None = None,
    say: Callable[[str], None] = progress.say,
) -> Environment:
    """Return an environment with exactly these packages; this one if it has them.

    Args:
        packages: name → version, as a run's manifest has them.
        python: the version of Python; the same minor version is needed.
        project: its state folder keeps the environments.
        sources: name → where a package that came from no index came from.
        indexes: the index options of the run.
        say: gets the progress lines.

    Raises:
        MlopsError: uv is needed and not here.
        NotFound: there is no such Python on this machine.
        BackendFailed: the environment cannot be built.
    """
    wanted = {canonical(name): version for name, version in packages.items()}
    ours = wanted.pop(_OURS, "")
    elsewhere = _by_name(sources or {})
    current = installed(elsewhere if sources is not None else None)
    now = platform.python_version()
    notes = []
    if _minor(python) == _minor(now):
        if python != now:
            notes.append(f"Python {python} then, {now} now")
        have = {name: package.version for name, package in current.items() if name != _OURS}
        if have == wanted:
            return Environment(Path(sys.executable), notes)
    if ours and _OURS in current and current[_OURS].version != ours:
        notes.append(f"recorded by jupyter_mlops {ours}, replayed by {current[_OURS].version}")
    name = _name(wanted, python, elsewhere)
    folder = project.state / _FOLDER / name
    with suppress(OSError):
        os.utime(folder / _WHOLE)
    found, built = _kept(folder), False
    if found is None:
        with _lock(project, name, say):
            found = _kept(folder)  # another process may have built it while we waited
            if found is None:
                build = _Build(folder, python, current, indexes or {}, say)
                found = build.make(wanted, elsewhere)
                built = True
        _remove_old(project, but=name)
    notes += _sources_now(project, wanted, current)
    return Environment(folder / "bin" / "python", notes + found, built, name)


def installed(sources: dict[str, str] | None = None) -> dict[str, hard_links.Installed]:
    """Return the packages that can be imported here, by canonical name.

    Args:
        sources: where a run's packages came from; those from another commit are left out.
    """
    found: dict[str, hard_links.Installed] = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder)  # noqa: PTH208 - ten times faster than making paths
        except OSError:
            continue
        for entry in names:
            if match := _INFO.match(entry):
                name = canonical(match["name"])
                package = hard_links.Installed(name, match["version"], Path(folder, entry))
                found.setdefault(name, package)
    if sources is not None:
        now = _by_name(recorded_indexes.sources())
        for name in {*sources, *now} & {*found}:
            if sources.get(name) != now.get(name) and _is_commit(sources, now, name):
                del found[name]
    return found


def canonical(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class _Build:
    """One environment while it is made, in the folder where it will stay: its scripts name it."""

    def __init__(
        self,
        folder: Path,
        python: str,
        current: dict[str, hard_links.Installed],
        indexes: dict[str, list[str]],
        say: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.minor = _minor(python)
        self.same_python = self.minor == _minor(platform.python_version())
        # A package built for another Python is of no use, nor is one that runs from its sources.
        self.current = current if self.same_python else {}
        self.indexes = indexes
        self.say = say
        self.notes: list[str] = []

    def make(self, wanted: dict[str, str], sources: dict[str, str]) -> list[str]:
        """Build it and return the notes."""
        started = time.monotonic()
        shutil.rmtree(self.folder, ignore_errors=True)  # what a killed process left
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if not self.same_python or wanted.items() - self._have().items():
            uv.command()  # says at once that there is no uv
        self.say(f"environment {self.folder.name}: Python {self.minor}, {len(wanted)} packages …")
        try:
            self._python()
            here, rest = self._divided(wanted)
            # Before anything is linked: an installer may write into a file that is there already,
            # and through a link into this environment's.
            missing = self._installed(rest, sources)
            for package, listed in here:
                hard_links.link(package, listed, self.folder)
            self._stand_in(missing, rest)
            took = round(time.monotonic() - started, 1)
            content = {"notes": self.notes, "seconds": took, "packages": wanted}
            files.replace(self.folder / _WHOLE, json.dumps(content))
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.say(f"environment {self.folder.name}: built in {took} s")
        return self.notes

    def _have(self) -> dict[str, str]:
        return {name: package.version for name, package in self.current.items()}

    def _python(self) -> None:
        base = sys.executable if self.same_python else uv.interpreter(self.minor)
        done = subprocess.run(
            # -I: a venv.py in the working folder is not venv.
            [base, "-I", "-m", "venv", "--without-pip", str(self.folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise BackendFailed(f"No environment can be made: {lines[-1]}")

    def _divided(
        self, wanted: dict[str, str]
    ) -> tuple[list[tuple[hard_links.Installed, list[str]]], dict[str, str]]:
        """Return what this environment has in the same version, with its files, and the rest."""
        here, rest = [], {}
        for name, version in wanted.items():
            package = self.current.get(name)
            if package is None or package.version != version:
                rest[name] = version
                continue
            try:
                here.append((package, hard_links.files_of(package)))
            except hard_links.NotLinkable as error:
                self.notes.append(f"{name} {version} was installed anew: {error}")
                rest[name] = version
        return here, rest

    def _installed(self, rest: dict[str, str], sources: dict[str, str]) -> dict[str, str]:
        """Install the rest; return what could not be had, and why."""
        requirements, missing = {}, {}
        for name, version in rest.items():
            source = sources.get(name, "")
            if source.startswith("editable "):
                missing[name] = "it ran from its sources"
            elif "+" in source.partition("://")[0]:
                requirements[name] = f"{name} @ {source}"
            else:
                requirements[name] = f"{name}=={version}"
        if requirements:
            count = len(requirements)
            self.say(f"environment {self.folder.name}: {count} packages from the index …")
        python = self.folder / "bin" / "python"
        return missing | uv.install(requirements, python, self.indexes, self.say)

    def _stand_in(self, missing: dict[str, str], rest: dict[str, str]) -> None:
        """Let this environment's version take the place of one that cannot be had."""
        for name, reason in missing.items():
            package, instead = self.current.get(name), "left out"
            if package is not None:
                try:
                    hard_links.link(package, hard_links.files_of(package), self.folder)
                    instead = f"{package.version} is used instead"
                except hard_links.NotLinkable as error:
                    instead = f"left out ({error})"
            self.notes.append(f"{name} {rest[name]} cannot be had, {instead}: {reason}")


def _name(wanted: dict[str, str], python: str, sources: dict[str, str]) -> str:
    named = {name: source for name, source in sources.items() if name in wanted}
    content = [_FORMAT, _minor(python), sys.platform, platform.machine(), sys.base_prefix]
    text = json.dumps([content, wanted, named], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _by_name(sources: dict[str, str]) -> dict[str, str]:
    return {canonical(name): source for name, source in sources.items()}


def _is_commit(then: dict[str, str], now: dict[str, str], name: str) -> bool:
    """Whether a package came from version control, then or now: its version says too little."""
    return any("+" in side.get(name, "").partition("://")[0] for side in (then, now))


def _sources_now(
    project: Project, wanted: dict[str, str], current: dict[str, hard_links.Installed]
) -> list[str]:
    """Name the packages that run from sources outside the project, which no snapshot has."""
    root = project.root.as_uri()
    return [
        f"{name} runs from its sources as they are now"
        for name, source in _by_name(recorded_indexes.sources()).items()
        if name in wanted
        and name in current
        and source.startswith("editable ")
        and not source.removeprefix("editable ").startswith(root)
    ]


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _kept(folder: Path) -> list[str] | None:
    """Return the notes of a finished environment whose Python is still there."""
    try:
        notes: list[str] = json.loads((folder / _WHOLE).read_text())["notes"]
    except (OSError, ValueError, KeyError):
        return None
    return notes if (folder / "bin" / "python").exists() else None


@contextmanager
def _lock(project: Project, name: str, say: Callable[[str], None]) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(project.locked(f"environment-{name}", timeout=1))
        except Conflict:
            say(f"environment {name}: another process is building it …")
            stack.enter_context(project.locked(f"environment-{name}", timeout=_LONGEST))
        yield


def _remove_old(project: Project, *, but: str) -> None:
    """Keep the environments that were used last."""
    used = sorted(
        (path for path in (project.state / _FOLDER).glob(f"*/{_WHOLE}") if path.parent.name != but),
        key=lambda path: -path.stat().st_mtime,
    )
    for path in used[_KEPT - 1 :]:
        if time.time() - path.stat().st_mtime > _SPARED:
            path.unlink(missing_ok=True)  # first, so that half of one is never taken for whole
            shutil.rmtree(path.parent, ignore_errors=True)

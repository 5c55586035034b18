"""Rebuild a run's environment: the same Python and package versions, built once and cached.

Packages that this environment has in the same version are linked from it; the others are installed by uv from the
run's indexes. No other packages can be imported there, so the result is exactly the recorded set. jupyter_mlops is
not part of it: the running version does the replay.
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
from jupyter_mlops.environment import hard_links, package_indexes, uv
from jupyter_mlops.errors import BackendFailed, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_mlops.project import Project

_FOLDER = "environments"
#: Written last: an environment without this file is unfinished.
_COMPLETE = "mlops-environment.json"
_OURS = "jupyter-mlops"
_INFO = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)\.dist-info$")
_FORMAT = 1
_MOST_CACHED = 5
_LONGEST = 3600.0
_IN_USE = 24 * 3600.0  # seconds since the last use; a replay may still be running


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment for a replay; `built` is False if it existed already.

    `notes` lists the differences to the run's environment; `name` is empty for the running environment.
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
        packages: name → version, as in a run's manifest.
        python: the version of Python; the same minor version is used.
        project: its state folder caches the environments.
        sources: name → source, for packages that were not installed from an index.
        indexes: the index options of the run.
        say: receives the progress lines.

    Raises:
        MlopsError: uv is needed and not installed.
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
            notes.append(f"the run used Python {python}, the replay {now}")
        have = {name: package.version for name, package in current.items() if name != _OURS}
        if have == wanted:
            return Environment(Path(sys.executable), notes)
    if ours and _OURS in current and current[_OURS].version != ours:
        notes.append(f"recorded by jupyter_mlops {ours}, replayed by {current[_OURS].version}")
    name = _name(wanted, python, elsewhere)
    folder = project.state / _FOLDER / name
    with suppress(OSError):
        os.utime(folder / _COMPLETE)
    found, built = _finished(folder), False
    if found is None:
        with _lock(project, name, say):
            found = _finished(folder)  # another process may have built it while we waited
            if found is None:
                build = _Build(folder, python, current, indexes or {}, say)
                found = build.make(wanted, elsewhere)
                built = True
        _remove_old(project, but=name)
    notes += _sources_now(project, wanted, current)
    return Environment(folder / "bin" / "python", notes + found, built, name)


def installed(sources: dict[str, str] | None = None) -> dict[str, hard_links.InstalledPackage]:
    """Return the packages that can be imported here, by canonical name.

    Args:
        sources: name → source of a run's packages; packages here from another commit are left out.
    """
    found: dict[str, hard_links.InstalledPackage] = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder)  # noqa: PTH208 - ten times faster than making paths
        except OSError:
            continue
        for entry in names:
            if match := _INFO.match(entry):
                name = canonical(match["name"])
                package = hard_links.InstalledPackage(name, match["version"], Path(folder, entry))
                found.setdefault(name, package)
    if sources is not None:
        now = _by_name(package_indexes.sources())
        for name in {*sources, *now} & {*found}:
            if sources.get(name) != now.get(name) and _is_commit(sources, now, name):
                del found[name]
    return found


def canonical(name: str) -> str:
    """Return a package's name in the normalised form of indexes."""
    return re.sub(r"[-_.]+", "-", name).lower()


class _Build:
    """Build one environment in its final folder, because its scripts contain the path."""

    def __init__(
        self,
        folder: Path,
        python: str,
        current: dict[str, hard_links.InstalledPackage],
        indexes: dict[str, list[str]],
        say: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.minor = _minor(python)
        self.same_python = self.minor == _minor(platform.python_version())
        # Packages for another version of Python cannot be linked.
        self.current = current if self.same_python else {}
        self.indexes = indexes
        self.say = say
        self.notes: list[str] = []

    def make(self, wanted: dict[str, str], sources: dict[str, str]) -> list[str]:
        """Build it and return the notes."""
        started = time.monotonic()
        shutil.rmtree(self.folder, ignore_errors=True)  # a killed process may have left a part
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if not self.same_python or wanted.items() - self._have().items():
            uv.command()  # fail now, not after minutes, if uv is not installed
        self.say(f"environment {self.folder.name}: Python {self.minor}, {len(wanted)} packages …")
        try:
            self._python()
            linkable, rest = self._divided(wanted)
            # Install before linking: an installer may overwrite an existing file, and through a hard
            # link that would change this environment's file too.
            missing = self._install(rest, sources)
            for package, listed in linkable:
                hard_links.link(package, listed, self.folder)
            self._substitute(missing, rest)
            took = round(time.monotonic() - started, 1)
            content = {"notes": self.notes, "seconds": took, "packages": wanted}
            files.replace(self.folder / _COMPLETE, json.dumps(content))
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
            # -I: do not import a venv.py of the working folder.
            [base, "-I", "-m", "venv", "--without-pip", str(self.folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise BackendFailed(f"The environment cannot be created: {lines[-1]}")

    def _divided(
        self, wanted: dict[str, str]
    ) -> tuple[list[tuple[hard_links.InstalledPackage, list[str]]], dict[str, str]]:
        """Return the packages that can be linked from here, with their files, and the rest."""
        linkable, rest = [], {}
        for name, version in wanted.items():
            package = self.current.get(name)
            if package is None or package.version != version:
                rest[name] = version
                continue
            try:
                linkable.append((package, hard_links.files_of(package)))
            except hard_links.NotLinkable as error:
                self.notes.append(f"{name} {version} was installed again: {error}")
                rest[name] = version
        return linkable, rest

    def _install(self, rest: dict[str, str], sources: dict[str, str]) -> dict[str, str]:
        """Install the other packages; return those that failed, with the reason."""
        requirements, missing = {}, {}
        for name, version in rest.items():
            source = sources.get(name, "")
            if source.startswith("editable "):
                missing[name] = "it was an editable install"
            elif "+" in source.partition("://")[0]:
                requirements[name] = f"{name} @ {source}"
            else:
                requirements[name] = f"{name}=={version}"
        if requirements:
            count = len(requirements)
            self.say(f"environment {self.folder.name}: {count} packages from the index …")
        python = self.folder / "bin" / "python"
        return missing | uv.install(requirements, python, self.indexes, self.say)

    def _substitute(self, missing: dict[str, str], rest: dict[str, str]) -> None:
        """Use this environment's version for each package that cannot be installed."""
        for name, reason in missing.items():
            package, instead = self.current.get(name), "left out"
            if package is not None:
                try:
                    hard_links.link(package, hard_links.files_of(package), self.folder)
                    instead = f"{package.version} is used instead"
                except hard_links.NotLinkable as error:
                    instead = f"left out ({error})"
            self.notes.append(f"{name} {rest[name]} cannot be installed, {instead}: {reason}")


def _name(wanted: dict[str, str], python: str, sources: dict[str, str]) -> str:
    named = {name: source for name, source in sources.items() if name in wanted}
    content = [_FORMAT, _minor(python), sys.platform, platform.machine(), sys.base_prefix]
    text = json.dumps([content, wanted, named], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _by_name(sources: dict[str, str]) -> dict[str, str]:
    return {canonical(name): source for name, source in sources.items()}


def _is_commit(then: dict[str, str], now: dict[str, str], name: str) -> bool:
    """Whether a package came from version control, then or now: then its version does not identify it."""
    return any("+" in side.get(name, "").partition("://")[0] for side in (then, now))


def _sources_now(
    project: Project, wanted: dict[str, str], current: dict[str, hard_links.InstalledPackage]
) -> list[str]:
    """Return a note for each editable install outside the project: no snapshot contains its code."""
    root = project.root.as_uri()
    return [
        f"{name} is an editable install: its current sources are used"
        for name, source in _by_name(package_indexes.sources()).items()
        if name in wanted
        and name in current
        and source.startswith("editable ")
        and not source.removeprefix("editable ").startswith(root)
    ]


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _finished(folder: Path) -> list[str] | None:
    """Return the notes of a finished environment whose Python still exists, else None."""
    try:
        notes: list[str] = json.loads((folder / _COMPLETE).read_text())["notes"]
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
    """Remove all but the most recently used environments."""
    used = sorted(
        (
            path
            for path in (project.state / _FOLDER).glob(f"*/{_COMPLETE}")
            if path.parent.name != but
        ),
        key=lambda path: -path.stat().st_mtime,
    )
    for path in used[_MOST_CACHED - 1 :]:
        if time.time() - path.stat().st_mtime > _IN_USE:
            path.unlink(missing_ok=True)  # first, so that a half-removed one counts as unfinished
            shutil.rmtree(path.parent, ignore_errors=True)

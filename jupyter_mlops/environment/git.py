"""Run git without running any program that the repository's configuration names.

This is the only module that runs git. Even reading commands run configured programs: `core.fsmonitor` at each
status, filters at each comparison, a promisor remote's `ext::` address when an object is missing. So each call here

- finds the repository itself, and refuses a `.git` that leads to another one (`repositories.py`);
- turns off every configuration key that names a program (`git_config.py`, with the reasons);
- passes no `GIT_*` variable on except the user's own settings, and contacts no server;
- has a timeout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops.environment import git_config, repositories
from jupyter_mlops.environment.repositories import GitFailed, NoRepository, RepositoryRefused

if TYPE_CHECKING:
    from jupyter_mlops.environment.git_config import Overrides
    from jupyter_mlops.environment.repositories import Repository

__all__ = [
    "GitFailed",
    "GitMissing",
    "NoRepository",
    "RepositoryRefused",
    "filters",
    "outside",
    "run",
    "text",
]

_LONGEST = 20.0  # seconds that a recorded cell may wait for one git command
#: git's variables that are the user's own settings: configuration files and search limits.
_PASSED_ON = {
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_ATTR_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM",
}  # fmt: skip
#: The variables that determine which user configuration git reads.
_CONFIG_VARIABLES = ("HOME", "XDG_CONFIG_HOME", *sorted(_PASSED_ON))
_ENVIRONMENT = {
    # Commits that are made here have the extension as author, not the user.
    "GIT_AUTHOR_NAME": "jupyter_mlops",
    "GIT_AUTHOR_EMAIL": "jupyter_mlops@localhost",
    "GIT_COMMITTER_NAME": "jupyter_mlops",
    "GIT_COMMITTER_EMAIL": "jupyter_mlops@localhost",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    # A replace ref must not put another commit in place of a recorded one.
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": ":",
    "LC_ALL": "C",
}
#: `--ignore-submodules=dirty`: a submodule's commit is compared, git is not run in it.
_OPTIONS = {
    "diff": ("--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty"),
    "diff-index": ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty"),
    "diff-tree": ("--no-ext-diff", "--no-textconv"),
}


class GitMissing(GitFailed):
    """git is not installed."""


def run(
    folder: Path,
    *words: str,
    give: bytes = b"",
    environment: dict[str, str] | None = None,
    seconds: float | None = _LONGEST,
) -> subprocess.CompletedProcess[bytes]:
    """Run git in the repository of `folder`, and return the finished process.

    Raises:
        NoRepository: there is none.
        RepositoryRefused: `.git` leads to another repository, or another user owns it.
        GitMissing: git is not installed.
        GitFailed: it took longer than `seconds`, or could not be started.
    """
    repository = _find(folder)
    overrides = _overrides(repository)
    command, *rest = words
    return _execute(
        folder,
        [*overrides.switches, command, *_OPTIONS.get(command, ()), *rest],
        give,
        _of(repository) | (environment or {}),
        seconds,
    )


def text(
    folder: Path,
    *words: str,
    give: str = "",
    environment: dict[str, str] | None = None,
    check: bool = True,
    seconds: float | None = _LONGEST,
) -> str:
    """Run git like `run`, and return its standard output.

    Raises:
        GitFailed: as in `run`; with `check`, also if git itself failed.
    """
    done = run(folder, *words, give=os.fsencode(give), environment=environment, seconds=seconds)
    if check and done.returncode:
        raise GitFailed(reason(done))
    return os.fsdecode(done.stdout)


def reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the last line of a failed command's error output."""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("fatal: ") if lines else f"exit {done.returncode}"


def outside(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run a git command that needs no repository in `folder`: `init`, `version`."""
    return _execute(folder, [*git_config.fixed(), *words], b"", {}, _LONGEST)


def copy_index(index: Path, to: Path) -> None:
    """Copy an index with its time.

    git trusts a file's size and second only if the index is later than that second; it reads the other files. A
    copy with a new time would hide a change of the same second and size.
    """
    shutil.copy2(index, to)


def top(folder: Path) -> Path:
    """Return the top folder of the work tree of `folder`.

    Raises:
        GitFailed: as in `run`.
    """
    return _find(folder).top


def filters(folder: Path) -> frozenset[str]:
    """Return the names of the filters that plain git would run here; this module does not run them.

    Raises:
        GitFailed: as in `run`.
    """
    return _overrides(_find(folder)).filters


def _find(folder: Path) -> Repository:
    repository = repositories.find(folder)
    if repository.foreign:
        # The user allows repositories of other users in `safe.directory`; git checks that.
        command = ["-c", "safe.bareRepository=explicit", "rev-parse", "--git-dir"]
        done = _execute(repository.top, command, b"", {}, _LONGEST)
        if done.returncode:
            raise RepositoryRefused(
                f"git does not read {repository.top}, because another user owns it",
                f"If you trust it: git config --global --add safe.directory {repository.top}",
            )
    return repository


#: The overrides for each repository; valid as long as its configuration files do not change.
_known: dict[tuple[str | None, ...], Overrides] = {}


def _overrides(repository: Repository) -> Overrides:
    key = (str(repository.folder), *(os.environ.get(name) for name in _CONFIG_VARIABLES))
    known = _known.get(key)
    if known and known.stamps and known.stamps == repositories.stamps(p for p, _ in known.stamps):
        return known
    done = _execute(
        repository.top,
        [*git_config.fixed(), "config", "--list", "-z", "--show-origin"],
        b"",
        _of(repository),
        _LONGEST,
    )
    if done.returncode:
        raise GitFailed(f"git cannot read the configuration of {repository.top}: {reason(done)}")
    found = git_config.read(repository, os.fsdecode(done.stdout))
    _known[key] = found
    return found


def _of(repository: Repository) -> dict[str, str]:
    return {"GIT_DIR": str(repository.folder), "GIT_WORK_TREE": str(repository.top)}


def _execute(
    folder: Path,
    words: list[str],
    give: bytes,
    environment: dict[str, str],
    seconds: float | None,
) -> subprocess.CompletedProcess[bytes]:
    program = _program(os.environ.get("PATH", os.defpath))
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _PASSED_ON}
    try:
        return subprocess.run(
            [program, *words],
            cwd=folder,
            input=give,
            capture_output=True,
            check=False,
            env=inherited | _ENVIRONMENT | environment,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise GitFailed(f"git took more than {seconds:.0f} s") from None
    except (OSError, ValueError) as error:
        raise GitFailed(f"git could not be started: {error}") from None


def _program(path: str) -> str:
    """Return git's path; relative entries of PATH are ignored, because they mean the folder being read."""
    entries = [entry for entry in path.split(os.pathsep) if Path(entry).is_absolute()]
    found = shutil.which("git", path=os.pathsep.join(entries))
    if not found:
        raise GitMissing("git is not installed", "Install it (Debian: apt-get install git)")
    return found

"""A git commit of the project's current code, with uncommitted and untracked files.

The commit uses a separate index and the ref `refs/mlops/runs/RUN`, so the user's index, status,
branches and stash do not change. Ignored files and files named like secrets (`.env`, `id_rsa`) are
left out; secrets in other changed files are replaced by `***`. Committed content does not change: it
is in git already. Changed files are stored as they are on disk: filters (git-lfs, nbstripout) are
programs that the repository names, and none is run.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from jupyter_mlops.environment import git, git_filters
from jupyter_mlops.secrets.redaction import is_secret_file, redact_file

if TYPE_CHECKING:
    from collections.abc import Collection

    from jupyter_mlops.project import Project

REFS = "refs/mlops/runs"
_LARGEST_FILE = 5_000_000
_LARGEST_TOTAL = 50_000_000
_MOST_FILES = 5_000
_LEFT_BEHIND = 3600.0  # seconds after which an index is a leftover
_OURS = (".mlops/", ".dvc/cache/", ".dvc/tmp/")


@dataclass(slots=True)
class Snapshot:
    """A commit of the working tree; `prefix` is the project's folder in it.

    `left_out` lists the files that are not stored (too large, or named like a secret), `changed`
    those that differ from the last commit; both are paths from the project's root. `redacted` lists
    the files that are stored without their secrets.
    """

    commit: str = ""
    prefix: str = ""
    left_out: list[str] = field(default_factory=list)
    redacted: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def keep(self, project: Project, run_id: str) -> None:
        """Protect the commit from `git gc` by a ref for `run_id`."""
        if self.commit:
            git.text(project.root, "update-ref", f"{REFS}/{run_id}", self.commit)


@dataclass(slots=True)
class SnapshotPreview:
    """What a snapshot would add to the last commit: paths from the project's root."""

    repository: bool = False
    changed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def pending(project: Project) -> SnapshotPreview:
    """Return what `take` would store now; nothing is written."""
    found = Snapshot()
    try:
        changed = _changed(project, {}, found, ())
    except (OSError, git.GitFailed):
        return SnapshotPreview()
    return SnapshotPreview(True, changed, found.left_out)


def take(
    project: Project, *, without: Collection[str] = (), frozen: Event | None = None
) -> Snapshot:
    """Commit the working tree to a separate ref; return an empty snapshot if there is no git.

    Args:
        project: all its files are stored, and the tracked files of the whole repository.
        without: paths from the root that are stored elsewhere (DVC's cache).
        frozen: set when git has read all files, so that they may change again.
    """
    frozen = frozen or Event()
    try:
        return _take(project, without, frozen)
    finally:
        frozen.set()


def _take(project: Project, without: Collection[str], frozen: Event) -> Snapshot:
    try:
        place = git.text(
            project.root, "rev-parse", "--show-prefix", "--absolute-git-dir",
            "--verify", "--quiet", "HEAD", check=False,
        ).split("\n")  # fmt: skip
    except git.RepositoryRefused as error:
        return Snapshot(left_out=[f"everything: {error}"])
    except (OSError, git.GitFailed):
        return Snapshot()
    if len(place) < 2 or not place[1]:
        return Snapshot()
    prefix, git_folder, head = place[0], Path(place[1]), place[2] if len(place) > 2 else ""
    index = project.state / f"snapshot-{os.getpid()}-{secrets.token_hex(3)}.index"
    index.parent.mkdir(exist_ok=True)
    _sweep(project)
    try:
        with contextlib.suppress(FileNotFoundError):
            git.copy_index(git_folder / "index", index)
        own = {"GIT_INDEX_FILE": str(index)}
        found = Snapshot(prefix=prefix)
        changed = found.changed = _changed(project, own, found, without)
        clean = _clean(project, changed)
        found.redacted = [*clean]
        if as_they_are := [path for path in changed if path not in clean]:
            git.text(
                project.root, "update-index", "--add", "--remove", "-z", "--stdin",
                give="\0".join(as_they_are), environment=own,
            )  # fmt: skip
        if clean:
            git.text(
                project.root, "update-index", "--add", "-z", "--index-info",
                give="\0".join(clean.values()), environment=own,
            )  # fmt: skip
        frozen.set()
        if not changed and head and not _staged(project, own, head):
            return Snapshot(head, prefix, found.left_out)
        tree = git.text(project.root, "write-tree", environment=own).strip()
        parent = ["-p", head] if head else []
        found.commit = git.text(
            project.root, "commit-tree", tree, *parent, "-m", "mlops run"
        ).strip()
    except (OSError, git.GitFailed) as error:
        return Snapshot(left_out=[f"everything, since git failed: {error}"])
    else:
        return found
    finally:
        for leftover in (index, index.with_name(f"{index.name}.lock")):
            leftover.unlink(missing_ok=True)


def _sweep(project: Project) -> None:
    """Remove the indexes that killed kernels left."""
    for leftover in project.state.glob("snapshot-*.index*"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _LEFT_BEHIND:
                leftover.unlink()


def _changed(
    project: Project,
    own: dict[str, str],
    found: Snapshot,
    without: Collection[str],
) -> list[str]:
    """Return the paths (from the project's root) to read from disk; add the others to `left_out`."""
    listed = git.text(
        project.root, "ls-files", "-z", "--modified", "--deleted", "--others",
        "--exclude-standard", environment=own,
    )  # fmt: skip
    paths = dict.fromkeys(listed.split("\0"))
    same = {*git_filters.unchanged(project.root, paths, own)}
    kept: list[str] = []
    total = 0
    for path in paths:
        # A path that ends in a slash is a nested repository.
        if not path or path.endswith("/") or path in without or path.startswith(_OURS):
            continue
        if path in same:
            continue
        try:
            size = (project.root / path).lstat().st_size
        except OSError:
            size = 0
        total += size
        if size > _LARGEST_FILE or total > _LARGEST_TOTAL or len(kept) >= _MOST_FILES:
            total -= size
            found.left_out.append(path)
        elif is_secret_file(path):
            found.left_out.append(path)
        else:
            kept.append(path)
    return kept


def _clean(project: Project, changed: list[str]) -> dict[str, str]:
    """Return path → index entry of a copy without secrets, for each changed file that has secrets.

    Committed content is not checked: a secret in a commit is in git already.
    """
    found = {}
    prefix = ""
    for path in changed:
        content = redact_file(project.root / path, root=project.root)
        if content is None:
            continue
        prefix = prefix or git.text(project.root, "rev-parse", "--show-prefix").strip() or "/"
        blob = git.text(project.root, "hash-object", "-w", "--stdin", give=content.decode()).strip()
        mode = "100755" if os.access(project.root / path, os.X_OK) else "100644"
        found[path] = f"{mode} {blob}\t{prefix.lstrip('/')}{path}"
    return found


def _staged(project: Project, own: dict[str, str], head: str) -> bool:
    """Whether the index differs from `head`, the last commit."""
    return bool(
        git.text(project.root, "diff-index", "--cached", "--name-only", head, environment=own)
    )

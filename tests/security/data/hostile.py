"""What an attacker may write where a version, or a path, belongs."""

from __future__ import annotations

import hashlib
import json
import os
import random
from typing import TYPE_CHECKING, Any

from jupyter_mlops.data.cache import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_mlops.project import Project

GOOD = "0123456789abcdef" * 2


def versions(canary: Path, project: Project, count: int) -> list[Any]:
    """Return values for `md5` that lead to `canary` if they are cut in two and joined, and odd ones."""
    cache = cache_folder(project)
    climbed = os.path.relpath(canary, cache)
    made: list[Any] = [
        f"xx{canary}", f"..{'/' + climbed[3:]}", climbed, str(canary), f"../{canary.name}", f"ab/{climbed}",
        f"ab/../{climbed}", f"./{climbed}", f"{climbed}.dir", f"xx{canary}.dir", f"..{canary}", "..", ".", "", "/", "\0",
        f"\0\0{canary}", GOOD.upper(), GOOD[:-1], f"{GOOD}0", f"{GOOD}\n", f" {GOOD}", f"{GOOD}.dir.dir", f"{GOOD}.DIR",
        f"{GOOD[:2]}/{GOOD[2:]}", f"{GOOD[:30]}..", f"{GOOD[:29]}/..", "０" * 32, "٠" * 32, "𝟎" * 32, GOOD[:31] + "g",
        None, True, 0, 1.5, int("1" * 32), -1, [], [GOOD], {}, {"md5": GOOD}, [[]], f"{GOOD}\0", f"{GOOD}/../../x",
        "%2e%2e%2f" * 4, "..\\" * 8, f"file://{canary}", f"~/{canary.name}", "$HOME", "x" * 5000, "-rf", "--help",
    ]  # fmt: skip
    drawn = random.Random(7)
    parts = [
        "..",
        "/",
        "ab",
        str(canary),
        climbed,
        ".dir",
        GOOD,
        "\\",
        ".",
        "%2e",
        "\n",
        "０",
        "'",
        " ",
    ]
    while len(made) < count:
        made.append("".join(drawn.choice(parts) for _ in range(drawn.randrange(1, 6))))
    return [value for value in made if not (isinstance(value, str) and value in _HONEST)]


_HONEST = {GOOD, f"{GOOD}.dir"}


def paths(outside: Path, folder: Path) -> list[Any]:
    """Return values for `path` and `relpath` that lead from `folder` to a new file in `outside`."""
    climbed = os.path.relpath(outside, folder)
    return [
        f"{climbed}/ESCAPED", f"{outside}/ESCAPED", f"../{folder.name}/{climbed}/ESCAPED", f"./{climbed}/ESCAPED",
        f"a/../{climbed}/ESCAPED", f"a/../../{climbed}/ESCAPED", "link/ESCAPED", "a/link/ESCAPED", "./link/../link/ESCAPED",
        f"//{outside}/ESCAPED", "..", ".", "", "/", "../ESCAPED", "../../ESCAPED", ".git/config", ".git/hooks/post-commit",
        ".GIT/config", "a/.git/config", ".git", "\0", "a\0b", "C:/ESCAPED", "\\\\host\\ESCAPED", "x" * 300, "x/" * 3000 + "y",
        None, True, 0, 1.5, [], ["a"], {}, {"a": "b"}, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1") + "/..",
        "... /ESCAPED", ".../ESCAPED", ".. /ESCAPED", "~/../ESCAPED/..", f"{climbed}/link", "link", "a/link",
    ]  # fmt: skip


def put(project: Project, content: bytes, suffix: str = "") -> str:
    """Put an object into the cache as anybody can who commits one; return its version."""
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    place = cache_folder(project) / digest[:2] / f"{digest[2:]}{suffix}"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return f"{digest}{suffix}"


def put_list(project: Project, entries: Any) -> str:
    """Put a folder's list into the cache; return the folder's version."""
    return put(project, json.dumps(entries).encode(), ".dir")


def seen(folder: Path) -> dict[str, Any]:
    """Return everything in a folder: paths with contents, modes and where links lead."""
    return {
        str(path.relative_to(folder)): (
            str(path.readlink())
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else None,
            path.lstat().st_mode,
        )
        for path in sorted(folder.rglob("*"))
    }

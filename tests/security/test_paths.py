"""Whatever `below` returns lies below its folder on the real disk, however hostile the stored path is."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops.paths import UnsafePath, below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.trials import Trials

_SEED = 20250929
_NAMES = [
    "a",
    "data",
    "train.csv",
    "x y",
    "é",
    "日本",
    "real",
    "file",
    "C",
    "con",
    "~",
    "~root",
    "-rf",
    "$HOME",
]
#: Each is a trick that some program, somewhere, took for a way out of a folder.
_TRICKS = [
    "..", "...", "....", ". .", ".. ", " ..", "..\t", "..\u200b", "%2e%2e", "%2E%2E%2F", "..%2f", "%252e%252e",
    "..%c0%af", "..%ef%bc%8f", "\u2024\u2024", "\u2025", "\uff0e\uff0e", "..\uff0f", "\u3002\u3002", "․․",
    "link", "dangling", "loop", "link/inner", "out", "C:", "C:x", "c:..", "\\\\host\\share", "..\\..", "\\", "\\..",
    "//host/share", "//?/C:/x", "\\\\?\\C:\\x", "file:///etc/passwd", ".", "", "\0", "..\0", "a\0/../..", "\n..", "..\n",
    "\udc2e\udc2e", "\udcff\udcfe", "\ud800", "\udc2f..", "x" * 255, "x" * 256, "é" * 128, "~/..", "${PWD}/..",
    ".git", ".GIT", ".git/config", "git~1", ".g\u200cit", ".git ", ".git.", "data/.git/hooks/post-commit",
    "/proc/self/root", "/dev/fd/0", "/", "//", "///etc", "NUL", "aux.csv", "x:stream", "x::$DATA",
]  # fmt: skip
_SEPARATORS = ["/", "/", "/", "//", "/./", "\\", "%2f", "/ /", "/../"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with honest content, and with links that lead out of it."""
    (tmp_path / "outside" / "inner").mkdir(parents=True)
    (tmp_path / "outside" / "canary").write_text("canary")
    folder = tmp_path / "root"
    (folder / "data" / "real").mkdir(parents=True)
    (folder / "file").write_text("file")
    for place in (folder, folder / "data"):
        (place / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
        (place / "out").symlink_to("../../../../../../../../../..")
        (place / "dangling").symlink_to(tmp_path / "outside" / "new")
        (place / "loop").symlink_to("loop")
    return folder


def _hostile(drawn: random.Random) -> str:
    kind = drawn.random()
    if kind < 0.05:
        return "".join(chr(drawn.randrange(0x2FFFF)) for _ in range(drawn.randrange(1, 12)))
    if kind < 0.07:
        return "/".join(["x" * drawn.randrange(1, 255)] * drawn.randrange(1, 40))
    if kind < 0.09:
        return "../" * drawn.randrange(1, 30) + drawn.choice(["etc/passwd", "outside/canary"])
    parts = [
        drawn.choice(_TRICKS if drawn.random() < 0.45 else _NAMES)
        for _ in range(drawn.randrange(1, 7))
    ]
    text = parts[0]
    for part in parts[1:]:
        text += drawn.choice(_SEPARATORS) + part
    if drawn.random() < 0.1:
        text = drawn.choice(["/", "//", "\\", "C:/", "./", "~/", " "]) + text
    if drawn.random() < 0.1:
        text += drawn.choice(["/", "//", "/.", "/..", "\\", " ", "\0"])
    return text


def _drawn(count: int) -> Iterator[tuple[str, bool]]:
    drawn = random.Random(_SEED)
    for _ in range(count):
        yield _hostile(drawn), drawn.random() < 0.3


def test_what_is_returned_lies_below_on_the_real_disk(root: Path, trials: Trials) -> None:
    count = 50_000
    real = os.path.realpath(root)
    accepted = refused = 0
    said = set()
    for stored, link in _drawn(count):
        try:
            found = below(root, stored, link=link)
        except UnsafePath as error:
            refused += 1
            said.add(str(error))
            continue
        accepted += 1
        # With `link` the file itself may be one: then where it stands is what counts.
        seen = os.path.realpath(found.parent if link else found)
        assert seen == real or seen.startswith(f"{real}{os.sep}"), ascii(stored)
        assert os.path.normpath(found) == str(found), ascii(stored)
        assert str(found) != str(root)
        if not link:
            assert seen != real, ascii(stored)
        assert ".git" not in {part.casefold().rstrip(" .") for part in found.parts}, ascii(stored)
        _try_to_write(found, real)
    # A message is one line of plain characters, whatever is in the path.
    assert all(line.isprintable() and len(line) < 300 for line in said)
    assert accepted > count / 20, "the generator makes nothing that is honest"
    assert refused > count / 20
    assert (root.parent / "outside" / "canary").read_text() == "canary"
    assert sorted(item.name for item in root.parent.iterdir()) == ["outside", "root"]
    assert sorted(item.name for item in (root.parent / "outside").iterdir()) == ["canary", "inner"]
    trials("hostile relative paths given to `below`", count, f"{refused:,} refused, none led out")


def _try_to_write(path: Path, real: str) -> None:
    """Open the file for writing without following a last link, and ask the system where it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        return  # a file stands where a folder is to be, or the path is too long together
    try:
        there = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    finally:
        os.close(descriptor)
    assert there.startswith(f"{real}{os.sep}"), there


@pytest.mark.parametrize(
    "stored", [None, 0, 1.5, b"data", [], ["data"], {}, True, ("a",), object()]
)
def test_what_is_no_text_is_refused(root: Path, stored: object) -> None:
    with pytest.raises(UnsafePath):
        below(root, stored)


@pytest.mark.parametrize(
    "stored",
    ["train.csv", "data/real/x.csv", "a b/ü.csv", "...x", "a..b", "x.git", "-x", "~", "%2e"],
)
def test_honest_names_stay(root: Path, stored: str) -> None:
    assert below(root, stored) == root / stored


@pytest.mark.parametrize(
    "stored",
    [
        ".git",
        ".git/config",
        "data/.git",
        "data/.Git/hooks/x",
        ".git /config",
        ".GIT./x",
        "git~1/config",
        ".g\u200cit/x",
    ],
)
def test_gits_own_folder_is_refused(root: Path, stored: str) -> None:
    """Whoever writes a repository's settings runs commands: git obeys them."""
    with pytest.raises(UnsafePath):
        below(root, stored)

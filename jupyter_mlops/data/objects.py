"""Hash a file or folder and copy it into DVC's cache, reading each byte once.

Where the disk can clone, the clone is hashed: what is kept is then one moment of the file. Else
the bytes are hashed while they are copied, so that an object always is what its name says. DVC's
own record of hashes (its `state`) is asked first and told afterwards.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.data import versions
from jupyter_mlops.data.meter import Meter
from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.paths import below

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK, _LARGEST_CHUNK = 1 << 18, 1 << 23
#: Unfinished objects lie in the cache's own folder (a rename must not cross disks) under this suffix.
UNFINISHED = ".unfinished"
#: What DVC leaves out of a folder's version; git obeys what is written in its own.
_LEFT_OUT = {".git", ".hg", ".dvc"}
#: Disks that refused to clone once.
_no_clones: set[int] = set()


def version_of(target: Path, store: Any, title: str, *, keep: bool) -> tuple[str, int, int]:
    """Return (version, bytes, files) of a file or folder; with `keep`, its content is in the cache.

    Args:
        target: an existing file or folder.
        store: DVC's local cache.
        title: what the progress line calls it.
        keep: False only computes the hash.
    """
    try:
        if target.is_dir():
            return _folder(target, store, title, keep=keep)
        _refuse_what_is_no_file(target, title)
        with Meter(f"hashing {title}", size=target.stat().st_size) as meter:
            (found,) = _hashed([str(target)], store, meter, keep=keep)
        return found[0], found[1], 1
    except OSError as error:
        reason = error.strerror or str(error)
        raise BackendFailed(
            f"{title} could not be read, or not be copied into DVC's cache: {reason}",
            "Is the file readable, and is there space on the disk?",
        ) from None


def listing(target: Path, store: Any, title: str) -> dict[str, tuple[str, int]]:
    """Return the (version, bytes) of each file in a folder by its path in it; keeps nothing."""
    names, meter = _files_of(target, title)
    with meter:
        found = _hashed([str(target / name) for name in names], store, meter, keep=False)
    return dict(zip(names, found, strict=True))


def md5(path: Path, meter: Meter | None = None) -> str:
    """Return a file's md5, the hash that DVC 3 names its versions by."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in _chunks(path):
        digest.update(chunk)
        if meter:
            meter.add(len(chunk))
    return digest.hexdigest()


def touch(path: Path) -> None:
    """Mark an object as used now, so that `data gc` leaves it until what uses it is recorded."""
    with suppress(OSError):
        os.utime(path)


def _folder(target: Path, store: Any, title: str, *, keep: bool) -> tuple[str, int, int]:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    names, meter = _files_of(target, title)
    if not names:
        raise MlopsError(f"{title} is an empty folder", "Put the files in first")
    with meter:
        found = _hashed([str(target / name) for name in names], store, meter, keep=keep)
    tree = Tree()
    for name, (value, _) in zip(names, found, strict=True):
        tree.add(tuple(name.split("/")), None, HashInfo("md5", value))
    content = tree.as_bytes()
    version = f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir"
    if keep:
        _put(content, object_path(store, version))
    return version, sum(size for _, size in found), len(found)


def _files_of(target: Path, title: str) -> tuple[list[str], Meter]:
    names, size = [], 0
    # As DVC walks: links to files are followed, links to folders are not.
    for folder, folders, files in os.walk(target):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in files:
            path = Path(folder, name)
            if name == ".git":
                continue
            _refuse_what_is_no_file(path, title)
            names.append(path.relative_to(target).as_posix())
            size += path.stat().st_size
    return sorted(names), Meter(f"hashing {title}", size=size, files=len(names))


def _refuse_what_is_no_file(path: Path, title: str) -> None:
    """Refuse what would be waited for, or read for ever."""
    if not path.is_file():
        what = "a link to nothing" if path.is_symlink() and not path.exists() else "no regular file"
        raise MlopsError(f"{title}: {path.name} is {what}", "Only files have versions; remove it")


def _hashed(paths: list[str], store: Any, meter: Meter, *, keep: bool) -> list[tuple[str, int]]:
    """Return (md5, bytes) of each file, from DVC's record of unchanged files where it can."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_objects.fs.local import LocalFileSystem

    disk = LocalFileSystem()
    infos = {path: disk.info(path) for path in paths}
    known = {path: found for path, _, found in store.state.get_many(paths, disk, infos) if found}
    fresh = []
    values = {}
    for path in paths:
        size = infos[path]["size"]
        value = str(known[path].value) if path in known else ""
        value = value if versions.is_version(value) else ""
        kept = object_path(store, value) if value else None
        if kept is not None and (not keep or kept.exists()):
            meter.add(size, files=1)
            if keep:
                touch(kept)
        else:
            value = _copied(Path(path), store, meter) if keep else md5(Path(path), meter)
            meter.add(0, files=1)
            # What was written to while it was read has another stat now: its hash says nothing.
            if _same(infos[path], disk.info(path)):
                fresh.append((path, HashInfo("md5", value), infos[path]))
        values[path] = (value, size)
    store.state.save_many(fresh, disk)
    return [values[path] for path in paths]


def _same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return all(before[key] == after[key] for key in ("ino", "mtime", "size"))


def object_path(store: Any, version: str) -> Path:
    """Return where the cache keeps `version`.

    Raises:
        NotAVersion: it is none, and would lead anywhere.
    """
    versions.checked(version)
    # The object may be a link, to a cache that several people share; its folder may not.
    return below(Path(store.path), f"{version[:2]}/{version[2:]}", source="DVC's cache", link=True)


def _copied(source: Path, store: Any, meter: Meter) -> str:
    """Copy `source` into the cache under the hash of what was copied; return that."""
    root = Path(store.path)
    root.mkdir(parents=True, exist_ok=True)
    scratch = root / f"{os.getpid()}-{secrets.token_hex(6)}{UNFINISHED}"
    try:
        value = md5(scratch, meter) if _cloned(source, scratch) else _copy(source, scratch, meter)
        _settle(scratch, object_path(store, value))
    finally:
        scratch.unlink(missing_ok=True)
    return value


def _cloned(source: Path, target: Path) -> bool:
    disk = target.parent.stat().st_dev
    if disk in _no_clones:
        return False
    from dvc_objects.fs.system import reflink

    try:
        reflink(str(source), str(target))
    except OSError:
        _no_clones.add(disk)
        target.unlink(missing_ok=True)
        return False
    return True


def _copy(source: Path, target: Path, meter: Meter) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with target.open("wb", buffering=0) as file:
        for chunk in _chunks(source):
            digest.update(chunk)
            rest = chunk
            while rest:  # a raw write may take only a part
                rest = rest[file.write(rest) :]
            meter.add(len(chunk))
    return digest.hexdigest()


def _put(content: bytes, target: Path) -> None:
    scratch = target.parent.parent / f"{os.getpid()}-{secrets.token_hex(6)}{UNFINISHED}"
    scratch.parent.mkdir(parents=True, exist_ok=True)
    try:
        scratch.write_bytes(content)
        _settle(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)


def _settle(scratch: Path, target: Path) -> None:
    scratch.chmod(0o444)  # DVC trusts an object that nobody can write to
    target.parent.mkdir(exist_ok=True)
    scratch.replace(target)


def _chunks(path: Path) -> Iterator[memoryview]:
    """Read a file into one buffer, again and again: a new one for each part costs page faults."""
    with path.open("rb", buffering=0) as file:
        # Each part costs a turn among the threads: large files, hashed beside a cell, take few.
        part = max(CHUNK, min(os.fstat(file.fileno()).st_size >> 10, _LARGEST_CHUNK))
        buffer = memoryview(bytearray(part))
        while count := file.readinto(buffer):
            yield buffer[:count]

"""Hash a file or folder and copy it into DVC's cache, reading each byte once.

If the disk can clone files, the clone is hashed: it is a snapshot of the file. Else the bytes are hashed
while they are copied, so that an object's name always matches its content. DVC's record of hashes (its
`state`) is read first and updated afterwards.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops import guarded
from jupyter_mlops.data import versions
from jupyter_mlops.data.meter import Meter
from jupyter_mlops.errors import BackendFailed, MlopsError
from jupyter_mlops.paths import below

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK, _LARGEST_CHUNK = 1 << 18, 1 << 23
#: Suffix of unfinished objects; they lie in the cache's folder, because a rename must not cross disks.
UNFINISHED = ".unfinished"
#: Folders that DVC leaves out of a folder's version; git would obey the settings in a `.git`.
_LEFT_OUT = {".git", ".hg", ".dvc"}
#: Devices on which cloning has failed.
_no_clones: set[int] = set()


def version_of(target: Path, store: Any, title: str, *, keep: bool) -> tuple[str, int, int]:
    """Return (version, bytes, files) of a file or folder; with `keep`, copy its content into the cache.

    Args:
        target: an existing file or folder.
        store: DVC's local cache.
        title: its name in the progress line.
        keep: False only computes the hash.
    """
    try:
        if target.is_dir():
            return _folder(target, store, title, keep=keep)
        _require_regular_file(target, title)
        with Meter(f"hashing {title}", size=target.stat().st_size) as meter:
            (found,) = _hashed([str(target)], store, meter, keep=keep)
        return found[0], found[1], 1
    except OSError as error:
        reason = error.strerror or str(error)
        raise BackendFailed(
            f"{title} cannot be read or copied into DVC's cache: {reason}",
            "Is the file readable, and is there space on the disk?",
        ) from None


def listing(target: Path, store: Any, title: str) -> dict[str, tuple[str, int]]:
    """Return the (version, bytes) of each file by its path in the folder, without copying it."""
    names, meter = _files_of(target, title)
    with meter:
        found = _hashed([str(target / name) for name in names], store, meter, keep=False)
    return dict(zip(names, found, strict=True))


def md5(path: Path, meter: Meter | None = None) -> str:
    """Return a file's md5, which DVC 3 uses as its version."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in _chunks(path):
        digest.update(chunk)
        if meter:
            meter.add(len(chunk))
    return digest.hexdigest()


def touch(path: Path) -> None:
    """Mark an object as used now, so that `data gc` keeps it until the run that uses it is recorded."""
    with suppress(OSError):
        os.utime(path)


def _folder(target: Path, store: Any, title: str, *, keep: bool) -> tuple[str, int, int]:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    names, meter = _files_of(target, title)
    if not names:
        raise MlopsError(f"{title} is an empty folder", "Put files into it first")
    with meter:
        found = _hashed([str(target / name) for name in names], store, meter, keep=keep)
    tree = Tree()
    for name, (value, _) in zip(names, found, strict=True):
        tree.add(tuple(name.split("/")), None, HashInfo("md5", value))
    content = tree.as_bytes()
    version = f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir"
    if keep:
        _put(content, Path(store.path), object_path(store, version))
    return version, sum(size for _, size in found), len(found)


def _files_of(target: Path, title: str) -> tuple[list[str], Meter]:
    names, size = [], 0
    # The same as in DVC: links to files are followed, links to folders are not.
    for folder, folders, files in os.walk(target):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in files:
            path = Path(folder, name)
            if name == ".git":
                continue
            _require_regular_file(path, title)
            names.append(path.relative_to(target).as_posix())
            size += path.stat().st_size
    return sorted(names), Meter(f"hashing {title}", size=size, files=len(names))


def _require_regular_file(path: Path, title: str) -> None:
    """Refuse FIFOs and devices, whose reader would block or never end, and broken links."""
    if not path.is_file():
        broken = path.is_symlink() and not path.exists()
        what = "a broken symbolic link" if broken else "not a regular file"
        raise MlopsError(
            f"{title}: {path.name} is {what}", "Remove it: only regular files have versions"
        )


def _hashed(paths: list[str], store: Any, meter: Meter, *, keep: bool) -> list[tuple[str, int]]:
    """Return (md5, bytes) of each file; for unchanged files, from DVC's record of hashes."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_objects.fs.local import LocalFileSystem

    disk = LocalFileSystem()
    infos = {path: disk.info(path) for path in paths}
    known = {path: found for path, _, found in store.state.get_many(paths, disk, infos) if found}
    new_hashes = []
    values = {}
    for path in paths:
        size = infos[path]["size"]
        value = str(known[path].value) if path in known else ""
        value = value if versions.is_version(value) else ""
        cached = object_path(store, value) if value else None
        if cached is not None and (not keep or cached.exists()):
            meter.add(size, files=1)
            if keep:
                touch(cached)
        else:
            value = _copied(Path(path), store, meter) if keep else md5(Path(path), meter)
            meter.add(0, files=1)
            # If the stat differs, the file was written while it was read, and the hash may be wrong.
            if _same(infos[path], disk.info(path)):
                new_hashes.append((path, HashInfo("md5", value), infos[path]))
        values[path] = (value, size)
    store.state.save_many(new_hashes, disk)
    return [values[path] for path in paths]


def _same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return all(before[key] == after[key] for key in ("ino", "mtime", "size"))


def object_path(store: Any, version: str) -> Path:
    """Return the path of `version` in the cache.

    Raises:
        NotAVersion: it is not a version.
    """
    versions.checked(version)
    # The object may be a link into a shared cache; its folder may not.
    return below(Path(store.path), f"{version[:2]}/{version[2:]}", source="DVC's cache", link=True)


def _copied(source: Path, store: Any, meter: Meter) -> str:
    """Copy `source` into the cache under the hash of the copied bytes; return the hash."""
    root = Path(store.path)
    root.mkdir(parents=True, exist_ok=True)
    scratch = root / f"{os.getpid()}-{secrets.token_hex(6)}{UNFINISHED}"
    try:
        value = md5(scratch, meter) if _cloned(source, scratch) else _copy(source, scratch, meter)
        _settle(scratch, root, object_path(store, value))
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
            while rest:  # an unbuffered write may write only a part
                rest = rest[file.write(rest) :]
            meter.add(len(chunk))
    return digest.hexdigest()


def _put(content: bytes, root: Path, target: Path) -> None:
    scratch = root / f"{os.getpid()}-{secrets.token_hex(6)}{UNFINISHED}"
    scratch.parent.mkdir(parents=True, exist_ok=True)
    try:
        scratch.write_bytes(content)
        _settle(scratch, root, target)
    finally:
        scratch.unlink(missing_ok=True)


def _settle(scratch: Path, root: Path, target: Path) -> None:
    scratch.chmod(0o444)  # DVC does not hash a read-only object again
    guarded.move(scratch, root, target)


def _chunks(path: Path) -> Iterator[memoryview]:
    """Read a file in parts into one reused buffer: a new buffer for each part costs page faults."""
    with path.open("rb", buffering=0) as file:
        # Each part waits for the GIL, so that a large file is read in few parts while a cell runs.
        part = max(CHUNK, min(os.fstat(file.fileno()).st_size >> 10, _LARGEST_CHUNK))
        buffer = memoryview(bytearray(part))
        while count := file.readinto(buffer):
            yield buffer[:count]

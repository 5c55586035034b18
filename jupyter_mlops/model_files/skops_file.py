"""A skops file: a zip archive of `schema.json`, which names types and functions, and of arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import boosters, compiled
from .archives import Archive
from .arrays import check_npy, check_npz
from .refused import Refused, one_line
from .skops_trusted import TRUSTED

if TYPE_CHECKING:
    from pathlib import Path

RUNS_CODE = False
_SCHEMA = "schema.json"
_WHAT = "The skops file"
#: Earlier versions have other loaders, which are not reviewed.
_OLDEST = 2


def load(content: bytes, *, tried: bool = False) -> Any:
    """Return the estimator of a skops file; skops or the reviewed list must trust each of its types.

    Args:
        content: the file.
        tried: whether this process may crash; then a booster is not tried in a child process first.

    Raises:
        Refused: it has other types, or is damaged or hostile.
    """
    names = types(content)
    import skops.io

    with one_line(_WHAT):
        unknown = set(skops.io.get_untrusted_types(data=content))
        if unknown - TRUSTED:
            strange = ", ".join(sorted(unknown - TRUSTED))
            raise Refused(f"it holds types that are not on the trusted list: {strange}")
        if not tried:
            boosters.check(content, names, reader=__name__)
        model = skops.io.loads(content, trusted=sorted(unknown))
    compiled.check(model)
    compiled.forget_caches(model)
    return model


def serve(file: Path, about: dict[str, Any], device: str) -> Any:
    """Return the estimator for a service.

    Its types are checked against the reviewed list, not against the Bento's list. A booster that crashes its reader
    crashes only the service.
    """
    return load(file.read_bytes(), tried=True)


def types(content: bytes) -> set[str]:
    """Check a skops file's members and return the names of all types and functions in it.

    Nothing is imported. skops and the trusted list decide which of the names may be loaded.

    Raises:
        Refused: it is not a skops file, or skops does not write such members.
    """
    with Archive(content, _WHAT) as archive:
        schema = archive.read(_SCHEMA)
        files = set(archive.names) - {_SCHEMA}
        for name in files:
            if name.endswith(".npy"):
                check_npy(archive.read(name), f"An array of the skops file ('{name}')")
            elif name.endswith(".npz"):
                check_npz(archive.read(name), f"A matrix of the skops file ('{name}')")
    with one_line(_WHAT):
        tree = json.loads(schema)
        if (
            not isinstance(tree, dict)
            or type(tree.get("protocol")) is not int
            or tree["protocol"] < _OLDEST
        ):
            raise Refused(f"{_WHAT} has a schema version that is not supported")
        return _names(tree, files)


def _names(tree: Any, files: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
            continue
        if not isinstance(item, dict):
            continue
        waiting += item.values()
        if "__loader__" not in item:
            continue
        named = (item.get("__module__"), item.get("__class__"))
        if not all(isinstance(name, str) for name in named):
            raise Refused(f"{_WHAT} has an object without a type")
        found.add(".".join(map(str, named)))
        file = item.get("file")
        if file is not None and file not in files:
            raise Refused(f"{_WHAT} lacks an array that it names")
    return found


def main() -> None:
    """Load the file that the command line names, and walk its boosters; `boosters.check` starts this."""
    import sys
    from pathlib import Path

    try:
        boosters.walk(load(Path(sys.argv[1]).read_bytes(), tried=True))
    except Refused as refusal:
        boosters.report(refusal)


if __name__ == "__main__":
    main()

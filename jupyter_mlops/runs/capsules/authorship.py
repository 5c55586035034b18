"""Checks by the capsule's signature whether this user recorded a run.

A shared store holds other people's runs, and anyone with write access can change a capsule. `run reproduce`
and `run why` execute the capsule, so they print a warning first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_mlops import files, signing_key
from jupyter_mlops.errors import NotFound
from jupyter_mlops.runs import query
from jupyter_mlops.runs.signatures import CAPSULE, MANIFEST, SUFFIX, context
from jupyter_mlops.text import cut

if TYPE_CHECKING:
    from jupyter_mlops.project import Project
    from jupyter_mlops.runs.records import RunDetail

_LARGEST_SIGNATURE = 4096


def warning(
    detail: RunDetail, capsule: bytes, manifest: bytes | None = None, *, project: Project
) -> str:
    """Return the warning to print before a run's code is executed; empty if this user recorded it.

    Args:
        detail: the run.
        capsule: the stored capsule that is executed. It is not read again: a server that is asked twice
            can give the signed one here, and another one to who executes it.
        manifest: the stored manifest, if packages are installed too, from the indexes in it.
        project: the project whose store holds the run.
    """
    packages = manifest is not None
    if _is_own(detail.run_id, CAPSULE, capsule, project) and (
        manifest is None or _is_own(detail.run_id, MANIFEST, manifest, project)
    ):
        return ""
    who = detail.tags.get("mlflow.user", "")
    named = f" (it names '{cut(who, 40)}')" if who else ""
    what = "its code runs now, and its packages are installed," if packages else "its code runs now"
    return (
        f"'{detail.name}' was not recorded by you on this machine{named}: {what} with your rights"
    )


def _is_own(run_id: str, name: str, content: bytes, project: Project) -> bool:
    try:
        key = signing_key.read(make=False)
        signature = query.artifact(run_id, name + SUFFIX, project=project)
        given = files.content(signature, most=_LARGEST_SIGNATURE).decode("ascii")
    except (NotFound, OSError, ValueError):
        return False
    return key is not None and signing_key.is_good(given, key, context(name), content)

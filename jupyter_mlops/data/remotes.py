"""Choose and open the DVC remote, and turn a cloud's errors into one line.

`--remote` is used first, then `data.remote` of mlops.toml, then DVC's default remote. The project's remote is
also written into `.dvc/config`, so that plain `dvc pull` in a clone finds it.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.data import repository
from jupyter_mlops.errors import BackendFailed, MissingBackend, MlopsError, NotFound, nearest
from jupyter_mlops.text import error_line
from jupyter_mlops.urls import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_mlops.project import Project

_NAME = "storage"
#: Parts of the clouds' error messages → what they mean, and what to do.
_MEANINGS = (
    (
        ("unable to locate credentials", "nocredentials", "no credentials"),
        "needs credentials, and none are set",
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws",
    ),
    (
        ("forbidden", "access denied", "accessdenied", "invalidaccesskeyid", "signaturedoesnotmatch",
         "permission denied", "access key id you provided"),
        "refused these credentials",
        "Check that they are right, and that they allow reading and writing",
    ),
    (
        ("bucket does not exist", "nosuchbucket", "no such bucket"),
        "names a bucket that does not exist",
        "Create the bucket, or correct data.remote in mlops.toml",
    ),
    (
        ("could not connect", "connection refused", "cannot connect", "name or service not known",
         "timed out", "timeout", "unreachable", "connection was closed", "getaddrinfo"),
        "does not answer",
        "Check data.remote in mlops.toml, AWS_ENDPOINT_URL and the network",
    ),
)  # fmt: skip


@contextmanager
def opened(project: Project, remote: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Open the local cache and a remote's object store; yield (cache, store, the remote's URL).

    A cloud's errors in the block are turned into one line.

    Raises:
        MlopsError: no remote is configured, or DVC cannot use it.
        MissingBackend: the package for this kind of remote is not installed.
        BackendFailed: it does not answer, refuses the credentials, or has no such bucket.
    """
    url = ""
    transfer_log = logging.getLogger("dvc_data.hashfile.transfer")
    level = transfer_log.level
    with repository.opened(project.root) as repo:
        from dvc.config import ConfigError
        from dvc.exceptions import DvcException
        from dvc_objects.fs.base import RemoteMissingDepsError

        try:
            name = _chosen(repo, project, remote)
            url = without_password(str(repo.config["remote"][name]["url"]))
            # We report a failed transfer once; DVC would log a traceback for each file.
            transfer_log.setLevel(logging.CRITICAL)
            yield repo.cache.local, repo.cloud.get_remote_odb(name, "push"), url
        except MlopsError:
            raise
        except RemoteMissingDepsError:
            scheme = url.partition("://")[0]
            raise MissingBackend(f"The package for {scheme}:// is not installed", "s3") from None
        except (ConfigError, DvcException) as error:
            raise MlopsError(
                f"DVC cannot use the remote {url}: {error}", "See .dvc/config"
            ) from None
        except Exception as error:  # each cloud's driver has its own error classes
            raise explained(url, error) from error
        finally:
            transfer_log.setLevel(level)


def explained(url: str, error: BaseException, *, what: str = "remote") -> BackendFailed:
    """Return a cloud's error as one line; `what` is `remote` or `source`."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    messages = " ".join(f"{type(item).__name__} {item}" for item in chain).lower()
    for parts, meaning, do in _MEANINGS:
        if any(part in messages for part in parts):
            # The address of a source is not in the settings.
            advice = do if what == "remote" else do.replace("data.remote in mlops.toml", "the URL")
            return BackendFailed(f"The {what} {url} {meaning}", advice)
    return BackendFailed(f"The {what} {url} failed: {error_line(error)}", "Type: %mlops doctor")


def _chosen(repo: Any, project: Project, remote: str) -> str:
    """Return the remote's name in DVC's settings; a remote given as a URL is added there."""
    known = repo.config["remote"]
    if remote and not _is_url(remote):
        if remote not in known:
            hint = nearest(remote, known) or "Type its URL, or: dvc remote add NAME URL"
            raise NotFound(f"DVC has no remote '{remote}'", hint)
        return remote
    default = repo.config["core"].get("remote")
    wanted = remote or project.settings.data.remote
    if not wanted:
        if default:
            return str(default)
        raise MlopsError(
            "No remote is configured for data",
            'Write into mlops.toml, under [data]: remote = "s3://bucket/folder" (or a local folder)',
        )
    if wanted in known:
        return wanted
    url = _absolute(wanted, project)
    for name, settings in known.items():
        if settings.get("url", "").rstrip("/") == url.rstrip("/"):
            _make_default(repo, name, url, default, remote)
            return str(name)
    name = _NAME if not remote and _NAME not in known else f"{_NAME}-{len(known) + 1}"
    _make_default(repo, name, url, default, remote)
    # A remote for this call only is not written to the file.
    repo.config["remote"].setdefault(name, {"url": url})
    return name


def _make_default(repo: Any, name: str, url: str, default: str | None, asked: str) -> None:
    """Make the project's remote DVC's default, so that `dvc pull` finds it, unless DVC has one."""
    if asked or default:
        return
    with repo.config.edit("repo") as config:
        config["remote"].setdefault(name, {"url": url})
        config["core"]["remote"] = name


def _is_url(text: str) -> bool:
    return "://" in text or text.startswith((".", "/", "~"))


def _absolute(url: str, project: Project) -> str:
    if "://" in url:
        return url
    return str((project.root / Path(url).expanduser()).resolve())

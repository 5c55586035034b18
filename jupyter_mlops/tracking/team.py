"""A team's store: asked at once whether it is there, opened once, its failures told in one line.

Left alone, MLflow asks a dead server for minutes, a dead database for 100 s, and several processes
that open a fresh PostgreSQL together run its migrations at once, of which one succeeds.
"""

from __future__ import annotations

import functools
import os
import socket
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from jupyter_mlops.errors import BackendFailed, MissingBackend, MlopsError, ServerAway
from jupyter_mlops.tracking.loading import import_mlflow
from jupyter_mlops.urls import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    import mlflow

_PATIENCE = 5
_PORTS = {"http": 80, "https": 443, "postgresql": 5432}
_CHECK = "Check tracking.uri in mlops.toml, and that the server runs"
#: Of PostgreSQL's advisory locks: ours while MLflow's tables are made ("mlops").
_MAKING_TABLES = 0x6D6C6F7073
#: What the drivers of databases, HTTP and S3 call a counterpart that is gone, each in its own words.
_GONE = {
    "OperationalError", "InterfaceError", "ConnectionError", "Timeout", "HTTPClientError",
    "ConnectTimeoutError", "ReadTimeoutError", "EndpointConnectionError", "ConnectionClosedError",
    "MaxRetryError", "NewConnectionError", "ProtocolError", "IncompleteRead", "ChunkedEncodingError",
    "RetryError", "ServerAway",
}  # fmt: skip
#: … and a bucket that is there, but not for us.
_REFUSED = {"S3UploadFailedError", "ClientError", "NoCredentialsError", "PartialCredentialsError"}
_EXTRAS = {"psycopg": "postgres", "psycopg2": "postgres", "boto3": "s3", "botocore": "s3"}


def client(uri: str) -> mlflow.MlflowClient:
    """Return MLflow's client for a team's store, after a look whether anybody listens there.

    Raises:
        ServerAway: nobody does, or the store fails.
        BackendFailed: it refuses us.
        MissingBackend: the package for this kind of database is not installed.
    """
    _refuse_unreachable(uri)
    return _opened(uri)


@lru_cache(maxsize=8)
def _opened(uri: str) -> mlflow.MlflowClient:
    made = import_mlflow().MlflowClient
    with _told(uri), _tables(uri):
        opened = made(tracking_uri=uri)
        opened.search_experiments(max_results=1)
    return cast("mlflow.MlflowClient", Answering(opened, uri))


class Answering:
    """MLflow's client, where a store that has gone away is a `ServerAway` and not ten kinds of error."""

    def __init__(self, client: mlflow.MlflowClient, uri: str) -> None:
        self._client = client
        self._uri = uri

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute

        @functools.wraps(attribute)
        def call(*args: Any, **options: Any) -> Any:
            try:
                return attribute(*args, **options)
            except Exception as error:
                if is_away(error):
                    raise away(self._uri, error) from error
                raise

        return call


def is_away(error: BaseException) -> bool:
    """Whether this failed because the counterpart is gone or failing, not because of what was asked."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        if any(kind.__name__ in _GONE for kind in type(cause).__mro__):
            return True
        if _http_status(cause) >= 500:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def fails(error: BaseException) -> bool:
    """Whether what was written here cannot be kept there now; a bucket that refuses is such a case."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return is_away(error) or bool(names & _REFUSED)


@contextmanager
def asked_once() -> Iterator[None]:
    """Let MLflow ask a server once: repeated after a lost answer, what makes a thing makes two."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    kept = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if kept is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = kept


def _http_status(error: BaseException) -> int:
    """Return the status that a server answered with, 0 where the error is no answer."""
    response = getattr(error, "response", None)
    if isinstance(status := getattr(response, "status_code", None), int):
        return status
    text = str(error)
    if type(error).__name__ == "RestException":
        return int(error.get_http_status_code())  # type: ignore[attr-defined]
    # A proxy's page is no JSON, and becomes a sentence.
    _, sign, rest = text.partition("failed with error code ")
    return int(rest[:3]) if sign and rest[:3].isdigit() else 0


def away(uri: str, error: BaseException) -> ServerAway:
    """Return what became of a store, in one line without its password."""
    return ServerAway(f"The tracking store {without_password(uri)} does not answer: "
                      f"{first_line(error, uri)}", _CHECK)  # fmt: skip


@contextmanager
def _told(uri: str) -> Iterator[None]:
    try:
        yield
    except MlopsError:
        raise
    except ModuleNotFoundError as error:
        scheme = uri.partition(":")[0]
        what = f"The package for {scheme}:// is not installed ({error.name})"
        raise MissingBackend(what, _EXTRAS.get(str(error.name), "all")) from None
    except Exception as error:  # the drivers each have their own kinds
        text = first_line(error, uri)
        if is_away(error) and "authentication" not in text and "does not exist" not in text:
            raise away(uri, error) from error
        shown = without_password(uri)
        raise BackendFailed(f"The tracking store {shown} cannot be used: {text}", _CHECK) from None


def first_line(error: BaseException, uri: str) -> str:
    """Return what an error says, without the password of `uri`."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    password = urlsplit(uri).password
    for secret in {password, unquote(password)} if password else ():
        text = text.replace(secret, "***")
    # SQLAlchemy and urllib3 put their own names around what was said.
    return text.rpartition("Error) ")[2][:300]


def _refuse_unreachable(uri: str) -> None:
    """Raise unless something listens at the address; a millisecond where it does."""
    parts = urlsplit(uri)
    scheme = parts.scheme.partition("+")[0]
    if scheme not in _PORTS or not parts.hostname:
        return
    if scheme != "postgresql" and getproxies().get(scheme) and not proxy_bypass(parts.hostname):
        return  # it is reached through another
    try:
        port = parts.port or _PORTS[scheme]
        socket.create_connection((parts.hostname, port), _PATIENCE).close()
    except (OSError, ValueError) as error:
        raise away(uri, error) from None


@contextmanager
def _tables(uri: str) -> Iterator[None]:
    """Let one process at a time make MLflow's tables in a fresh PostgreSQL."""
    if urlsplit(uri).scheme.partition("+")[0] != "postgresql":
        yield
        return
    from sqlalchemy import create_engine, pool, text

    engine = create_engine(uri, poolclass=pool.NullPool)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        made = text("SELECT to_regclass('alembic_version') IS NOT NULL")
        if connection.execute(made).scalar():
            yield
            return
        # Held by the session, so it ends with us whatever becomes of us.
        connection.execute(text(f"SELECT pg_advisory_lock({_MAKING_TABLES})"))
        try:
            yield
        finally:
            connection.execute(text(f"SELECT pg_advisory_unlock({_MAKING_TABLES})"))

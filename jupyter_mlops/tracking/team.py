"""A team's store: a quick check that it is reachable, one client per process, one-line errors.

By default, MLflow waits minutes for a dead server and 100 s for a dead database. And if several processes open
a new PostgreSQL database together, all run its migrations, and only one succeeds.
"""

from __future__ import annotations

import functools
import os
import socket
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from jupyter_mlops.errors import BackendFailed, MissingBackend, MlopsError, ServerAway
from jupyter_mlops.text import LONGEST_ERROR, cut, error_line
from jupyter_mlops.tracking.mlflow_import import MIGRATING, import_mlflow
from jupyter_mlops.urls import hide_password, without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    import mlflow

_CONNECT_TIMEOUT = 5
_PORTS = {"http": 80, "https": 443, "postgresql": 5432}
_UNCUT = 10_000
_CHECK = "Check tracking.uri in mlops.toml, and that the server runs"
#: Key of the PostgreSQL advisory lock that we hold while MLflow creates its tables: "mlops" in ASCII.
_MAKING_TABLES = 0x6D6C6F7073
#: Errors of the drivers of databases, HTTP and S3 for a server that does not answer.
_GONE = {
    "OperationalError", "InterfaceError", "ConnectionError", "Timeout", "HTTPClientError",
    "ConnectTimeoutError", "ReadTimeoutError", "EndpointConnectionError", "ConnectionClosedError",
    "MaxRetryError", "NewConnectionError", "ProtocolError", "IncompleteRead", "ChunkedEncodingError",
    "RetryError", "ServerAway",
}  # fmt: skip
#: The packages whose errors are an `OSError` too, and are not this disk's.
_HTTP = ("requests", "urllib3")
#: Errors for a bucket that exists but refuses us.
_REFUSED = {"S3UploadFailedError", "ClientError", "NoCredentialsError", "PartialCredentialsError"}
_EXTRAS = {"psycopg": "postgres", "psycopg2": "postgres", "boto3": "s3", "botocore": "s3"}


def client(uri: str) -> mlflow.MlflowClient:
    """Return MLflow's client for a team's store, after checking that something listens there.

    Raises:
        ServerAway: nothing listens, or the store fails.
        BackendFailed: it refuses us.
        MissingBackend: the package for this kind of database is not installed.
    """
    _refuse_unreachable(uri)
    return _opened(uri)


@lru_cache(maxsize=8)
def _opened(uri: str) -> mlflow.MlflowClient:
    client_class = import_mlflow().MlflowClient
    with _one_line_errors(uri), _tables(uri):
        opened = client_class(tracking_uri=uri)
        opened.search_experiments(max_results=1)
    return cast("mlflow.MlflowClient", Answering(opened, uri))


class Answering:
    """MLflow's client; each error of its calls is one line.

    `ServerAway` if the store does not answer; `Refused`, which is an `MlflowException` too, for an answer that
    says no; `BackendFailed` for an answer that MLflow cannot read. Anybody may have written the server.
    """

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
                if (explained := one_line(self._uri, error)) is error:
                    raise
                raise explained from error

        return call


def one_line(uri: str, error: Exception) -> Exception:
    """Return an error of MLflow, or of what it uses, as one of ours; an error of this disk as it is."""
    if isinstance(error, MlopsError):
        return error
    if is_away(error):
        return away(uri, error)
    if isinstance(error, OSError) and not type(error).__module__.startswith(_HTTP):
        return error
    from mlflow.exceptions import MlflowException

    message = first_line(error, uri)
    if _is_bucket_s(error):
        return _refused()(f"The place for files refuses: {message}")
    if isinstance(error, MlflowException) or _http_status(error):  # 4xx: the others are `away`
        return _refused()(f"The tracking store {without_password(uri)} answers: {message}")
    return unreadable(uri, message)


def unreadable(uri: str, why: str) -> BackendFailed:
    """Return the error for an answer that is not MLflow's; MLflow reads it with many kinds of exceptions."""
    return BackendFailed(
        f"The tracking store {without_password(uri)} gives an answer that cannot be read: {why}",
        _CHECK,
    )


@lru_cache(maxsize=1)
def _refused() -> type[BackendFailed]:
    """Return the class of refusals; it is made late, because it needs MLflow."""
    from mlflow.exceptions import MlflowException

    class Refused(BackendFailed, MlflowException):  # type: ignore[misc]
        """The store answers, and says no: callers that know what to do instead catch `MlflowException`."""

    return Refused


def is_away(error: BaseException) -> bool:
    """Whether the server is unreachable or failing, so that the request itself may be fine."""
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
    """Whether the team's store or its bucket cannot take data now."""
    return is_away(error) or _is_bucket_s(_reason(error))


def _is_bucket_s(error: BaseException) -> bool:
    return any(kind.__name__ in _REFUSED for kind in type(error).__mro__)


def _reason(error: BaseException) -> BaseException:
    """Return the error that `one_line` was given, or `error` itself."""
    return error.__cause__ or error if isinstance(error, BackendFailed) else error


@contextmanager
def asked_once() -> Iterator[None]:
    """Disable MLflow's retries: a repeated request whose answer was lost would create a second object."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _http_status(error: BaseException) -> int:
    """Return the HTTP status in an error, or 0 if it has none."""
    response = getattr(error, "response", None)
    if isinstance(status := getattr(response, "status_code", None), int):
        return status
    text = str(error)
    if type(error).__name__ == "RestException":
        return int(error.get_http_status_code())  # type: ignore[attr-defined]
    # If a proxy answers with a page that is not JSON, MLflow puts the status into this sentence.
    _, sign, rest = text.partition("failed with error code ")
    return int(rest[:3]) if sign and rest[:3].isdecimal() else 0


def away(uri: str, error: BaseException) -> ServerAway:
    """Return the error for a store that does not answer, in one line without its password."""
    return ServerAway(f"The tracking store {without_password(uri)} does not answer: "
                      f"{first_line(error, uri)}", _CHECK)  # fmt: skip


@contextmanager
def _one_line_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except MlopsError:
        raise
    except ModuleNotFoundError as error:
        scheme = uri.partition(":")[0]
        what = f"The package for {scheme}:// is not installed ({error.name})"
        raise MissingBackend(what, _EXTRAS.get(str(error.name), "all")) from None
    except Exception as error:  # each driver has its own error classes
        text = first_line(error, uri)
        if is_away(error) and "authentication" not in text and "does not exist" not in text:
            raise away(uri, error) from error
        shown = without_password(uri)
        raise BackendFailed(f"The tracking store {shown} cannot be used: {text}", _CHECK) from None


def first_line(error: BaseException, uri: str) -> str:
    """Return the first line of an error, without the password of `uri`."""
    # Cut at the end: a part of a password would not be found.
    message = hide_password(error_line(_reason(error), _UNCUT), uri)
    # SQLAlchemy and urllib3 add their own class names before the message.
    return cut(message.rpartition("Error) ")[2], LONGEST_ERROR)


def _refuse_unreachable(uri: str) -> None:
    """Raise unless something listens at the address; this takes a millisecond if it does."""
    parts = urlsplit(uri)
    scheme = parts.scheme.partition("+")[0]
    if scheme not in _PORTS or not parts.hostname:
        return
    if scheme != "postgresql" and getproxies().get(scheme) and not proxy_bypass(parts.hostname):
        return  # a proxy is used, so the address itself need not be reachable
    try:
        port = parts.port or _PORTS[scheme]
        socket.create_connection((parts.hostname, port), _CONNECT_TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise away(uri, error) from None


@contextmanager
def _tables(uri: str) -> Iterator[None]:
    """Let only one process at a time create MLflow's tables in a new PostgreSQL database."""
    if urlsplit(uri).scheme.partition("+")[0] != "postgresql":
        yield
        return
    from sqlalchemy import create_engine, pool, text

    engine = create_engine(uri, poolclass=pool.NullPool)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        tables_exist = text("SELECT to_regclass('alembic_version') IS NOT NULL")
        if connection.execute(tables_exist).scalar():
            yield
            return
        # The lock belongs to the session, so it is released when this process dies.
        connection.execute(text(f"SELECT pg_advisory_lock({_MAKING_TABLES})"))
        try:
            with MIGRATING:
                yield
        finally:
            connection.execute(text(f"SELECT pg_advisory_unlock({_MAKING_TABLES})"))

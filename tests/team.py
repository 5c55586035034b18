"""What a team has, for real and on loopback: PostgreSQL, a bucket, an MLflow server.

Each is started once for a test session, at its first use, and stopped with it. The server is the
application that `mlflow server` starts, in one process instead of its four to eight: 6 s, not 21.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Must never be shown; tests look for it.
PASSWORD = "tell-nobody-4711"
_TEMPLATE = "template_of_tests"


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A cluster of its own in a temporary folder; it can be stopped, killed and started again."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
        if not found:
            pytest.fail(
                "PostgreSQL is not installed; `make test` does it: apt-get install postgresql"
            )
        self._bin = found[-1]
        # Not below pytest's own folder, which only its owner may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="mlops-pg-"))
        self.port = free_port()
        self._as: list[str] = []
        if os.getuid() == 0:  # as whom it refuses to run
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._call(
            "initdb", "--auth=scram-sha-256", f"--pwfile={secret}", "--username=mlops", "--no-sync",
            "--encoding=UTF8", "--locale=C",
        )  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = (
            f"-F -p {self.port} -c listen_addresses=127.0.0.1 -c max_connections=200 "
            f"-c unix_socket_directories={self.folder}"
        )
        self._call("pg_ctl", "--wait", f"--log={self.folder}/log", f"--options={options}", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `immediate` is how a power failure looks from outside."""
        self._call("pg_ctl", "--wait", f"--mode={mode}", "stop", check=False)

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def uri(self, database: str) -> str:
        """Return the URI of a database, with the password."""
        return f"postgresql://mlops:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template1") -> str:
        """Make a database, as a copy of another; return its URI."""
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.uri(database)

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute one statement."""
        import psycopg

        with psycopg.connect(self.uri(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _call(self, program: str, *words: str, check: bool = True) -> None:
        said = self.folder / "said"  # no pipe: the database that pg_ctl starts would hold it open
        with said.open("wb") as output:
            done = subprocess.run(
                [*self._as, self._bin / program, f"--pgdata={self.folder}/data", *words],
                check=False, stdout=output, stderr=output, cwd=self.folder,
            )  # fmt: skip
        if check and done.returncode:
            pytest.fail(f"{program} failed: {said.read_text()[-2000:]}")


class TrackingServer:
    """MLflow's server in a process, on a sqlite database; artifacts go through it to `artifacts`."""

    def __init__(self, database: str, artifacts: str, log: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._log = log
        self._environment = {
            "_MLFLOW_SERVER_FILE_STORE": database,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": artifacts,
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def start(self, *, wait: bool = True) -> None:
        """Start it; `wait` until it answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(self.port),
                    "--log-level", "warning", "mlflow.server.fastapi_app:app",
                ],
                env=os.environ | self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        assert self.process is not None
        until = time.monotonic() + 600
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        pytest.fail(f"mlflow server did not start: {self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Run moto's S3 server; return its address, which the environment names too."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield address
    server.stop()


@pytest.fixture
def bucket(s3: str) -> str:
    """Make a bucket; return its URL."""
    import boto3

    name = f"bucket-{secrets.token_hex(4)}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def _migrated(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Let MLflow make its tables once; each test gets a copy."""
    uri = postgres.create(_TEMPLATE)
    program = (
        "from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore;"
        f"SqlAlchemyStore({uri!r}, '/nowhere')"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, capture_output=True)
    return _TEMPLATE


@pytest.fixture
def database(postgres: Postgres, _migrated: str, request: pytest.FixtureRequest) -> str:
    """Return the URI of a database that has MLflow's tables and no runs."""
    name = re.sub(r"\W", "_", request.node.name)[:40]
    return postgres.create(f"{name}_{secrets.token_hex(3)}", _migrated)


@pytest.fixture(scope="session")
def tracking_server(
    s3: str, _template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingServer]:
    """Run an MLflow server whose artifacts are in a bucket."""
    import boto3

    boto3.client("s3").create_bucket(Bucket="of-the-server")
    folder = tmp_path_factory.mktemp("server")
    shutil.copyfile(_template / ".mlops" / "mlflow.db", folder / "mlflow.db")
    server = TrackingServer(
        f"sqlite:///{folder / 'mlflow.db'}", "s3://of-the-server", folder / "log"
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()

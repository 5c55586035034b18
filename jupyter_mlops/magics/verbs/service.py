"""The verbs of `service`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

_HOME = "jupyter_mlops.services"
_SERVICE = Arg("name", "the service", required=True, complete="service")

NOUN = Noun(
    "service",
    "a run's model on a port, by BentoML",
    bare="list",
    verbs=(
        Verb(
            "service", "build", f"{_HOME}.builder:build",
            "package a run's model, if its answers equal those in the notebook",
            (
                Arg("run", "the run: its id, the start of it, or its name",
                    required=True, complete="run"),
                Arg("name", "the service's name; default: the run's", ("--name", "-n"), default=""),
                Arg("allow_pickle", "package a model kept as a pickle; loading it runs code",
                    ("--allow-pickle",), switch=True),
            ),
            example="service build forest --name screening",
        ),
        Verb(
            "service", "start", f"{_HOME}.lifecycle:start",
            "start a service; it ends with this kernel",
            (
                _SERVICE,
                Arg("port", "default: any free one", ("--port", "-p"), type=int, default=0),
                Arg("host", "default: 127.0.0.1, or service.host in mlops.toml", ("--host",),
                    default=""),
                Arg("allow_host", "a name under which clients may ask it, beside loopback and --host; "
                    "repeat for more", ("--allow-host",), many=True, metavar="NAME"),
                Arg("detach", "leave it running when this process ends (in a shell: always)",
                    ("--detach", "-d"), switch=True),
                Arg("timeout", "seconds until it must answer", ("--timeout",),
                    type=float, default=60.0, metavar="SECONDS"),
            ),
            example="service start screening --port 3000",
        ),
        Verb(
            "service", "stop", f"{_HOME}.lifecycle:stop",
            "stop a service, wherever it was started",
            (_SERVICE,),
        ),
        Verb(
            "service", "list", f"{_HOME}.lifecycle:list",
            "list the services, and which of them run",
        ),
        Verb(
            "service", "test", f"{_HOME}.requests:test",
            "ask a service, and compare with the model",
            (
                _SERVICE,
                Arg("rows", "how many rows to send", ("--rows", "-n"), type=int, default=20),
                Arg("file", "send rows of this table instead of the reference; they are logged",
                    ("--file", "-f"), default="", complete="path"),
            ),
            example="service test screening --file data/new.parquet",
        ),
        Verb(
            "service", "log", f"{_HOME}.prediction_log:log",
            "show what a service was asked, and said",
            (
                _SERVICE,
                Arg("last", "only the newest N rows", ("--last", "-n"),
                    type=int, default=20, metavar="N"),
            ),
            example="service log screening --last 5",
        ),
    ),
)  # fmt: skip

"""The verbs of `service`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Arg, Noun, Verb

_SERVICE = Arg("name", "the service", required=True, complete="service")

NOUN = Noun(
    "service",
    "services",
    "models packaged with BentoML, answering requests",
    bare="list",
    verbs=(
        Verb(
            "build", "package a run's model, if its answers equal those in the notebook",
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
            "start", "start a service; it stops with this kernel",
            (
                _SERVICE,
                Arg("port", "the port; default: any free one", ("--port", "-p"), type=int, default=0),
                Arg("host", "the address; default: 127.0.0.1, or service.host in mlops.toml", ("--host",),
                    default=""),
                Arg("allow_host", "one more host name that requests may use, besides loopback and --host; "
                    "repeat for more", ("--allow-host",), many=True, metavar="NAME"),
                Arg("detach", "keep it running when this process ends (in a shell: always)",
                    ("--detach", "-d"), switch=True),
                Arg("timeout", "seconds until it must answer", ("--timeout",),
                    type=float, default=60.0, metavar="SECONDS"),
            ),
            example="service start screening --port 3000",
        ),
        Verb(
            "stop", "stop a service, whichever process started it",
            (_SERVICE,),
        ),
        Verb(
            "list", "list the services, and which are running",
        ),
        Verb(
            "test", "send rows to a service, and compare its answers with the model's",
            (
                _SERVICE,
                Arg("rows", "number of rows to send", ("--rows", "-n"), type=int, default=20),
                Arg("file", "send rows of this table instead of the reference; they are logged",
                    ("--file", "-f"), default="", complete="path"),
            ),
            example="service test screening --file data/new.parquet",
        ),
        Verb(
            "log", "show the requests of a service and its answers",
            (
                _SERVICE,
                Arg("last", "only the newest N rows", ("--last", "-n"),
                    type=int, default=20, metavar="N"),
            ),
            example="service log screening --last 5",
        ),
    ),
)  # fmt: skip

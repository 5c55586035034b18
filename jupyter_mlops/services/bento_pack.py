"""Build a Bento in its own process.

BentoML keeps one store, one configuration and one imported service per process. A kernel that builds for two
projects would mix them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_mlops.errors import BackendFailed
from jupyter_mlops.text import cut

if TYPE_CHECKING:
    from collections.abc import Sequence


def pack(
    source: Path, home: Path, *, name: str, version: str, service: str, labels: dict[str, str]
) -> Path:
    """Build the Bento `name:version` of `source` into the store `home`; return its folder.

    Raises:
        BackendFailed: BentoML failed.
    """
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "jupyter_mlops.services.bento_pack", str(source), "--name", name,
         "--version", version, "--service", service, "--labels", json.dumps(labels)],
        env={**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    built = home / "bentos" / name / version
    if done.returncode != 0 or not built.is_dir():
        lines = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
        raise BackendFailed(
            f"BentoML could not build '{name}': {cut((lines or ['it printed nothing'])[-1], 400)}"
        )
    return built


def main(arguments: Sequence[str] | None = None) -> None:
    """Build with BentoML, in this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    for option in ("--name", "--version", "--service", "--labels"):
        parser.add_argument(option, required=True)
    options = parser.parse_args(arguments)
    import bentoml

    bentoml.build(
        options.service,
        name=options.name,
        version=options.version,
        labels=json.loads(options.labels),
        build_ctx=str(options.source),
        include=["*"],
        # Every line has a version already; locking them would need the network.
        python={
            "packages": (options.source / "requirements.txt").read_text().splitlines(),
            "lock_packages": False,
        },
    )


if __name__ == "__main__":
    main()

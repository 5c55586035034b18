"""Each attack does what it says: with plain git its program runs. A trap that catches nobody tests nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.security.git import corpus

if TYPE_CHECKING:
    from tests.trials import Trials


def test_each_attack_fires_with_plain_git(
    repository: Path, trap: Any, tmp_path: Path, trials: Trials
) -> None:
    silent, fired = [], 0
    programs = Path(
        subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout[
            :-1
        ]
    )
    for number, attack in enumerate(corpus.ATTACKS):
        root = tmp_path / f"attack-{number}" / "repository"
        shutil.copytree(repository, root, symlinks=True)
        attack.change(root, str(trap.program))
        trap.fell()
        if not attack.fires:
            assert attack.why, attack.name
            continue
        if attack.needs and not (programs / attack.needs).exists():
            continue
        environment = os.environ | trap.environment(attack.environment, root.parent)
        done = subprocess.run(
            ["sh", "-c", attack.fires], cwd=root, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=600, check=False,
        )  # fmt: skip
        if trap.fell():
            fired += 1
        else:
            silent.append(f"{attack.name}: {done.stderr.decode(errors='replace')[-300:]}")
        shutil.rmtree(root.parent)
    assert not silent, "\n".join(silent)
    trials("hostile git configurations with plain git", fired, "each ran its program")

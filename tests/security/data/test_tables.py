"""A damaged or hostile table is read or refused in one line; it does not end the process that reads it."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from jupyter_mlops import data
from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trials import Trials

_EACH = 250
#: Reads each file, in a process of its own; the last line that it prints names the file that ended it.
_READER = """
import sys, warnings, pathlib
warnings.simplefilter("ignore")
from jupyter_mlops import data
from jupyter_mlops.errors import MlopsError
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    print(path.name, flush=True)
    try:
        table = data.read_table(path)
        table.to_csv()
    except MlopsError:
        pass
print("all read", flush=True)
"""


def originals(folder: Path) -> list[Path]:
    """Write one table in each format that a check reads; Arrow's with all kinds of its buffers."""
    plain = pd.DataFrame(
        {"a": np.arange(200.0), "b": np.arange(200) % 5, "c": [f"k{i % 3}" for i in range(200)]}
    )
    more: dict[str, Any] = {
        "d": plain["c"].astype("category"),
        "e": [[i, i + 1] for i in range(200)],
        "f": [{"x": "y" * (i % 4)} for i in range(200)],
        "g": pd.date_range("2026-01-01", periods=200),
        "h": [None, True] * 100,
    }
    rich = plain.assign(**more)
    rich.to_parquet(folder / "t.parquet")
    rich.to_parquet(folder / "plain.parquet", compression=None, use_dictionary=False)
    rich.to_feather(folder / "t.feather")
    rich.to_feather(folder / "plain.feather", compression="uncompressed")
    plain.to_csv(folder / "t.csv", index=False)
    plain.to_csv(folder / "t.tsv", index=False, sep="\t")
    plain.to_json(folder / "t.json")
    plain.to_json(folder / "t.jsonl", orient="records", lines=True)
    return sorted(folder.iterdir())


def test_damaged_tables_end_no_process(tmp_path: Path, trials: Trials) -> None:
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    whole.mkdir()
    damaged.mkdir()
    dice = random.Random(7)
    tried = 0
    for file in originals(whole):
        for number in range(_EACH):
            content = bytearray(file.read_bytes())
            for _ in range(dice.choice([1, 1, 2, 8, 40])):
                # Half of them near the end, where these formats keep what describes the rest.
                far = min(len(content), 2_000) if number % 2 else len(content)
                content[-1 - dice.randrange(far)] = dice.choice(
                    [0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)]
                )
            if number % 9 == 0:
                del content[dice.randrange(len(content)) :]
            (damaged / f"{file.stem}-{number}{file.suffix}").write_bytes(content)
            tried += 1
    done = subprocess.run(
        [sys.executable, "-c", _READER, str(damaged)],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    last = done.stdout.rstrip().rpartition("\n")[2]
    assert (done.returncode, last) == (0, "all read"), done.stderr[-2000:]
    trials("damaged tables", tried, "none ends the process")


@pytest.mark.parametrize("name", ["x.parquet", "x.feather", "x.csv", "x.json"])
def test_a_pickle_with_a_table_s_name_is_not_loaded(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "mark"
    (tmp_path / name).write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
    with contextlib.suppress(MlopsError):
        data.read_table(tmp_path / name)
    assert not mark.exists()

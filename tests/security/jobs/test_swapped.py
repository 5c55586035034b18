"""A `jobs` folder that somebody exchanges for a link while it is read: no file outside is read."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from jupyter_mlops.errors import MlopsError
from jupyter_mlops.jobs import declarations
from tests.security import swaps

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trials import Trials


def test_no_job_is_read_through_a_link_that_is_swapped_in(tmp_path: Path, trials: Trials) -> None:
    place, link, outside = (tmp_path / name for name in ("jobs", "link", "outside"))
    for folder, notebook in ((place, "train.ipynb"), (outside, "theirs.ipynb")):
        folder.mkdir()
        (folder / "x.yaml").write_text(f"notebook: {notebook}\n")
    found: list[str] = []

    def prepare() -> None:
        if place.is_symlink():
            swaps.exchange(place, link)
        if not link.is_symlink():
            link.symlink_to(outside, target_is_directory=True)

    def act() -> None:
        with suppress(MlopsError):
            found.append(declarations.load(place / "x.yaml").notebook)

    tried = 0
    for tried in swaps.at_each_call(prepare, act, lambda: swaps.exchange(place, link)):
        assert set(found) <= {"train.ipynb"}, f"read outside by a swap before call {tried}"
    assert tried > 1
    assert found
    trials("the folder of the jobs exchanged for a link, before each system call", tried)

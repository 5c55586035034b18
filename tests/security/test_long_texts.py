"""Long texts of somebody else are read in one go: before, each of these took minutes (the time limit is generous)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_mlops import project
from jupyter_mlops.environment import repositories
from jupyter_mlops.errors import MlopsError

if TYPE_CHECKING:
    from tests.trials import Trials

_BLANKS = " " * 400_000


@pytest.mark.timeout(60)
def test_long_white_space_is_read_in_one_go(trials: Trials) -> None:
    assert str(MlopsError(f"a{_BLANKS}b \n \r\n c", " \nd\n")) == f"a{_BLANKS}b c. d"
    assert project._places_in(f"url = a{_BLANKS}b  ") == [f"a{_BLANKS}b"]
    assert project._places_in("[core]\n 'URL' =  s3://x \ndir=/y\nurl =  \n") == [
        "s3://x",
        "/y",
        "",
    ]
    newlines = _BLANKS.replace(" ", "\n")
    assert repositories._WORKTREE.findall(f"{newlines} worktree = /x{_BLANKS}y") == [
        f" /x{_BLANKS}y"
    ]
    trials("texts of 400 KB of white space", 3, "read in one go")

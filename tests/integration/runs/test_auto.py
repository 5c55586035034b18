"""`%mlops auto on` records the cells that train, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_mlops.project import Project

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
TRAIN = """\
from sklearn.linear_model import LogisticRegression
other = [1]
line = LogisticRegression(C=0.5).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
accuracy = line.score([[0.0], [3.0]], [0, 1])
"""


@pytest.fixture
def auto(cell: Callable[[str], Any]) -> Any:
    """Return the shell's own run_cell with history, as a notebook calls it, and auto on."""
    shell = cell.shell  # type: ignore[attr-defined]
    shell.run_cell("%mlops auto on", store_history=True)
    yield lambda source: shell.run_cell(source, store_history=True)
    shell.run_cell("%mlops auto off", store_history=True)


def test_a_cell_that_fits_becomes_a_run_named_after_its_variable(
    project: Project, auto: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    auto("x = 1")
    auto(TRAIN)
    (run,) = runs.list()
    assert (run.name, run.status, run.metrics) == ("line", "finished", {"accuracy": 1.0})
    assert run.params["C"] == "0.5"
    assert capsys.readouterr().out.strip().splitlines()[-1].startswith("recorded · line ")


def test_a_torch_loop_is_recorded_too(project: Project, auto: Callable[[str], Any]) -> None:
    auto(
        "import torch\n"
        "net = torch.nn.Linear(2, 1)\n"
        "optimizer = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "loss = net(torch.ones(4, 2)).sum()\n"
        "loss.backward()\n"
    )
    (run,) = runs.list()
    assert run.name == "net"
    assert "loss" in run.metrics


def test_a_cell_that_fails_is_a_failed_run(project: Project, auto: Callable[[str], Any]) -> None:
    auto(
        "from sklearn.linear_model import LogisticRegression\nLogisticRegression().fit([[1.0]], [0, 1])"
    )
    (run,) = runs.list()
    assert run.status == "failed"
    assert run.error.startswith("ValueError")


def test_off_is_off_and_a_named_cell_is_recorded_once(
    project: Project, auto: Callable[[str], Any]
) -> None:
    auto("%%mlops run named\n" + TRAIN)
    assert [run.name for run in runs.list()] == ["named"]
    auto("%mlops auto on")
    auto(TRAIN)
    assert len(runs.list()) == 2
    auto("%mlops auto off")
    auto(TRAIN)
    assert len(runs.list()) == 2


def test_a_wrong_state_is_one_line(project: Project, cell: Callable[[str], Any]) -> None:
    assert "One of on, off" in str(cell("%mlops auto maybe").error_in_exec)


@pytest.mark.parametrize("line", ["%%mlops run strict\n", ""])
def test_warnings_that_are_errors_for_the_user_do_not_break_a_recording(
    project: Project, cell: Callable[[str], Any], line: str
) -> None:
    def run(source: str) -> Any:
        result = cell.shell.run_cell(source, store_history=True)  # type: ignore[attr-defined]
        result.raise_error()
        return result.result

    run("import warnings\nbefore = warnings.filters[:]")
    if not line:
        run("%mlops auto on")
    run(
        f"{line}import warnings, numpy as np\nwarnings.simplefilter('error')\n"
        "from sklearn.linear_model import LinearRegression\n"
        "strict = LinearRegression().fit(np.eye(3), [1, 2, 3])\ncaught = 0\n"
        "try:\n    warnings.warn('mine', UserWarning)\nexcept UserWarning:\n    caught += 1\n"
    )
    assert runs.get("strict").model is not None
    assert [item.name for item in run("%mlops run list")] == ["strict"]
    run("try:\n    warnings.warn('mine', UserWarning)\nexcept UserWarning:\n    caught += 1")
    assert run("caught") == 2
    run("warnings.filters[:] = before")
    run("%mlops auto off")

"""A module that is waited for tells when it has been imported, and nothing else changes."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jupyter_mlops.runs.capsules.import_watch import ImportWatch

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_one.py").write_text("value = 1\n")
    (tmp_path / "late_two.py").write_text("import late_one\nvalue = 2\n")
    (tmp_path / "late_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("late_one", "late_two", "late_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_it_tells_once_when_the_module_is_whole(modules: None) -> None:
    told = []
    finders = [*sys.meta_path]
    ImportWatch(["late_one"], lambda name: told.append((name, sys.modules[name].value)))
    import late_two  # type: ignore[import-not-found]

    assert told == [("late_one", 1)]
    assert late_two.value == 2
    assert sys.meta_path == finders
    importlib.reload(sys.modules["late_one"])
    assert told == [("late_one", 1)]


def test_what_is_there_already_is_not_waited_for() -> None:
    finders = [*sys.meta_path]
    ImportWatch(["sys"], lambda name: None)
    assert sys.meta_path == finders


def test_an_import_that_fails_fails_as_it_would_have(modules: None) -> None:
    told: list[str] = []
    ImportWatch(["late_broken", "late_absent"], told.append)
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("late_broken")
    with pytest.raises(ModuleNotFoundError, match="No module named 'late_absent'"):
        importlib.import_module("late_absent")
    assert told == []


def test_an_error_in_what_is_told_does_not_reach_the_import(modules: None) -> None:
    ImportWatch(["late_one"], lambda name: 1 / 0)
    assert importlib.import_module("late_one").value == 1


def test_waiting_can_be_given_up(modules: None) -> None:
    told: list[str] = []
    ImportWatch(["late_one"], told.append).stop()
    importlib.import_module("late_one")
    assert told == []


def test_the_first_draw_in_the_cell_that_imports_numpy_is_known() -> None:
    program = """
from jupyter_mlops.runs.capsules.import_watch import ImportWatch
from jupyter_mlops.runs.capsules.history import GENERATORS, History, set_generator
history = History()
ImportWatch([*GENERATORS.values()], lambda name: history.look_now())
history.begin("import numpy as np; first = np.random.rand()")
import numpy as np
first = np.random.rand()
history.end()
after, state = history.generators["numpy"]
set_generator("numpy", state)
assert after == 0
assert np.random.rand() == first
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_state_that_waits_for_numpy_is_set_before_its_first_draw() -> None:
    program = """
import json, subprocess, sys
state = json.loads(sys.argv[1])
from jupyter_mlops.replays import kernel_setup
kernel_setup.set_generators({"numpy": state})
assert "numpy" not in sys.modules
import numpy as np
print(np.random.rand())
"""
    import numpy as np

    from jupyter_mlops.runs.capsules.history import generator_state

    state = json.dumps(generator_state("numpy"))
    done = subprocess.run(
        [sys.executable, "-c", program, state], check=True, capture_output=True, text=True
    )
    assert float(done.stdout) == np.random.rand()

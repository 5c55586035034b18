"""What `job check` finds before anything runs, and what it must not find."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest

from jupyter_mlops import jobs
from jupyter_mlops.errors import NotFound, UsageError


def tagged(source: str, *tags: str) -> Any:
    return nbformat.v4.new_code_cell(source, metadata={"tags": [*(tags or ("parameters",))]})


FAILS = {
    "a name nobody defines": (("x = 1", "print(x + y)"), 2, "'y' is not defined"),
    "a name defined only later": (("print(total)", "total = 3"), 1, "'total' is not defined"),
    "a name defined further down the cell": (("print(a)\na = 1",), 1, "'a' is not defined"),
    "a name a cell deleted": (("a = 1", "del a", "print(a)"), 3, "'a' is not defined"),
    "a name only a function has": (("def f():\n    inner = 1\nf()", "print(inner)"), 2, "'inner'"),
    "a name only a comprehension has": (("[i for i in range(3)]", "print(i)"), 2, "'i'"),
    "a free name of a function": (("def f():\n    return nothing\nf()",), 1, "'nothing'"),
    "a base class": (("class A(Missing): ...",), 1, "'Missing'"),
    "a default value": (("def f(a=missing): ...",), 1, "'missing'"),
    "a recorded cell": (("%%mlops run forest --experiment e\nmodel.fit()",), 1, "'model'"),
    "a timed cell": (("%%time\nprint(undefined_name)",), 1, "'undefined_name'"),
    "f-strings": (('print(f"{nope:.3f}")',), 1, "'nope'"),
    "an augmented assignment": (("count += 1",), 1, "'count'"),
    "__file__, which a notebook lacks": (("print(__file__)",), 1, "'__file__'"),
    "a syntax error": (("x = 1", "for i in range(3)\n    print(i)"), 2, "syntax error"),
    "return outside a function": (("return 3",), 1, "syntax error"),
    "a syntax error in a recorded cell": (("%%mlops run x\nmodel.fit(",), 1, "syntax error"),
    "two tagged cells": ((tagged("a = 1"), tagged("b = 2"), "print(a, b)"), 2, "a second cell"),
    "a file that is not there": (("import pandas as pd", 'pd.read_csv("no.csv")'), 2, "no.csv"),
    "a file opened by its Path": (
        ("from pathlib import Path", 't = Path("no.txt").read_text()'), 2, "no.txt",
    ),
    "a module that is not installed": (("import surely_not_installed",), 1, "surely_not_installed"),
    "no code": ((), None, "no code"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILS)
def test_what_would_fail_is_found_with_its_cell(case: str, write: Any) -> None:
    cells, number, what = FAILS[case]
    found = jobs.check(write(*cells))
    assert [problem.cell for problem in found.problems] == [number], found.problems
    assert what in found.problems[0].what
    assert found.problems[0].fix
    assert not found.ok


RUNS = {
    "magics": ("%load_ext jupyter_mlops\n%matplotlib inline\n%cd .\n!ls -l\nfiles = !ls\nprint(files)",),
    "help": ("x = 1\nx?",),
    "what IPython gives": ("display(1)\nget_ipython()\nprint(In, Out, _, __name__)\n_1 if _i1 else _",),
    "builtins": ("print(sorted(map(len, [])), __builtins__, NotImplemented)",),
    "star imports": ("from math import *", "print(sin(pi))"),
    "exec": ("exec('a = 1')", "print(a)"),
    "a magic that may define names": ("%store -r frame", "print(frame)"),
    "a cell magic nobody knows": ("%%sql result <<\nselect 1", "print(result)"),
    "foreign cells": ("%%bash\necho $nothing | grep (", "%%html\n<b>{{x}}</b>", "%%writefile a.py\nimport z"),
    "captured output": ("%%capture caught\nprint(1)", "caught.show()"),
    "a function's name defined later": ("def f():\n    return later", "later = 1", "f()"),
    "comprehensions": ("print([a * b for a in range(3) if a for b in range(a)], {k: v for k, v in {}.items()})",),
    "generators use what comes later": ("g = (x * factor for x in [1])", "factor = 2", "list(g)"),
    "a walrus": ("if (n := 3) > 2:\n    print(n)", "[y := 1 for _ in range(2)]", "print(n, y)"),
    "class scopes": (
        "class A:\n    size = 2\n    half = size / 2\n    def f(self): return __class__, self.size\n    x: int = half",
    ),
    "recursion and nesting": ("def outer():\n    x = 1\n    def inner():\n        nonlocal x\n        x += 1\n    return inner",),
    "global": ("def f():\n    global made\n    made = 1\nf()", "print(made)"),
    "try": ("try:\n    cudf\nexcept NameError:\n    cudf = None", "print(cudf)"),
    "except names": ("try:\n    pass\nexcept ValueError as error:\n    print(error)",),
    "guarded imports": ("try:\n    import not_here_at_all\nexcept ImportError:\n    not_here_at_all = None",),
    "loops define for their next round": ("for i in range(3):\n    if i:\n        print(before)\n    before = i",),
    "with": ("import io\nwith io.StringIO() as f, io.StringIO() as g:\n    f.write('x')\nprint(g)",),
    "match": ("match {'a': 1}:\n    case {'a': value, **rest} if value:\n        print(value, rest)\n    case [*items]:\n        print(items)",),
    "lambda": ("f = lambda a, *b, c=1, **d: (a, b, c, d, later)", "later = 1"),
    "await": ("import asyncio\nawait asyncio.sleep(0)",),
    "decorators": ("import functools\n@functools.cache\ndef f(x): return f(x - 1) if x else 0",),
    "annotations": ("x: 'Later' = 1\ndef f(a: int) -> list[int]: ...",),
    "skipped cells": (tagged("print(exploring)", "skip-execution"), "x = 1"),
    "cells that may fail": (tagged("print(undefined)", "raises-exception"), "x = 1"),
    "a recorded cell": ("%load_ext jupyter_mlops", "%%mlops run a --experiment {{name}}\nx = 1", "print(x)"),
    "del in a loop": ("for i in range(3):\n    tmp = i\n    del tmp", "i"),
    "a file it writes": ("open('out.txt', 'w').write('x')", "open('out.txt').read()"),
    "a file it downloads": ("!curl -O https://example.org/data.csv", "import pandas as pd\npd.read_csv('data.csv')"),
    "a file it tests for": ("import os\nif os.path.exists('maybe.csv'):\n    open('maybe.csv')",),
    "a file in a folder it makes": ("import os\nos.makedirs('made')\n!touch made/a", "open('made/a')"),
    "a url and a pattern": ("import pandas as pd\npd.read_csv('https://example.org/x.csv')\npd.read_parquet('d/*.parquet')",),
    "an installed module": ("%pip install surely_not_installed\nimport surely_not_installed",),
    "invalid escapes": ("print('\\d')",),
}  # fmt: skip


@pytest.mark.parametrize("case", RUNS)
def test_what_would_run_is_not_complained_about(case: str, write: Any) -> None:
    found = jobs.check(write(*RUNS[case]))
    assert found.problems == []
    assert found.ok


def test_parameters_have_types_defaults_and_help(write: Any) -> None:
    source = """\
%load_ext jupyter_mlops
n_estimators: int = 100  # trees in the forest
rate = 0.1  # type: float  how fast
name = "a#b"
layers: list[int] = [64, 32]
depth: int | None = None  # no limit
flag = True
shape = (3, 4)
half = n_estimators // 2  # of them"""
    found = jobs.check(write(tagged(source), "print(n_estimators, rate, name, half)"))
    assert found.tagged
    assert [(p.name, p.type, p.default, p.help) for p in found.parameters] == [
        ("n_estimators", "int", 100, "trees in the forest"),
        ("rate", "float", 0.1, "how fast"),
        ("name", "str", "a#b", ""),
        ("layers", "list[int]", [64, 32], ""),
        ("depth", "int | None", None, "no limit"),
        ("flag", "bool", True, ""),
        ("shape", "list", [3, 4], ""),
        ("half", "any", None, "of them"),
    ]
    assert found.parameters[-1].expression == "n_estimators // 2"
    assert json.loads(found.to_json())["parameters"][0]["name"] == "n_estimators"


def test_without_a_tagged_cell_the_first_constants_are_proposed(write: Any) -> None:
    found = jobs.check(
        write(
            "import math",
            "n = 3  # rounds\nrate = 0.5\n_private = 1\ncounter = 0",
            "for i in range(n):\n    counter += 1",
            "later = 5",
        )
    )
    assert not found.tagged
    assert [p.name for p in found.parameters] == ["n", "rate"]
    assert "proposed" in str(found)


GIVEN = [
    ({"dpeth": "3"}, "no parameter 'dpeth'", "Did you mean 'depth'?"),
    ({"depth": "deep"}, "'depth' expects int, not 'deep'", "-p depth=6"),
    ({"depth": "2.5"}, "'depth' expects int", "-p depth=6"),
    ({"rate": "fast"}, "'rate' expects float", ""),
    ({"flag": "maybe"}, "'flag' expects bool", ""),
    ({"layers": "3"}, "'layers' expects list[int]", ""),
    ({"kind": "c"}, "'kind' expects Literal['a', 'b']", ""),
    ({"depth": object()}, "'depth' is of type object", ""),
]


@pytest.mark.parametrize(("given", "what", "fix"), GIVEN)
def test_a_wrong_value_is_refused_with_what_to_type(
    given: Any, what: str, fix: str, write: Any
) -> None:
    source = "from typing import Literal\ndepth: int = 6\nrate = 0.1\nflag = False\nlayers: list[int] = [1]\nkind: Literal['a', 'b'] = 'a'"
    found = jobs.check(write(tagged(source)), params=given)
    assert what in found.problems[0].what
    assert fix in found.problems[0].fix


def test_a_parameter_assigned_again_later_would_lose_the_given_value(write: Any) -> None:
    name = write(tagged("z = 1"), "z = 2", "print(z)")
    assert jobs.check(name).ok
    found = jobs.check(name, params={"z": "5"})
    assert found.problems[0].cell == 2
    assert "would be lost" in found.problems[0].what


def test_a_notebook_without_a_kernel_or_with_a_strange_one_cannot_run(write: Any) -> None:
    assert "names no kernel" in jobs.check(write("x = 1", metadata={})).error
    strange = {"kernelspec": {"name": "pyhton3", "display_name": "P", "language": "python"}}
    found = jobs.check(write("x = 1", metadata=strange))
    assert "no kernel 'pyhton3'" in found.error
    assert "Did you mean 'python3'?" in found.error
    r = {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}
    assert "runs R" in jobs.check(write("x <- 1", metadata=r)).problems[0].what


def test_a_file_is_looked_for_where_the_kernel_will_run(write: Any, folder: Any) -> None:
    (folder.root / "data").mkdir()
    (folder.root / "data" / "a.csv").write_text("x\n1\n")
    read = 'import pandas as pd\npd.read_csv("data/a.csv")'
    assert jobs.check(write(read)).ok
    below = write(read, name="notebooks/n.ipynb")
    assert "--cwd" in jobs.check(below).problems[0].fix
    assert jobs.check(below, cwd=".").ok


BROKEN = [
    ("", UsageError, "No notebook given"),
    ("none.ipynb", NotFound, "No notebook none.ipynb"),
    ("folder", UsageError, "is a folder"),
    ("text.ipynb", UsageError, "is not a notebook"),
    ("half.ipynb", UsageError, "is not a notebook"),
    ("list.ipynb", UsageError, "is not a notebook"),
    ("binary.ipynb", UsageError, "is not a notebook"),
]


@pytest.mark.parametrize(("name", "kind", "what"), BROKEN)
def test_what_is_no_notebook_is_one_line(
    name: str, kind: type[Exception], what: str, folder: Any, write: Any
) -> None:
    (folder.root / "folder").mkdir()
    (folder.root / "text.ipynb").write_text("hello")
    (folder.root / "list.ipynb").write_text("[1, 2]")
    (folder.root / "binary.ipynb").write_bytes(b"\xff\xfe\x00\x01")
    write("x = 1", name="half.ipynb")
    whole = (folder.root / "half.ipynb").read_text()
    (folder.root / "half.ipynb").write_text(whole[: len(whole) // 2])
    with pytest.raises(kind, match=what) as caught:
        jobs.check(name)
    assert "\n" not in str(caught.value)


def test_a_misspelt_notebook_is_named(write: Any) -> None:
    write("x = 1", name="train.ipynb")
    with pytest.raises(NotFound, match=r"Did you mean 'train.ipynb'\?"):
        jobs.check("trian.ipynb")
    assert jobs.check("train").ok

"""What is a parameter, what names data, and what is code: the rule by its cases."""

from __future__ import annotations

import pytest

from jupyter_mlops.cells.programs import Exchange, Program

DATA = {"data/v1.csv", "data/v2.csv"}


def _exchange(x: str | list[str], y: str | list[str]) -> Exchange:
    of_x, of_y = (Program.of([side] if isinstance(side, str) else side) for side in (x, y))
    return Exchange(of_x, of_y, is_data=DATA.__contains__)


# before, after, parameters, data, whether the code is the same, and `before` with both put in
CASES = [
    ("depth = 4", "depth = 6", ["depth 4 → 6"], [], True, "depth = 6"),
    ("depth = 4  # levels", "depth   =  4", [], [], True, "depth = 4  # levels"),
    ("rate = 1e-3", "rate = 10**-2", ["rate 0.001 → 10 ** (-2)"], [], True, "rate = (10 ** (-2))"),
    ("x = 2 * rate", "x = -3 * rate", ["x 2 → -3"], [], True, "x = (-3) * rate"),
    ("sizes = 64, 32", "sizes = (128,)", ["sizes (64, 32) → (128,)"], [], True, "sizes = (128,)"),
    ("m = RF(max_depth=4).fit(X, y)", "m = RF(max_depth=6).fit(X, y)", ["max_depth 4 → 6"], [], True, "m = RF(max_depth=6).fit(X, y)"),
    ("m = RF()", "m = RF(n=3, w=None)", ["n — → 3", "w — → None"], [], True, "m = RF(n=3, w=None)"),
    ("m = RF(n=3, w=k)", "m = RF(w=k)", ["n 3 → —"], [], True, "m = RF(w=k)"),
    ("m = P([('a', RF(n=3, w=a))])", "m = P([('b', RF(w=a, z=2))])", ["P 'a' → 'b'", "n 3 → —", "z — → 2"], [], True, "m = P([('b', RF(w=a, z=2))])"),
    ("t = read('data/v1.csv')", "t = read('data/v2.csv')", [], ["read 'data/v1.csv' → 'data/v2.csv'"], True, "t = read('data/v2.csv')"),
    ("t = read('a'); n = 1", "t = read('a'); n = 2", ["n 1 → 2"], [], True, "t = read('a'); n = 2"),
    ("# ü\nn = ['ü', 1]; k = 2", "n = ['é', 1]; k = 3", ["n ['ü', 1] → ['é', 1]", "k 2 → 3"], [], True, "# ü\nn = ['é', 1]; k = 3"),
    ("if n > 3:\n    f(1)\nelse:\n    f(n)", "if n > 4:\n    f(2)\nelse:\n    f(n)", ["3 → 4", "f 1 → 2"], [], True, "if n > 4:\n    f(2)\nelse:\n    f(n)"),
    ('def f(n=1):\n    "Do."\n    return n', "def f(n=2):\n    return n", ["1 → 2"], [], True, 'def f(n=2):\n    "Do."\n    return n'),
    ("x = f'{a:.2f} old {b}'", "x = f'{a:.3f} new {b}'", ["x f'{a:.2f} old {b}' → f'{a:.3f} new {b}'"], [], True, "x = f'{a:.3f} new {b}'"),
    ("x = (lambda v: v + 1)(2) if c else 3", "x = (lambda v: v + 5)(2) if c else 4", ["x 1 → 5", "x 3 → 4"], [], True, "x = (lambda v: v + 5)(2) if c else 4"),
    # The rest is code, and what keeps its name in it is still a parameter.
    ("x = a + b", "x = a * b", [], [], False, "x = a + b"),
    ("n = 1\nf(n)", "n = 2\ng(n)\nf(n)", ["n 1 → 2"], [], False, "n = 2\nf(n)"),
    ("m = RF(n=3).fit(X)", "m = RF(n=4).fit(scale(X))", ["n 3 → 4"], [], False, "m = RF(n=4).fit(X)"),
    ("a = RF(n=3).fit(X); b = RF(n=4).fit(X)", "a = RF(n=5).fit(Y); b = RF(n=6).fit(Y)", [], [], False, "a = RF(n=3).fit(X); b = RF(n=4).fit(X)"),
    ("c = {'rate': 1, 'by': a}", "c = {'rate': 2, 'by': a, 'on': b}", ["rate 1 → 2"], [], False, "c = {'rate': 2, 'by': a}"),
    ("def f(n=1):\n    return n", "def f(n=2):\n    m = n\n    return m", ["1 → 2"], [], False, "def f(n=2):\n    return n"),
    ("def f(n=1):\n    return n", "def f(m, n=2):\n    return n", ["n 1 → 2"], [], False, "def f(n=2):\n    return n"),
    ("for i in range(3):\n    f(i)\ng(i)", "for i in range(3):\n    f(i)\n    g(i)", [], [], False, "for i in range(3):\n    f(i)\ng(i)"),
    ("%%bash\nls -l 1", "%%bash\nls -l 2", [], [], False, "%%bash\nls -l 1"),
    ("!ls 1\nn = 1", "!ls 2\nn = 2", ["n 1 → 2"], [], False, "get_ipython().system('ls 1')\nn = 2\n"),
    ("%time n = 1", "%time n = 2", [], [], False, "%time n = 1"),
    ("%%time\nn = 1", "%%time\nn = 2", ["n 1 → 2"], [], True, "%%time\nn = 2"),
    ("n = await f(1)", "n = await f(2)", ["f 1 → 2"], [], True, "n = await f(2)"),
    ("case = 1\nmatch n:\n    case 1:\n        f(2)", "case = 1\nmatch n:\n    case 2:\n        f(3)", ["1 → 2", "f 2 → 3"], [], True, "case = 1\nmatch n:\n    case 2:\n        f(3)"),
    ("not python (", "not python [", [], [], False, "not python ("),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "parameters", "data", "same", "put_in"), CASES)
def test_a_difference_is_told_for_what_it_is(
    before: str, after: str, parameters: list[str], data: list[str], same: bool, put_in: str
) -> None:
    exchange = _exchange(before, after)
    assert exchange.differences("parameters") == parameters
    assert exchange.differences("data") == data
    assert exchange.x.same_code(exchange.y) == same
    assert exchange.sources({"parameters", "data"}) == [put_in]


def test_only_the_wanted_kind_is_put_in() -> None:
    exchange = _exchange("t = read('data/v1.csv', n=1)", "t = read('data/v2.csv', n=2)")
    assert exchange.sources({"data"}) == ["t = read('data/v2.csv', n=1)"]
    assert exchange.sources({"parameters"}) == ["t = read('data/v1.csv', n=2)"]
    assert exchange.sources(set()) == ["t = read('data/v1.csv', n=1)"]


def test_lines_of_our_own_are_no_code() -> None:
    plain = Program.of(["n = 1"])
    loud = Program.of(
        ["%load_ext jupyter_mlops", "%mlops run list", "n = 1", "r = %mlops run list"]
    )
    assert plain.same_code(loud)
    assert not plain.same_code(Program.of(["%load_ext autoreload", "n = 1"]))


def test_of_cells_that_ran_twice_the_last_execution_counts() -> None:
    once, twice = ["n = 1", "f(n)"], ["n = 2", "f(n)", "n = 3", "f(n)"]
    assert _exchange(once, twice).sources({"parameters"}) == ["n = 3", "f(n)"]
    assert _exchange(twice, once).sources({"parameters"}) == ["n = 1", "f(n)", "n = 1", "f(n)"]
    assert not _exchange(once, twice).x.same_code(Program.of(twice))


def test_cells_may_be_split_and_moved() -> None:
    exchange = _exchange(["a = 1\nb = 2", "f(a, b)"], ["b = 3", "a = 4", "f(a, b)"])
    assert exchange.sources({"parameters"}) == ["a = 4\nb = 3", "f(a, b)"]
    assert not exchange.x.same_code(exchange.y)  # their order could matter

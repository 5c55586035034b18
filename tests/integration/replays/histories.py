"""Small notebooks that are hard to run again: each a history of cells, the last one recorded."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """Cells in the order in which they ran; `misses` says why this one cannot come out the same."""

    name: str
    cells: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    misses: str = ""


def _case(name: str, *cells: str, misses: str = "", **files: str) -> Case:
    named = {key.replace("__", "."): text for key, text in files.items()}
    return Case(name, cells, named, misses)


R = "%%mlops run case\n"
CASES = (
    _case(
        "mutation by a method",
        "rows = [3.0, 1.0, 2.0]",
        "rows.sort()\nrows.append(10.0)",
        R + "last = rows[-1] / rows[0]",
    ),
    _case(
        "mutation through an alias",
        "table = {'a': 1.0}\nalias = table",
        "alias['a'] = 7.5",
        R + "value = table['a'] * 2",
    ),
    _case(
        "augmented assignment, run twice",
        "total = 1.0",
        "total += 0.1",
        "total += 0.1",
        R + "score = total * 1",
    ),
    _case("del", "x = 1.0\ny = 2.0", "del x", R + "score = y + ('x' in globals())"),
    _case("star import", "from math import *", R + "score = cos(0.3) + pi"),
    _case(
        "a function that reads a global changed later",
        "scale = 2.0\ndef f(v):\n    return v * scale",
        "scale = 5.0",
        R + "score = f(1.5)",
    ),
    _case(
        "a class in a cell, its method replaced",
        "class Model:\n    def go(self):\n        return 1.0",
        "m = Model()",
        "Model.go = lambda self: 4.25",
        R + "score = m.go() * 1",
    ),
    _case(
        "closures",
        "def make():\n    n = 0\n    def step():\n        nonlocal n\n        n += 1\n        return n\n    return step\nstep = make()",
        "step(); step()",
        R + "score = step() / 2",
    ),
    _case("exec", "exec('hidden = 12.5')", R + "score = hidden * 1"),
    _case(
        "a monkeypatch",
        "import math\nmath.tau_before = math.tau\nmath.floor = lambda v: -1.0",
        R + "score = math.floor(2.5) * 2.0",
    ),
    _case(
        "a seed in another cell",
        "import random\nimport numpy as np\nrandom.seed(3)\nnp.random.seed(4)",
        "drawn = random.random()",
        R + "score = drawn + random.random() + np.random.rand()",
    ),
    _case(
        "no seed at all",
        "import random\nimport numpy as np",
        "first = np.random.rand() + random.random()",
        R + "score = first + np.random.rand() + random.random()",
    ),
    _case(
        "torch with a seed",
        "import torch\ntorch.manual_seed(7)",
        "w = torch.randn(4)",
        R + "score = float(w.sum() + torch.randn(1))",
    ),
    _case(
        "a file written, then read",
        "from pathlib import Path\nPath('made').mkdir(exist_ok=True)",
        "Path('made/a.txt').write_text('3.5')",
        R
        + "score = float(Path('made/a.txt').read_text()) * 2\n_ = Path('made/b.txt').write_text('out')",
    ),
    _case("a cell run twice with other code", "k = 1.0", "k = 9.0", R + "score = k * 3"),
    _case(
        "an error half-way",
        "a = 5.0\nb = 1 / 0\na = 6.0",
        R + "score = a * 1.5",
    ),
    _case(
        "plot and logging state",
        "import logging\nimport matplotlib.pyplot as plt\nplt.rcParams['lines.linewidth'] = 3.5\nlogging.getLogger('x').setLevel(30)",
        R
        + "score = plt.rcParams['lines.linewidth'] + logging.getLogger('x').level\nplt.plot([1, 2]);",
    ),
    _case(
        "an imported module of the project",
        "import steps",
        R + "score = steps.factor() * 1",
        steps__py="def factor():\n    return 0.75\n",
    ),
    _case(
        "a data file that git does not keep, read in an earlier cell",
        "text = open('ignored.csv').read()",
        R + "score = float(text) * 2",
        ignored__csv="21.0",
    ),
    _case(
        "magics and shell lines",
        "%matplotlib inline",
        "%mlops run list\nnames = !echo one\n!pip --version",
        "%%time\nq = 2.5",
        R + "score = q + len(names)",
    ),
    _case(
        "an await",
        "import asyncio\nasync def g():\n    return 2.5\nv = await g()",
        R + "score = v * 2",
    ),
    _case(
        "an earlier recorded cell",
        "%%mlops run earlier\nbase = 4.0",
        R + "score = base * 2.5",
    ),
    _case(
        "scikit-learn without random_state",
        "import numpy as np\nfrom sklearn.ensemble import RandomForestClassifier\nX = np.arange(60.0).reshape(30, 2)\ny = np.arange(30) % 3",
        R
        + "model = RandomForestClassifier(n_estimators=5, max_depth=2).fit(X, y)\nscore = model.score(X, y)",
    ),
    _case(
        "a comprehension and a walrus",
        "squares = [last := n * n for n in range(4)]",
        R + "score = last / sum(squares)",
    ),
    _case(
        "what cells showed: _ and Out",
        "2.5",
        "doubled = _ * 2\ndoubled",
        R + "score = Out[2] + Out[3]",
    ),
    _case(
        "an iterator half used",
        "numbers = iter([1.0, 2.0, 3.0])",
        "next(numbers)",
        R + "score = next(numbers) * 10",
    ),
    _case(
        "the working folder changed",
        "import os\nos.makedirs('sub', exist_ok=True)",
        "%cd sub",
        "open('v.txt', 'w').write('6.5')",
        R + "score = float(open('v.txt').read()) * 1",
    ),
    _case(
        "a module written by a cell",
        "%%writefile made.py\nvalue = 1.25",
        "import made",
        R + "score = made.value * 2",
    ),
    _case(
        "a view of an array",
        "import numpy as np\na = np.zeros(4)\nview = a[1:3]",
        "view += 2.5",
        R + "score = a.sum()",
    ),
    _case(
        "a mutable default",
        "def keep(v, seen=[]):\n    seen.append(v)\n    return len(seen)",
        "keep(1); keep(2)",
        R + "score = keep(3) / 2",
    ),
    _case(
        "a database file",
        "import sqlite3\ndb = sqlite3.connect('x.db')\n_ = db.execute('create table if not exists t (v real)')\n"
        "_ = db.execute('delete from t')\n_ = db.execute('insert into t values (4.5)')\ndb.commit()",
        R + "score = db.execute('select sum(v) from t').fetchone()[0]",
    ),
    _case(
        "everything in one cell, without a seed",
        R + "import numpy as np\nscore = np.random.rand() * 2",
    ),
    _case(
        "torch without a seed",
        "import torch",
        "weights = torch.randn(3)",
        R + "score = float(weights.sum() + torch.rand(1))",
    ),
    _case(
        "threads",
        "from concurrent.futures import ThreadPoolExecutor",
        R + "score = sum(ThreadPoolExecutor(4).map(lambda n: n * 0.5, range(10)))",
    ),
    _case(
        "a variable of the environment set by a cell",
        "import os\nos.environ['STEP'] = '3'",
        R + "score = int(os.environ['STEP']) / 2",
    ),
    _case(
        "a setting left by a cell that failed",
        "import decimal\ndecimal.getcontext().prec = 4\nraise RuntimeError('stop')",
        R + "score = float(decimal.Decimal(1) / decimal.Decimal(3))",
    ),
    _case(
        "a function defined again after it was used",
        "def f():\n    return 1.0\nfirst = f()",
        "def f():\n    return 2.0",
        R + "score = first + f() * 10",
    ),
    _case(
        "a generator of its own without a seed",
        "import numpy as np\nrng = np.random.default_rng()",
        R + "score = rng.random() * 1",
        misses="its seed came from the system and is kept nowhere",
    ),
    _case(
        "a file that grows with each run",
        "with open('log.txt', 'a') as f:\n    _ = f.write('x')",
        R + "score = len(open('log.txt').read()) * 1.0",
    ),
    _case(
        "the clock",
        "import time",
        R + "score = time.time()",
        misses="time moves on",
    ),
    _case(
        "the order of hashes",
        "words = {'a', 'b', 'c'}",
        R + "score = float(hash('a') % 1_000_003)",
        misses="Python draws a new hash seed for each process and does not tell it",
    ),
    _case(
        "numpy imported and drawn from in one cell, unseeded",
        "from sklearn.ensemble import RandomForestClassifier\n"
        "from sklearn.datasets import make_classification\nX, y = make_classification(200, 6)",
        R + "forest = RandomForestClassifier(10).fit(X, y)\n"
        "spread = float(forest.predict_proba(X)[:, 1].std())",
    ),
    _case(
        "torch imported and drawn from in one cell, unseeded",
        "import torch\nnet = torch.nn.Linear(3, 1)\nX = torch.randn(8, 3)",
        R + "value = net(X).sum().item()",
    ),
    _case(
        "a database file that the session filled",
        "import sqlite3\nstore = sqlite3.connect('kept.db')\n"
        "store.execute('create table if not exists t (x)')",
        "store.execute('insert into t values (4)')\nstore.commit()",
        R + "total = store.execute('select sum(x) from t').fetchone()[0] * 1.0",
    ),
    _case(
        "an untracked file that the session appended to",
        "print(2, file=open('log.txt', 'a'))",
        R + "lines = float(len(open('log.txt').readlines()))",
        misses="what was in the file before nobody kept; the verdict names it",
        log__txt="1\n",
    ),
    _case(
        "a generator half consumed, and closures that count",
        "def counter():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n"
        "        return n\n    return up\nup = counter()\nsteps = (i * 1.5 for i in range(9))",
        "up(); next(steps)",
        "up(); next(steps)",
        R + "value = up() * next(steps)",
    ),
    _case(
        "a folder of its own, made by a magic",
        "%mkdir sub\n%cd sub",
        "print(4.5, file=open('v.txt', 'w'))",
        R + "value = float(open('v.txt').read())",
    ),
    _case(
        "a module that a cell writes",
        "%%writefile made.py\ndef f(): return 2.5",
        "import made",
        R + "value = made.f() * 1",
    ),
    _case(
        "what Out remembers",
        "1.5 + 2",
        "_ * 2",
        R + "value = _ * 1.0",
    ),
    _case(
        "a grid search in several processes",
        "from sklearn.datasets import load_iris\nfrom sklearn.model_selection import GridSearchCV, KFold\n"
        "from sklearn.tree import DecisionTreeClassifier\nX, y = load_iris(return_X_y=True)",
        R
        + "search = GridSearchCV(DecisionTreeClassifier(random_state=1), {'max_depth': [1, 2, 3]},\n"
        "    cv=KFold(3, shuffle=True, random_state=2), n_jobs=2).fit(X, y)\nbest = search.best_score_ * 1",
    ),
)

"""The magics that a reader of notebook source knows, and what each does with its text.

This is the only list of them. What is not in it may do anything: then no name is called undefined.
"""

from __future__ import annotations

from enum import Enum, auto


class Body(Enum):
    """What the body of a cell magic is."""

    #: Python that runs in the notebook's namespace: its names stay.
    PYTHON = auto()
    #: Python that runs inside a function: it sees the notebook's names, its own are gone afterwards.
    FUNCTION = auto()
    #: Input of another program (a shell, another Python process, a profiler).
    PROGRAM = auto()
    #: Text that is shown or written to a file.
    TEXT = auto()
    UNKNOWN = auto()


CELL = {
    **dict.fromkeys(("capture", "debug", "memit", "mlops", "mprun", "lprun", "prun", "time"), Body.PYTHON),
    "timeit": Body.FUNCTION,
    **dict.fromkeys(
        ("!", "bash", "cmd", "heat", "perl", "pypy", "python", "python2", "python3", "ruby", "script", "sh", "sx", "system"),
        Body.PROGRAM,
    ),
    **dict.fromkeys(
        ("HTML", "SVG", "file", "html", "javascript", "js", "latex", "markdown", "svg", "writefile"),
        Body.TEXT,
    ),
}  # fmt: skip

#: Cell magics that run their body as a cell, which may await at its top level. Others refuse that.
AWAIT = frozenset({"capture", "mlops"})

#: Options of programs that give a name of the notebook a value.
PROGRAM_OUTPUTS = ("--out", "--err", "--proc")

#: Magics whose line is Python, and their one-letter options; a colon follows those with a value.
#: The line of such a cell magic is Python that runs before the body, in the same namespace.
STATEMENT = {
    "time": "",
    "timeit": "n:r:tcp:qov:",
    "prun": "D:l:rs:T:q",
    "memit": "r:t:i:co",
    "mprun": "rf:T:c",
    "lprun": "rsmzf:D:T:u:",
    "debug": "b:",
}

#: Line magics that give no name a value.
INERT = frozenset({
    "alias", "alias_magic", "autoawait", "autocall", "autoindent", "automagic", "autoreload",
    "bookmark", "cat", "cd", "clear", "colors", "conda", "config", "cp", "dhist", "dirs",
    "doctest_mode", "env", "hist", "history", "killbgscripts", "ldir", "less", "lf", "lk", "ll",
    "load_ext", "logoff", "logon", "logstart", "logstate", "logstop", "ls", "lsmagic", "lx", "magic",
    "mamba", "man", "matplotlib", "micromamba", "mkdir", "mlops", "more", "mv", "notebook", "page",
    "pastebin", "pdb", "pdef", "pdoc", "pfile", "pinfo", "pinfo2", "pip", "popd", "pprint",
    "precision", "profile", "psearch", "psource", "pushd", "pwd", "pycat", "qtconsole", "quickref",
    "recall", "rehashx", "reload_ext", "rm", "rmdir", "save", "set_env", "sx", "system", "tb",
    "tensorboard", "unalias", "unload_ext", "uv", "watermark", "who", "who_ls", "whos", "xdel",
    "xmode",
})  # fmt: skip

#: Line magics that change the working folder.
FOLDER = frozenset({"cd", "popd", "pushd"})

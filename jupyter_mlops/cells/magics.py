"""The known IPython magics, and the meaning of their text.

This is the only list of them. Any other magic may define any name, so that no name counts as undefined.
"""

from __future__ import annotations

from enum import Enum, auto


class Body(Enum):
    """Kind of the body of a cell magic."""

    #: Python that runs in the notebook's namespace: its names remain.
    PYTHON = auto()
    #: Python that runs inside a function: it can read the notebook's names, its own do not remain.
    FUNCTION = auto()
    #: Input of another program (a shell, another Python process, a profiler).
    PROGRAM = auto()
    #: Text that is displayed or written to a file.
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

#: Cell magics whose body may have a top-level await.
AWAIT = frozenset({"capture", "mlops"})

#: Options of program magics that assign the output to a name.
PROGRAM_OUTPUTS = ("--out", "--err", "--proc")

#: Magics whose line is Python, and their one-letter options; a colon follows an option with a value.
#: As a cell magic, the line runs before the body, in the same namespace.
STATEMENT = {
    "time": "",
    "timeit": "n:r:tcp:qov:",
    "prun": "D:l:rs:T:q",
    "memit": "r:t:i:co",
    "mprun": "rf:T:c",
    "lprun": "rsmzf:D:T:u:",
    "debug": "b:",
}

#: Line magics that define no name.
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

"""Runs the examples of the noun pages and writes what they print into the pages.

    make docs-outputs

A page's `ipython` blocks run in one kernel and its `console` blocks in a shell, all pages one after the other in the
same new project. The `text` block behind a block is what it printed; it is replaced. Review the difference in git.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PAGES = [
    HERE / "nouns" / f"{noun}.md" for noun in ("run", "data", "job", "model", "service", "drift")
]
NOTEBOOK = HERE.parent / "notebooks" / "train.ipynb"

#: A block that is run, and the `text` block behind it, if there is one.
_BLOCK = re.compile(
    r"^```(?P<language>ipython|console)\n(?P<source>.*?)^```\n(?:\n```text\n.*?^```\n)?",
    re.MULTILINE | re.DOTALL,
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 300  # seconds for one block


def main() -> None:
    """Run every page and write it again."""
    for page, text in refreshed():
        page.write_text(text)
        print(page.name, flush=True)


def refreshed() -> Iterator[tuple[Path, str]]:
    """Run the examples of every page in one new project, and yield each page with its present outputs."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "screening"
        folder.mkdir()
        shutil.copyfile(NOTEBOOK, folder / NOTEBOOK.name)
        environment = _private(Path(home))
        with _kernel(folder, environment) as session:
            for page in PAGES:
                yield page, _refreshed(page.read_text(), session)


class _Session:
    """One project with a kernel and a shell in it."""

    def __init__(self, folder: Path, environment: dict[str, str], client: Any) -> None:
        self.folder = folder
        self.environment = environment
        self.client = client

    def ipython(self, source: str) -> str:
        """Run a cell and return what it shows as text, in the order in which it is shown."""
        shown: list[tuple[str, str]] = []
        replaced: dict[str, int] = {}

        def note(message: dict[str, Any]) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                shown.append(("stream", content["text"]))
            elif kind in {"display_data", "execute_result", "update_display_data"}:
                text = content["data"].get("text/plain", "")
                name = content.get("transient", {}).get("display_id")
                if name in replaced:
                    shown[replaced[name]] = ("value", text + "\n")
                    return
                if name:
                    replaced[name] = len(shown)
                shown.append(("value", text + "\n"))
            elif kind == "error":
                shown.append(("error", "\n".join(content["traceback"]) + "\n"))

        self.client.execute_interactive(source, timeout=_LONGEST, output_hook=note)
        return "".join(text for _, text in shown)

    def console(self, source: str) -> str:
        """Run the lines that begin with `$ ` and return their standard output."""
        printed = ""
        for line in re.findall(r"^\$ (.*)$", source, re.MULTILINE):
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                timeout=_LONGEST,
                check=False,
            )
            printed += done.stdout
        return printed

    def clean(self, text: str) -> str:
        """Return output as a page shows it: without colours and without this machine's folders."""
        text = _COLOUR.sub("", text)
        for folder, name in ((self.folder, "~/screening"), (self.folder.parent, "~")):
            text = text.replace(str(folder.resolve()), name).replace(str(folder), name)
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def _refreshed(page: str, session: _Session) -> str:
    def block(match: re.Match[str]) -> str:
        language, source = match["language"], match["source"]
        run = session.ipython if language == "ipython" else session.console
        head = f"```{language}\n{source}```\n"
        output = session.clean(run(source))
        return f"{head}\n```text\n{output}\n```\n" if output else head

    return _BLOCK.sub(block, page)


def _private(home: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLOPS_", "MLFLOW_", "JUPYTER_"))
    }
    return kept | {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "NO_COLOR": "1",
    }


class _kernel:  # noqa: N801 - used as a function
    """A kernel that ends with the `with` block."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment

    def __enter__(self) -> _Session:
        self.manager = KernelManager(
            kernel_name="python3",
            transport="ipc",
            connection_file=str(self.folder.parent / "kernel.json"),
        )
        self.manager.start_kernel(cwd=str(self.folder), env=self.environment)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=_LONGEST)
        return _Session(self.folder, self.environment, self.client)

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield the language and source of each block that is run; a test reads them."""
    for match in _BLOCK.finditer(page):
        yield match["language"], match["source"]


if __name__ == "__main__":
    main()

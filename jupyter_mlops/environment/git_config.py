"""Which configuration keys are overridden when git runs, so that no program of the configuration runs.

Keys with a fixed name are always overridden. A key that contains a name, such as `filter.lfs.clean`, can only be
overridden once the name is known: so the repository's configuration is read first.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from jupyter_mlops.environment import repositories
from jupyter_mlops.environment.repositories import RepositoryRefused
from jupyter_mlops.text import printable

if TYPE_CHECKING:
    from jupyter_mlops.environment.repositories import Repository

#: Keys with a fixed name, and the values that override the configuration.
_OFF = {
    "core.fsmonitor": "false",  # a program that git calls at each read of the index, or a daemon
    "core.hooksPath": os.devnull,  # programs at post-index-change, reference-transaction, post-checkout
    "core.pager": "cat",
    "core.editor": ":",
    "sequence.editor": ":",
    "core.askPass": "",  # a program that asks for passwords
    "core.sshCommand": "false",  # programs that make a connection
    "core.gitProxy": "",
    "core.alternateRefsCommand": "",  # a program that lists another repository's refs
    "core.splitIndex": "false",  # would write a part of our own index into the user's .git
    "credential.helper": "",  # programs that supply passwords
    "diff.external": "",
    "diff.submodule": "short",  # else `log` and `diff` run git in the submodule, with its own configuration
    "diff.noprefix": "false",  # a recorded patch must be applicable
    "diff.mnemonicPrefix": "false",
    "interactive.diffFilter": "",
    "gpg.program": "false",  # programs that sign, or check a signature when a commit is shown
    "gpg.ssh.defaultKeyCommand": "",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "log.showSignature": "false",
    "submodule.recurse": "false",  # a submodule has its own configuration
    "fetch.recurseSubmodules": "false",
    "status.submoduleSummary": "false",
    "uploadpack.packObjectsHook": "",  # a program in place of `git pack-objects`
    "protocol.allow": "never",  # contact no remote: ext:: names a program, file: runs uploadpack
    "fetch.bundleURI": "",  # an address to fetch missing objects from
    "maintenance.auto": "false",  # slow, and runs the hook pre-auto-gc
    "gc.auto": "0",
}
#: Keys that contain a name from the configuration, and the values that override them where they occur.
_NAMED = [
    (re.compile(pattern, re.DOTALL), value)
    for pattern, value in (
        (r"filter\..*\.(clean|smudge|process)", ""),  # programs that convert a file's content
        (r"filter\..*\.required", "false"),  # else a filter that is turned off is an error
        (
            r"diff\..*\.(command|textconv)",
            "",
        ),  # programs that compare a file, or convert it to text
        (r"diff\..*\.cachetextconv", "false"),
        (r"merge\..*\.driver", ""),
        (r"(difftool|mergetool|guitool|browser|man)\..*\.(cmd|path)", ""),
        (r"(pager|alias)\..*", ""),
        (r"credential\..*\.helper", ""),
        (r"gpg\..*\.program", "false"),
        (r"hook\..*\.command", ""),  # since git 2.54
        (r"hook\..*\.enabled", "false"),
        (
            r"remote\..*\.(uploadpack|receivepack)",
            "false",
        ),  # programs of the remote side; with file: they run here
        (r"remote\..*\.(vcs|proxy)", ""),
        (r"remote\..*\.promisor", "false"),  # missing objects are not fetched
        (r"protocol\..*\.allow", "never"),
        (r"submodule\..*\.update", "none"),  # `!program`
        (r"trailer\..*\.(command|cmd)", ""),
        (r"tar\..*\.command", ""),
        (r"sendemail\..*", ""),
        (r"imap\.tunnel|web\.browser|instaweb\..*|help\.browser", ""),
    )
]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Options that turn off what one repository's configuration would run."""

    switches: tuple[str, ...]
    #: Names of the filters that plain git would run.
    filters: frozenset[str]
    stamps: tuple[tuple[str, tuple[int, ...]], ...]


def read(repository: Repository, listed: str) -> Overrides:
    """Return the overrides for a configuration, given as `git config --list -z --show-origin` prints it.

    Raises:
        RepositoryRefused: the configuration names another work tree, or has a key that cannot be overridden.
    """
    switches: dict[str, str] = {}
    drivers = set()
    origins = set()
    cacheable = True
    words = listed.split("\0")
    for origin, item in zip(words[0::2], words[1::2], strict=False):
        key, _, value = item.partition("\n")
        name = repository.absolute(origin.removeprefix("file:")) if "file:" in origin else ""
        if name:
            origins.add(name)
        section = key.partition(".")[0]
        if section in {"include", "includeif"}:
            # The included file may be created later, or depend on the branch.
            cacheable &= name not in repository.settings and not key.startswith(
                ("includeif.onbranch", "includeif.hasconfig")
            )
        elif key == "core.worktree" and repository.folder == repository.common:
            repository.refuse_other_worktree(value)
        else:
            switches.update((key, to) for pattern, to in _NAMED if pattern.fullmatch(key))
        if section == "filter" and value and not key.endswith(".required"):
            drivers.add(key.partition(".")[2].rpartition(".")[0])
    for key in switches:
        if "=" in key:
            raise RepositoryRefused(
                f"The git configuration of {repository.top} has the key {printable(key)}",
                "A key with '=' cannot be turned off: rename it without '='",
            )
    pairs = [word for key, value in switches.items() for word in ("-c", f"{key}={value}")]
    files = {*origins, *repository.settings, *repositories.users_settings()}
    return Overrides(
        (*fixed(), *pairs),
        frozenset(drivers),
        repositories.stamps(sorted(files)) if cacheable else (),
    )


@lru_cache(maxsize=1)
def fixed() -> tuple[str, ...]:
    """Return the options that every git command gets."""
    return (
        "--no-pager",
        *(word for key, value in _OFF.items() for word in ("-c", f"{key}={value}")),
    )

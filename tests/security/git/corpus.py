"""Repositories that somebody else has prepared: each names a program where git looks for one.

An `Attack` changes a repository of ours; `fires` are plain git commands of which at least one runs its
program. Where no plain command of this git does, `fires` is empty and `why` says what git itself does against it.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Every hook that git knows (git help hooks).
HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit",
    "prepare-commit-msg", "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge",
    "pre-push", "pre-receive", "update", "proc-receive", "post-receive", "post-update",
    "reference-transaction", "push-to-checkout", "pre-auto-gc", "post-rewrite",
    "sendemail-validate", "post-index-change",
)  # fmt: skip

_COMMIT = "git commit --allow-empty -qm c"
_TO_ITSELF = (
    f"{_COMMIT}; git branch other; git checkout -q other; {_COMMIT}; "
    "git push -q . HEAD:refs/heads/pushed"
)
_PATCH = (
    "git stash -q; echo p > p; git add p; git commit -qm p --no-verify; "
    "git format-patch -1 --stdout > ../p.mbox; git reset -q --hard HEAD~1; git am ../p.mbox"
)
_MERGE = (
    "git stash -q; git checkout -qb side; echo s > s; git add s; git commit -qm s; "
    "git checkout -q -; {between}git merge --no-ff -qm m side"
)
_HOOK_FIRES = {
    "applypatch-msg": _PATCH,
    "pre-applypatch": _PATCH,
    "post-applypatch": _PATCH,
    "pre-merge-commit": _MERGE.format(between=""),
    "post-merge": _MERGE.format(between=""),
    "pre-rebase": "git stash -q; git rebase -q --force-rebase HEAD~1",
    "post-checkout": "git checkout -q -- . ; git checkout -qb new",
    "pre-push": _TO_ITSELF,
    "pre-receive": _TO_ITSELF,
    "update": _TO_ITSELF,
    "post-receive": _TO_ITSELF,
    "post-update": _TO_ITSELF,
    "proc-receive": "git config receive.procReceiveRefs refs/for; git push -q . HEAD:refs/for/x",
    "push-to-checkout": "git stash -q; git config receive.denyCurrentBranch updateInstead; "
    "git commit-tree -p HEAD -m x HEAD^{tree} > ../id; git push -q . $(cat ../id):$(git symbolic-ref HEAD)",
    "pre-auto-gc": "git config gc.auto 1; git config gc.autoDetach false; "
    "for i in 1 2 3 4 5 6 7 8 9; do "
    "for j in 1 2 3 4 5 6 7 8 9; do echo $i$j | git hash-object -w --stdin; done; done; "
    "mkdir -p .git/objects/17; for i in 1 2 3; do "
    "touch .git/objects/17/$(printf '%038d' $i); done; git gc --auto",
    "post-rewrite": "git commit --amend -qm a",
    "sendemail-validate": "git format-patch -1 -o ..; "
    "git send-email --to=a@localhost --from=b@localhost --smtp-server=/bin/false ../0001*",
}


@dataclass(frozen=True)
class Attack:
    """One hostile change to a repository."""

    name: str
    change: Callable[[Path, str], None]
    fires: str = ""
    #: Why no plain command fires it.
    why: str = ""
    #: What the kernel's own environment has, by the same hand.
    environment: dict[str, str] = field(default_factory=dict)
    #: The part of git that it is for, where that is a package of its own.
    needs: str = ""
    #: It is refused: it leads to another repository, or cannot be switched off.
    refused: bool = False


def _config(text: str, attributes: str = "", more: str = "") -> Callable[[Path, str], None]:
    def change(root: Path, program: str) -> None:
        with (root / ".git/config").open("a") as file:
            file.write("\n" + text.replace("RUN", program).replace("ROOT", str(root)) + "\n")
        if attributes:
            (root / ".gitattributes").write_text(attributes + "\n")
        if more:
            subprocess.run(
                ["sh", "-c", more.replace("RUN", program)], cwd=root, check=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    return change


def _hook(name: str) -> Callable[[Path, str], None]:
    def change(root: Path, program: str) -> None:
        folder = root / ".git/hooks"
        folder.mkdir(exist_ok=True)
        shutil.copy(program, folder / name)

    return change


def _hooks_path(root: Path, program: str) -> None:
    folder = root / "hooks"
    folder.mkdir()
    for name in HOOKS:
        shutil.copy(program, folder / name)
    _config("[core]\nhooksPath = hooks")(root, program)


def _included(condition: str, text: str = "[core]\nfsmonitor = RUN") -> Callable[[Path, str], None]:
    def change(root: Path, program: str) -> None:
        (root / "settings.inc").write_text(text.replace("RUN", program))
        condition_here = condition.replace("ROOT", str(root))
        _config(f"[{condition_here}]\npath = ../settings.inc")(root, program)

    return change


def _twice_included(root: Path, program: str) -> None:
    (root / "second.inc").write_text(f"[core]\nfsmonitor = {program}\n")
    (root / "first.inc").write_text("[include]\npath = second.inc\n")
    _config("[include]\npath = ../first.inc")(root, program)


def _of_worktree(root: Path, program: str) -> None:
    _config("[core]\nrepositoryformatversion = 1\n[extensions]\nworktreeConfig = true")(
        root, program
    )
    (root / ".git/config.worktree").write_text(
        f'[core]\nfsmonitor = {program}\n[filter "w"]\nclean = {program}\n'
    )
    (root / ".gitattributes").write_text("* filter=w\n")


def _submodule(text: str, attributes: str = "") -> Callable[[Path, str], None]:
    """Make a submodule with a configuration of its own; its `.git` is a folder in it."""

    def change(root: Path, program: str) -> None:
        inner = root / "inner"
        inner.mkdir()
        _git(inner, "init", "-q")
        (inner / "file.py").write_text("1\n")
        if attributes:
            (inner / ".gitattributes").write_text(attributes)
        _git(inner, "add", "-A")
        _git(inner, "commit", "-qm", "inner")
        (root / ".gitmodules").write_text('[submodule "inner"]\npath = inner\nurl = ./inner\n')
        _git(root, "add", ".gitmodules", "inner")
        _git(root, "commit", "-qm", "submodule")
        _config('[submodule "inner"]\nactive = true\nignore = none')(root, program)
        (inner / "file.py").write_text("2\n")
        with (inner / ".git/config").open("a") as file:
            file.write(text.replace("RUN", program))

    return change


def _partial(text: str) -> Callable[[Path, str], None]:
    """Lack the content of a file that HEAD names; a remote is said to have it."""

    def change(root: Path, program: str) -> None:
        blob = _git(root, "rev-parse", "HEAD:notes.txt").strip()
        (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
        (root / "notes.txt").write_text("changed\n")
        _config(
            "[core]\nrepositoryformatversion = 1\n[extensions]\npartialClone = far\n"
            '[remote "far"]\npromisor = true\n' + text
        )(root, program)

    return change


def _bare_inside(root: Path, program: str) -> None:
    """Make the folder of the data a bare repository, which git finds before the project's."""
    inner = root / "data"
    _git(root, "init", "-q", "--bare", str(inner / "aside"))
    for item in (inner / "aside").iterdir():
        shutil.move(item, inner / item.name)
    (inner / "aside").rmdir()
    with (inner / "config").open("a") as file:
        file.write(f"[core]\nbare = false\nworktree = {root}\nfsmonitor = {program}\n")


def _gitfile(root: Path, program: str) -> None:
    other = _other(root, program)
    shutil.rmtree(root / ".git")
    (root / ".git").write_text(f"gitdir: {other}/.git\n")


def _gitlink(root: Path, program: str) -> None:
    other = _other(root, program)
    shutil.rmtree(root / ".git")
    (root / ".git").symlink_to(other / ".git")


def _commondir(root: Path, program: str) -> None:
    (root / ".git/commondir").write_text(f"{_other(root, program)}/.git\n")


def _inside(root: Path, program: str) -> None:
    (root / ".git").rename(root / "settings")
    (root / ".git").write_text("gitdir: settings\n")
    with (root / "settings/config").open("a") as file:
        file.write(f"[core]\nfsmonitor = {program}\n")


def _worktree_elsewhere(root: Path, program: str) -> None:
    _config(f"[core]\nworktree = {_other(root, program)}\nfsmonitor = {program}")(root, program)


def _other(root: Path, program: str) -> Path:
    """Make another repository of the same user, with the same trap."""
    other = root.parent / "other"
    shutil.rmtree(other, ignore_errors=True)
    other.mkdir()
    _git(other, "init", "-q")
    (other / "private.py").write_text("private = 1\n")
    _git(other, "add", "-A")
    _git(other, "commit", "-qm", "private")
    with (other / ".git/config").open("a") as file:
        file.write(f"[core]\nfsmonitor = {program}\n")
    return other


def _nothing(root: Path, program: str) -> None:
    """The hostile part is in the environment."""


def _git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=root, check=True, capture_output=True, text=True
    ).stdout


def _attributes_in_git(root: Path, program: str) -> None:
    _config('[filter "x"]\nclean = RUN\nsmudge = RUN\n[diff "x"]\ntextconv = RUN\n')(root, program)
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/attributes").write_text("* filter=x diff=x\n")


def _attributes_file(root: Path, program: str) -> None:
    (root / "attributes").write_text("* filter=x\n")
    _config('[core]\nattributesFile = ROOT/attributes\n[filter "x"]\nclean = RUN\n')(root, program)


_DIFF = "git diff; git diff HEAD~1 HEAD"
_CHECKOUT = (
    "git stash -q; rm -f train.py; git checkout -q -- train.py; git worktree add -q ../w HEAD"
)
_ADD = "touch train.py; git diff; git add -A"


def _filters() -> list[Attack]:
    found = [
        Attack(f"filter {kind}", _config(f'[filter "x"]\n{kind} = RUN', "* filter=x"), fires)
        for kind, fires in (
            ("clean", _ADD),
            ("smudge", _CHECKOUT),
            ("process", f"{_ADD}; {_CHECKOUT}"),
        )
    ]
    found += [
        Attack(
            f"filter called {name!r}",
            _config(
                f'[filter "{name}"]\nclean = RUN\nsmudge = RUN\nrequired = true', f"* filter={name}"
            ),
            _ADD,
        )
        for name in ("LFS", "lfs", "a.b", "nbstripout", "ä", "x.clean", "-c", "a/b", "${x}", "$(x)")
    ]
    return [
        *found,
        Attack(
            "filter, required",
            _config('[filter "x"]\nclean = RUN\nsmudge = RUN\nrequired', "* filter=x"),
            _ADD,
        ),
        Attack("filter, attributes in .git/info", _attributes_in_git, _ADD),
        Attack("filter, core.attributesFile", _attributes_file, _ADD),
        Attack("filter and include", _included("include", '[filter "x"]\nclean = RUN'), "",
               "without an attribute a filter does nothing"),
        Attack(
            "filter called 'a=b'",
            _config('[filter "a=b"]\nclean = RUN\nsmudge = RUN', "* filter=a=b"),
            _ADD,
            refused=True,
        ),
        Attack("filter without a name", _config('[filter ""]\nclean = RUN', "* filter="), _ADD),
        Attack("filter of an old form", _config("[filter.x]\nclean = RUN", "* filter=x"), _ADD),
    ]  # fmt: skip


def _programs() -> list[Attack]:
    at = "RUN"
    pager = "script -qec 'git -c color.ui=never {}' /dev/null < /dev/null"
    return [
        Attack("core.fsmonitor", _config("[core]\nfsmonitor = RUN"), "git status"),
        Attack(
            "core.fsmonitor, version 1",
            _config("[core]\nfsmonitor = RUN\nfsmonitorHookVersion = 1"),
            "git status",
        ),
        Attack("core.hooksPath", _hooks_path, f"git status; {_COMMIT}"),
        Attack("diff.external", _config("[diff]\nexternal = RUN"), _DIFF),
        Attack("diff driver command", _config('[diff "x"]\ncommand = RUN', "* diff=x"), _DIFF),
        Attack("diff driver textconv", _config('[diff "x"]\ntextconv = RUN', "* diff=x"), _DIFF),
        Attack(
            "diff driver textconv, cached",
            _config('[diff "x"]\ntextconv = RUN\ncachetextconv = true', "* diff=x"),
            _DIFF,
        ),
        Attack(
            "textconv of a shown file",
            _config('[diff "x"]\ntextconv = RUN', "*.dvc diff=x"),
            "git show --textconv HEAD:data/train.csv.dvc",
        ),
        Attack(
            "merge driver",
            _config('[merge "x"]\ndriver = RUN %O %A %B', "* merge=x"),
            "git stash -q; git checkout -qb side; echo s >> train.py; git commit -qam s; "
            "git checkout -q -; echo t >> train.py; git commit -qam t; git merge -q side",
        ),
        Attack("core.pager", _config("[core]\npager = RUN"), pager.format("log")),
        Attack("pager of a command", _config("[pager]\ndiff = RUN\nlog = RUN\nshow = RUN"), pager.format("log")),
        Attack("core.editor", _config("[core]\neditor = RUN"), "git commit --allow-empty"),
        Attack("sequence.editor", _config("[sequence]\neditor = RUN"), "git stash -q; git rebase -i HEAD~1"),
        Attack(
            "core.sshCommand",
            _config('[core]\nsshCommand = RUN\n[remote "origin"]\nurl = ssh://localhost/x\nfetch = +refs/*:refs/*'),
            "git fetch origin",
        ),
        Attack(
            "core.gitProxy",
            _config('[core]\ngitProxy = RUN\n[remote "origin"]\nurl = git://localhost/x\nfetch = +refs/*:refs/*'),
            "git fetch origin",
        ),
        Attack(
            "core.askPass", _config("[core]\naskPass = RUN"),
            "printf 'protocol=http\\nhost=localhost\\n\\n' | git credential fill",
        ),
        Attack(
            "credential.helper", _config("[credential]\nhelper = !RUN"),
            "printf 'protocol=http\\nhost=localhost\\n\\n' | git credential fill",
        ),
        Attack(
            "credential.helper of an address", _config('[credential "http://localhost"]\nhelper = !RUN'),
            "printf 'protocol=http\\nhost=localhost\\n\\n' | git credential fill",
        ),
        Attack("gpg.program", _config("[gpg]\nprogram = RUN\n[commit]\ngpgSign = true"), f"{_COMMIT} -S"),
        Attack(
            "gpg.ssh.program",
            _config('[gpg]\nformat = ssh\n[gpg "ssh"]\nprogram = RUN\n[user]\nsigningKey = key::ssh-rsa A\n[commit]\ngpgSign = true'),
            f"{_COMMIT} -S",
        ),
        Attack(
            "gpg.x509.program",
            _config('[gpg]\nformat = x509\n[gpg "x509"]\nprogram = RUN\n[commit]\ngpgSign = true'),
            f"{_COMMIT} -S",
        ),
        Attack(
            "gpg.openpgp.program", _config('[gpg "openpgp"]\nprogram = RUN\n[commit]\ngpgSign = true'),
            f"{_COMMIT} -S",
        ),
        Attack(
            "gpg.ssh.defaultKeyCommand",
            _config('[gpg]\nformat = ssh\n[gpg "ssh"]\ndefaultKeyCommand = RUN\n[commit]\ngpgSign = true'),
            f"{_COMMIT} -S",
        ),
        Attack(
            "log.showSignature",
            _config(
                "[gpg]\nprogram = RUN\n[log]\nshowSignature = true\n", "",
                "git cat-file commit HEAD | sed '/^committer/a gpgsig -----BEGIN PGP SIGNATURE-----\\n \\n"
                " x\\n -----END PGP SIGNATURE-----' | git hash-object -t commit -w --stdin > ../signed; "
                "git update-ref HEAD $(cat ../signed)",
            ),
            "git show HEAD",
        ),
        Attack(
            "core.alternateRefsCommand",
            _config(
                "[core]\nalternateRefsCommand = RUN", "",
                "git clone -q --bare . ../alternate; mkdir -p .git/objects/info; "
                "cd ../alternate; pwd | sed 's,$,/objects,' > \"$OLDPWD/.git/objects/info/alternates\"",
            ),
            "git rev-list --alternate-refs --not --all",
        ),
        Attack(
            "uploadpack.packObjectsHook", _config("[uploadpack]\npackObjectsHook = RUN"), "",
            "git reads it from the user's own configuration only",
        ),
        Attack(
            "interactive.diffFilter", _config("[interactive]\ndiffFilter = RUN"),
            "script -qec 'git -c color.ui=always add -p' /dev/null < /dev/null",
        ),
        Attack("alias", _config("[alias]\nxy = !RUN"), "git xy"),
        Attack("alias of a command of git", _config("[alias]\nstatus = !RUN\ndiff = !RUN\nls-files = !RUN"),
               "", "git uses no alias for a command of its own"),
        Attack("difftool", _config('[difftool "x"]\ncmd = RUN'), "git difftool -y -t x"),
        Attack("difftool path", _config('[difftool "meld"]\npath = RUN'), "git difftool -y -t meld"),
        Attack(
            "mergetool", _config('[mergetool "x"]\ncmd = RUN\ntrustExitCode = true'),
            "git difftool -y -t x",
        ),
        Attack("guitool", _config('[guitool "x"]\ncmd = RUN'), "", "only git gui reads it"),
        Attack("browser", _config('[browser "x"]\ncmd = RUN\n[web]\nbrowser = x'), "git web--browse file:///"),
        Attack("man viewer", _config('[man "x"]\ncmd = RUN\n[man]\nviewer = x'), "git help -m log"),
        Attack(
            "trailer command", _config('[trailer "x"]\nkey = X\ncommand = RUN'),
            "git interpret-trailers /dev/null",
        ),
        Attack(
            "trailer cmd", _config('[trailer "x"]\nkey = X\ncmd = RUN'),
            "git interpret-trailers --trailer x=1 /dev/null",
        ),
        Attack(
            "sendemail.toCmd", _config("[sendemail]\ntoCmd = RUN\nccCmd = RUN\nsmtpServer = RUN"),
            "git format-patch -1 -o ..; git send-email --quiet --from=b@localhost --to=a@localhost "
            "--confirm=never ../0001*",
            needs="git-send-email",
        ),
        Attack("imap.tunnel", _config("[imap]\ntunnel = RUN\nfolder = x"), "git format-patch --stdout -1 | git imap-send"),
        Attack(
            "archive format", _config('[tar "x"]\ncommand = RUN'), "git archive --format=x HEAD"
        ),
        Attack(
            "remote helper",
            _config('[remote "origin"]\nurl = ext::RUN\n[protocol "ext"]\nallow = always'),
            "git ls-remote origin",
        ),
        Attack(
            "remote upload-pack", _config('[remote "origin"]\nurl = .\nuploadpack = RUN'), "git ls-remote origin"
        ),
        Attack(
            "remote receive-pack",
            _config('[remote "origin"]\nurl = .\nreceivepack = RUN'), "git push origin HEAD:refs/heads/x",
        ),
        Attack(
            "url.insteadOf",
            _config('[url "ext::RUN "]\ninsteadOf = x:\n[protocol "ext"]\nallow = always'), "git ls-remote x:y",
        ),
        Attack("configured hook", _config(f'[hook "x"]\ncommand = {at}\nevent = pre-commit\nevent = post-index-change'),
               "", "hooks in the configuration came with a later git"),
    ]  # fmt: skip


def _places() -> list[Attack]:
    status = "git status"
    far = "git cat-file -p HEAD:notes.txt"
    return [
        Attack("include.path", _included("include"), status),
        Attack("include in an include", _twice_included, status),
        Attack("includeIf gitdir", _included('includeIf "gitdir:ROOT/"'), status),
        Attack("includeIf gitdir/i", _included('includeIf "gitdir/i:ROOT/"'), status),
        Attack("includeIf onbranch", _included('includeIf "onbranch:**"'), status),
        Attack(
            "includeIf hasconfig",
            _included('remote "o"]\nurl = x\n[includeIf "hasconfig:remote.*.url:x"'),
            status,
        ),
        Attack("config.worktree", _of_worktree, status),
        Attack("submodule with core.fsmonitor", _submodule("[core]\nfsmonitor = RUN\n"), status),
        Attack(
            "submodule with a filter",
            _submodule('[filter "x"]\nclean = RUN\n', "* filter=x\n"),
            status,
        ),
        Attack("submodule with diff.external", _submodule("[diff]\nexternal = RUN\n"), "git diff --submodule=diff"),
        Attack(
            "submodule update",
            _config('[submodule "inner"]\nupdate = !RUN', "", "true"), "",
            "needs git submodule update; with a submodule it is tried below",
        ),
        Attack(
            "submodule update of a submodule",
            lambda root, program: (
                _submodule("")(root, program),
                _config('[submodule "inner"]\nupdate = !RUN\nurl = ./inner')(root, program),
            )[0],
            "git -C inner checkout -q --orphan x; git -C inner reset -q --hard; git -C inner commit -qm x --allow-empty; git submodule update",
        ),
        Attack(
            "partial clone, ext",
            _partial('url = ext::RUN\n[protocol "ext"]\nallow = always'), far,
        ),
        Attack("partial clone, upload-pack", _partial("url = .\nuploadpack = RUN"), far),
        Attack(
            "partial clone, ssh",
            _partial("url = ssh://localhost/x\n[core]\nsshCommand = RUN"), far,
        ),
        Attack(
            "partial clone, git proxy",
            _partial("url = git://localhost/x\n[core]\ngitProxy = RUN"), far,
        ),
        Attack(
            "partial clone, vcs", _partial("url = x\nvcs = ext"), "",
            "git-remote-ext wants an address with a program in it: tried above",
        ),
        Attack("a bare repository in a folder", _bare_inside, "cd data && git status"),
        Attack(".git leads to another repository", _gitfile, status, refused=True),
        Attack(".git is a link to another repository", _gitlink, status, refused=True),
        Attack("commondir of another repository", _commondir, status, refused=True),
        Attack("core.worktree of another folder", _worktree_elsewhere, status, refused=True),
        Attack(".git leads into the folder", _inside, status),
    ]  # fmt: skip


def _from_the_environment() -> list[Attack]:
    variables: dict[str, tuple[dict[str, str], str]] = {
        "GIT_EXTERNAL_DIFF": ({"GIT_EXTERNAL_DIFF": "RUN"}, "git diff"),
        "GIT_CONFIG_COUNT": (
            {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "core.fsmonitor",
                "GIT_CONFIG_VALUE_0": "RUN",
            },
            "git status",
        ),
        "GIT_CONFIG_PARAMETERS": (
            {"GIT_CONFIG_PARAMETERS": "'core.fsmonitor'='RUN'"},
            "git status",
        ),
        "GIT_DIR": ({"GIT_DIR": "OTHER/.git", "GIT_WORK_TREE": "OTHER"}, "git status"),
        "GIT_COMMON_DIR": ({"GIT_COMMON_DIR": "OTHER/.git"}, "git status"),
        "GIT_SSH_COMMAND": ({"GIT_SSH_COMMAND": "RUN"}, "git ls-remote ssh://localhost/x"),
        "GIT_SSH": ({"GIT_SSH": "RUN"}, "git ls-remote ssh://localhost/x"),
        "GIT_PROXY_COMMAND": ({"GIT_PROXY_COMMAND": "RUN"}, "git ls-remote git://localhost/x"),
        "GIT_EDITOR": ({"GIT_EDITOR": "RUN"}, "git commit --allow-empty"),
        "GIT_SEQUENCE_EDITOR": (
            {"GIT_SEQUENCE_EDITOR": "RUN"},
            "git stash -q; git rebase -i HEAD~1",
        ),
        "GIT_ASKPASS": (
            {"GIT_ASKPASS": "RUN"},
            "printf 'protocol=http\\nhost=localhost\\n\\n' | git credential fill",
        ),
        "GIT_PAGER": (
            {"GIT_PAGER": "RUN"},
            "script -qec 'git -c color.ui=never log' /dev/null < /dev/null",
        ),
        "GIT_TEMPLATE_DIR": (
            {"GIT_TEMPLATE_DIR": "TEMPLATE"},
            "git init -q ../fresh; cd ../fresh; touch a; git add a; git commit -qm c",
        ),
        "GIT_EXEC_PATH": ({"GIT_EXEC_PATH": "EXEC"}, "git web--browse x"),
    }
    found = []
    for name, (environment, fires) in variables.items():
        found.append(Attack(f"environment {name}", _surroundings, fires, environment=environment))
    return found


def _surroundings(root: Path, program: str) -> None:
    """Make what the environment's values name: another repository, templates, git's programs."""
    _other(root, program)
    template = root.parent / "template"
    (template / "hooks").mkdir(parents=True, exist_ok=True)
    for name in HOOKS:
        shutil.copy(program, template / "hooks" / name)
    programs = root.parent / "exec"
    programs.mkdir(exist_ok=True)
    for name in ("git", "git-web--browse", "git-status", "git-diff", "git-ls-files", "git-config"):
        shutil.copy(program, programs / name)


ATTACKS = [
    *_programs(),
    *_filters(),
    *_places(),
    *_from_the_environment(),
    *(
        Attack(
            f"hook {name}",
            _hook(name),
            _HOOK_FIRES.get(name, f"touch train.py; git status; {_COMMIT}"),
            needs="git-send-email" if name == "sendemail-validate" else "",
        )
        for name in HOOKS
    ),
]

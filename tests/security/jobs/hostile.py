"""Job files that somebody else may have written; each is one line of error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOTEBOOK = "notebook: a.ipynb\n"
LAUGHS = (
    NOTEBOOK
    + "params:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
)
MERGES = (
    NOTEBOOK
    + "params:\n  a0: &a0 {k: v}\n"
    + "".join(f"  a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
)

# With libyaml and without it.
SURROGATE = "invalid Unicode character|an invalid character"

#: The text of a file and what the line that it comes to has in it: one of the parts between `|`.
TEXTS: dict[str, tuple[str | bytes, str]] = {
    "no-such-day": (NOTEBOOK + "params: {day: 2026-02-30}", "a value that cannot be read: day is out of range"),
    "no-such-time": (NOTEBOOK + "params: {t: 2026-01-01 25:00:00}", "cannot be read"),
    "deep": (NOTEBOOK + "params: " + "[" * 5000, "nested more than 32 deep"),
    "deep-closed": (NOTEBOOK + "params: " + "[" * 5000 + "]" * 5000, "nested more than 32 deep"),
    "deep-mapping": (NOTEBOOK + "params: " + "{a: " * 5000 + "}" * 5000, "nested more than 32 deep"),
    "deep-block": (NOTEBOOK + "params:\n" + "".join(" " * n + "a:\n" for n in range(1, 250)), "nested more"),
    "deep-lists": (NOTEBOOK + "params:\n  " + "- " * 5000, "nested more than 32 deep"),
    "digits": (NOTEBOOK + f"params: {{n: {'9' * 5000}}}", "a number of 5,000 digits"),
    "hexadecimal": (NOTEBOOK + f"params: {{n: 0x{'f' * 5000}}}", "a number of 5,002 digits"),
    "binary-number": (NOTEBOOK + f"params: {{n: 0b{'1' * 290}{'_' * 20000}}}", "digits"),
    "sexagesimal": (NOTEBOOK + f"params: {{n: {':'.join(['1'] * 20000)}}}", "digits"),
    "tagged-number": (NOTEBOOK + f'params: {{n: !!int "0x{"f" * 5000}"}}', "digits"),
    "timeout-digits": (NOTEBOOK + f"timeout: {'9' * 5000}", "digits"),
    "bits": (NOTEBOOK + f"params: {{n: 0x{'f' * 298}}}", "a number of 1192 bits"),
    "itself": (NOTEBOOK + "params: &p {p: *p}", "nested more than 32 deep"),
    "itself-in-a-list": (NOTEBOOK + "params: {l: &l [*l, *l]}", "nested more than 32 deep"),
    "whole-file-in-itself": ("&all\nnotebook: a.ipynb\nparams: *all", "nested more than 32 deep"),
    "billion-laughs": (LAUGHS, "more than 10,000 values"),
    "billion-merges": (MERGES, "a job cannot use '<<'"),
    "merge-itself": (NOTEBOOK + "params: &p\n  <<: *p", "a job cannot use '<<'"),
    "many-values": (NOTEBOOK + f"params: {{l: [{'1,' * 20000}]}}", "more than 10,000 values"),
    "large": (NOTEBOOK + "#" * 70_000, "larger than 65,536 bytes"),
    "surrogate": (NOTEBOOK + 'params: {a: "\\ud800"}', SURROGATE),
    "surrogate-key": (NOTEBOOK + 'params: {"\\ud800": 1}', SURROGATE),
    "surrogate-notebook": ('notebook: "\\udfff.ipynb"', SURROGATE),
    "null-byte": (NOTEBOOK.encode() + b"params: {a: \x00}", "cannot be read"),
    "escaped-null": ('notebook: "a\\0.ipynb"', "has a NUL"),
    "escaped-null-param": (NOTEBOOK + 'params: {a: "\\0"}', "has a NUL"),
    "not-utf8": (b"notebook: \xff\xfe\xfa.ipynb", "cannot be read"),
    "half-utf16": (b"\xff\xfen\x00o", ""),
    "control": (NOTEBOOK.encode() + b"params: {a: \x1b[31m}", ""),
    "escape-in-key": (NOTEBOOK + '"\\e[31mred": 1', "unknown key '\\x1b[31mred'"),
    "python-object": (NOTEBOOK + "params: {a: !!python/object/apply:os.system [touch hacked]}", "constructor"),
    "python-name": (NOTEBOOK + "params: {a: !!python/name:os.system }", "constructor"),
    "python-module": ("!!python/module:os", "constructor"),
    "own-tag": (NOTEBOOK + "params: {a: !Ref b}", "constructor"),
    "bytes": (NOTEBOOK + "params: {a: !!binary aGVsbG8=}", "is of type bytes"),
    "bad-base64": (NOTEBOOK + "params: {a: !!binary é}", ""),
    "empty-int": (NOTEBOOK + "params: {a: !!int ''}", "cannot be read"),
    "empty-float": (NOTEBOOK + "params: {a: !!float ''}", "cannot be read"),
    "no-timestamp": (NOTEBOOK + "params: {a: !!timestamp x}", "cannot be read"),
    "no-bool": (NOTEBOOK + "params: {a: !!bool x}", "cannot be read"),
    "number-keys": (NOTEBOOK + "params: {1: a}", "keys that are not text"),
    "null-key": (NOTEBOOK + "params: {~: a}", "keys that are not text"),
    "date-key": (NOTEBOOK + "params: {2026-01-01: a}", "keys that are not text"),
    "deep-number-keys": (NOTEBOOK + "params: {a: {b: {true: a}}}", "keys that are not text"),
    "list-key": (NOTEBOOK + "params: {[a]: b}", "is not YAML"),
    "yes-key": (NOTEBOOK + "on: push", "unknown key 'True'"),
    "params-list": (NOTEBOOK + "params: [1]", "params: input should be"),
    "notebook-list": ("notebook: [a.ipynb]", "notebook: input should be"),
    "two-documents": (NOTEBOOK + "---\n" + NOTEBOOK, "is not YAML"),
    "empty": ("", "must be keys and values"),
    "text": ("hello", "must be keys and values"),
    "infinite-timeout": (NOTEBOOK + "timeout: .inf", "timeout: "),
    "no-number-timeout": (NOTEBOOK + "timeout: .nan", "timeout: "),
    "overflowing-timeout": (NOTEBOOK + "timeout: 1e400", "timeout: "),
    "large-timeout": (NOTEBOOK + "timeout: 1.0e+300", "timeout: "),
    "negative-timeout": (NOTEBOOK + "timeout: -1", "timeout: "),
    "long-cron": (NOTEBOOK + f"cron: '{','.join(['1'] * 5000)} * * * *'", "longer than 200 characters"),
    "random-cron": (NOTEBOOK + "cron: R R R R R", "random time"),
    "hashed-cron": (NOTEBOOK + "cron: H H * * *", "random time"),
    "never-cron": (NOTEBOOK + "cron: 0 0 30 2 *", "not a cron expression"),
    "digits-cron": (NOTEBOOK + f"cron: '{'9' * 190} * * * *'", "not a cron expression"),
    "step-cron": (NOTEBOOK + "cron: '*/0 * * * *'", "not a cron expression"),
    "unicode-cron": (NOTEBOOK + "cron: '٣ * * * *'", "no cron expression has"),
    "number-cron": (NOTEBOOK + "cron: 5", "cron: input should be"),
    "odd-zone": (NOTEBOOK + "timezone: ../../../etc/passwd", "unknown time zone"),
    "long-zone": (NOTEBOOK + f"timezone: {'a' * 5000}", "unknown time zone"),
    "folder-zone": (NOTEBOOK + "timezone: Europe", "unknown time zone"),
    "file-zone": (NOTEBOOK + "timezone: zone.tab", "unknown time zone"),
    "up": ("notebook: ../x.ipynb", "leads out of its folder"),
    "up-inside": ("notebook: a/../../x.ipynb", "leads out of its folder"),
    "absolute": ("notebook: /etc/x.ipynb", "is absolute"),
    "another-drive": ("notebook: 'C:\\x.ipynb'", "is absolute"),
    "host": ("notebook: '\\\\host\\x.ipynb'", "is absolute"),
    "folder-itself": ("notebook: .", "is the folder itself"),
    "long-name": (f"notebook: {'a' * 300}.ipynb", "is too long"),
    "cwd-up": (NOTEBOOK + "cwd: ..", "leads out of its folder"),
    "cwd-absolute": (NOTEBOOK + "cwd: /", "is absolute"),
    "cwd-through-a-link": (NOTEBOOK + "cwd: outside", "leads through a symbolic link"),
    "notebook-through-a-link": ("notebook: outside/x.ipynb", "leads through a symbolic link"),
    "notebook-is-a-link": ("notebook: link.ipynb", "leads through a symbolic link"),
    "cwd-home": (NOTEBOOK + "cwd: ~/.ssh/../..", "leads out of its folder"),
}  # fmt: skip


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def linked(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def unreadable(path: Path) -> None:
    path.write_text(NOTEBOOK)
    path.chmod(0)


#: What is no regular file, or is one that cannot be read.
THINGS: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (os.mkfifo, "is not a regular file"),
    "folder": (os.mkdir, "is not a regular file"),
    "link": (linked, "is not a regular file"),
    "link-to-nothing": (lambda path: path.symlink_to("nothing"), "is not a regular file"),
    "link-to-itself": (lambda path: path.symlink_to(path.name), "is not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    "gigabyte": (sparse, "larger than 65,536 bytes"),
    **({"unreadable": (unreadable, "cannot be read: Permission denied")} if os.getuid() else {}),
}
#: Names that no job can have.
NAMES = [
    "-rf",
    " ",
    "a b",
    "ü",
    "new\nline",
    "\x1b[31mred",
    "a" * 100,
    ".hidden",
    "$(touch hacked)",
    "'",
    "a\udcff",
]


def place(folder: Path) -> int:
    """Write them all into the `jobs` folder of a project; return how many there are."""
    folder.mkdir(exist_ok=True)
    (folder.parent / "outside").symlink_to("/tmp")
    (folder.parent / "link.ipynb").symlink_to("/etc/passwd")
    for name, (text, _) in TEXTS.items():
        (folder / f"{name}.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    for name, (make, _) in THINGS.items():
        make(folder / f"{name}.yaml")
    for name in NAMES:
        (folder / f"{name}.yaml").write_text(NOTEBOOK)
    return len(TEXTS) + len(THINGS) + len(NAMES)

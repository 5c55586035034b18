"""Find the secrets in a text: in assignments, URLs, headers and key blocks, or by their format.

The formats are regular expressions of detect-secrets, chosen by hand. We do not use its scanner: it reads files line
by line, imports all detectors, and its entropy test reports git commits, md5 sums and images as secrets. A detector
is imported only if the text contains a prefix of its secrets, so an ordinary cell imports none. Whether a value
looks random is tested only if its name is a secret's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from jupyter_mlops.secrets import code, lists
from jupyter_mlops.secrets.names import is_secret, looks_random, names_secret

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

Span = tuple[int, int]

#: Prefixes of secrets, and the detector of detect-secrets to use if one of them is in the text.
_DETECTORS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("AKIA", "ASIA", "ABIA", "ACCA", "A3T"), "aws", "AWSKeyDetector"),
    (("AccountKey=",), "azure_storage_key", "AzureStorageKeyDetector"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "github_token", "GitHubTokenDetector"),
    (("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "GR1348941", "glcbt-", "glimt-", "glptt-",
      "glagent-", "gloas-"), "gitlab_token", "GitLabTokenDetector"),
    (("eyJ",), "jwt", "JwtTokenDetector"),
    (tuple(f"-us{digit}" for digit in range(1, 10)), "mailchimp", "MailchimpDetector"),
    (("_authToken=",), "npm", "NpmDetector"),
    (("T3BlbkFJ",), "openai", "OpenAIDetector"),
    (("pypi-",), "pypi_token", "PypiTokenDetector"),
    (("SG.",), "sendgrid", "SendGridDetector"),
    (("xox", "hooks.slack.com"), "slack", "SlackDetector"),
    (("sq0csp-",), "square_oauth", "SquareOAuthDetector"),
    (("k_live_",), "stripe", "StripeDetector"),
)  # fmt: skip
#: Formats that detect-secrets 1.5 does not know, each with its prefix.
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("github_pat_", re.compile(r"github_pat_\w{20,}")),
    ("hf_", re.compile(r"(?<!\w)hf_[A-Za-z0-9]{30,}")),
    ("sk-", re.compile(r"(?<![\w-])sk-(?:proj-|ant-|svcacct-|or-|lf-)?[\w-]{0,12}[A-Za-z0-9_-]{24,}")),
    ("sk_test_", re.compile(r"(?<!\w)sk_test_\w{16,}")),
    ("whsec_", re.compile(r"(?<!\w)whsec_[\w+/=]{20,}")),
    ("AIza", re.compile(r"(?<![\w-])AIza[\w-]{35}")),
    ("ya29.", re.compile(r"(?<!\w)ya29\.[\w.-]{20,}")),
    ("dapi", re.compile(r"(?<!\w)dapi[0-9a-f]{32}")),
    ("dckr_pat_", re.compile(r"dckr_pat_[\w-]{20,}")),
    ("npm_", re.compile(r"(?<!\w)npm_[A-Za-z0-9]{30,}")),
    ("xapp-", re.compile(r"(?<!\w)xapp-[\w-]{20,}")),
    ("shp", re.compile(r"(?<!\w)shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}")),
    (":AA", re.compile(r"(?<![\w:])\d{8,10}:AA[\w-]{33}(?![\w-])")),
)  # fmt: skip
#: The rest of a token: today's tokens are longer than what some expressions match.
_MORE = re.compile(r"[\w+/=-]*(?:\.[\w+/=-]{6,})*")
_HINT = re.compile(r"pass|pwd|pw|secret|token|key|credential|authorization")
_NAME = re.compile(r"[\w-]+")
_ASSIGNED = re.compile(
    r"""(?x)
    (?: \\*["'] )? (?: \s*\] )?                        # the end of a quoted name: d["token"]
    (?: [ \t]*:[ \t]*(?:[\w.]+(?:\[[\w., |]*\])?)(?:[ \t]*\|[ \t]*None)? (?=[ \t]*=) )?  # its type
    (?:[ \t]|\x1b\[[\d;]*m)* (?P<sign> :=|=>|[=!]?==?|: ) [ \t]* \(? (?:\s|\\+n|\x1b\[[\d;]*m)*
    (?: (?P<prefix>[rbuRBUfF]{0,2}) (?P<open>(?:\\*\"){3}|(?:\\*'){3}|\\*["']) (?P<text>.{0,4000}?) (?<!\\)(?P=open)
      | (?P<bare>[^\s"'`,;&(){}\[\]<>|\\]{1,400}) (?P<after>[(\[]?) )
    """,
    re.DOTALL,
)
_CALLED = re.compile(
    r"(?:environ\.\w+|getenv|putenv|setenv|log_param|set_tag|set_header)\(\s*\\*[\"']$"
)
_ARGUMENT = re.compile(r"""\\*["']\s*,\s*[rbu]?(?P<open>\\*["'])(?P<text>[^"'\n]*)(?P=open)""")
_OPTION = re.compile(r"""[ \t=]+(?P<quote>["']?)(?P<text>[^\s"']+)(?P=quote)""")
#: The beginning of a shell command: `%env TOKEN=…`, `!curl …`, `export TOKEN=…`.
_SHELL = re.compile(
    r"[+\- ]?\s*(?:%(?:env|set_env|sx|system)\b|!|export\s|set\s|setx\s|ENV\s|ARG\s)"
)
_BREAK = re.compile(r"\n|\\n")
_BEFORE_A_LINE = ("\n", "\\n", '"', "'")  # a command may be inside a string
_URL = re.compile(r"://[^\s:/?#@\"'<>]*:(?P<value>[^\s@/?#\"'<>\\]{1,200})@(?=[\w\[{])")
_QUERY = re.compile(
    r"(?i)[?&;](?:[\w-]*signature|sig|[\w-]*credential|[\w-]*token|[\w-]*key|[\w-]*secret|password|pwd)"
    r"=(?P<value>[^&\s\"'<>#;{}\\]{6,})"
)
_HEADER = re.compile(r"(?i)\b(?P<kind>bearer|basic|token)\s+(?P<value>[\w.~+/-]{8,}=*)")
_USER = re.compile(r"""\s(?:-u|--user)[ =]["']?[^\s:"']+:(?P<value>[^\s"'\\]{4,})""")
_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
#: The rest of an unquoted value; its first 400 characters decide whether it is a secret.
_BARE = re.compile(r"""[^\s"'`,;&(){}\[\]<>|\\]*""")
_END = "-----END"
_LONGEST_BLOCK = 20_000
#: Formats are searched for in windows of this length: some expressions take quadratic time.
_WINDOW = 2_000
#: How many lists may contain a list that is searched by its own name.
_MOST_NESTED = 4
_LINE = re.compile(r"(?m)(\\+[nrt]|^[+](?=[\w+/]{4}))|[A-Za-z0-9+/=]{2,}")
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{40,}")


def find(text: str) -> list[Span]:
    """Return the positions of the secrets in a text, in order and without overlaps."""
    assigned = [*_assigned(text)]
    spans = sorted({*_by_form(text), *_in_links(text), *_blocks(text), *assigned, *_in_code(text)})
    found: list[Span] = []
    for start, end in spans:
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif end > start:
            found.append((start, end))
    return found


def _in_code(text: str) -> list[Span]:
    """Return the secrets that only the syntax tree shows; none if no name in the text is a secret's."""
    if not any(lists.of_many(name) for name in _names(text.lower())):
        return []
    return code.find(text)


def _names(lower: str) -> Iterator[str]:
    r"""Yield the words that contain a hint.

    In linear time: an expression that begins with `[\\w-]*` takes seconds for a picture in base64.
    """
    past = 0
    for hint in _HINT.finditer(lower):
        if hint.start() < past:
            continue
        start = hint.start()
        while start > past and (lower[start - 1].isalnum() or lower[start - 1] in "_-"):
            start -= 1
        if named := _NAME.match(lower, start):
            past = named.end()
            yield named[0]


def _by_form(text: str) -> Iterator[Span]:
    for begins, module, name in _DETECTORS:
        if any(item in text for item in begins):
            for pattern in _detector(module, name):
                past = 0
                for match in _matches(pattern, text):
                    start, end = match.span()
                    if end <= past:
                        continue
                    # A group is the secret, unless it is only its prefix.
                    if pattern.groups == 1 and match.end(1) - match.start(1) > 8:
                        start, end = match.span(1)
                    if start and text[start - 1].isalnum() and text[start].isalnum():
                        continue  # a part of a longer text: an image, a hash
                    if module == "azure_storage_key":
                        start += len("AccountKey=")
                    if module == "jwt" and not _is_jwt(match[0]):
                        continue
                    more = _MORE.match(text, end)
                    past = more.end() if more else end
                    yield start, past
    for begins_with, pattern in _FORMS:
        if begins_with in text:
            for match in pattern.finditer(text):
                digits = sum(c.isdigit() for c in match[0])
                if len(set(match[0])) > 8 and (digits > 1 or begins_with != "sk-"):
                    yield match.span()


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield the matches in overlapping windows of the text; some are found twice."""
    for start in range(0, len(text), _WINDOW // 2):
        yield from pattern.finditer(text, start, start + _WINDOW)


@lru_cache(maxsize=64)
def _detector(module: str, name: str) -> tuple[re.Pattern[str], ...]:
    patterns = getattr(import_module(f"detect_secrets.plugins.{module}"), name).denylist
    # AWS' second pattern is slow, and tests the name, which we do for all values.
    return tuple(patterns[:1] if module == "aws" else patterns)


def _is_jwt(token: str) -> bool:
    from detect_secrets.plugins.jwt import JwtTokenDetector

    return bool(JwtTokenDetector.is_formally_valid(token))


def _in_links(text: str) -> Iterator[Span]:
    if "://" in text:
        for match in _URL.finditer(text):
            if is_secret("password", match["value"]):
                yield match.span("value")
        for match in _QUERY.finditer(text):
            value = match["value"]
            if any(c.isdigit() for c in value) and any(c.isalpha() for c in value):
                yield match.span("value")
    if "earer" in text or "asic " in text or "oken " in text or "EARER" in text:
        for match in _HEADER.finditer(text):
            named = "uthorization" in text[max(0, match.start() - 30) : match.start()]
            if (match["kind"].lower() == "bearer" and lists.mixed(match["value"])) or (
                named and is_secret("password", match["value"])
            ):
                yield match.span("value")
    if " -u" in text or " --user" in text:
        for match in _USER.finditer(text):
            if is_secret("password", match["value"]):
                yield match.span("value")


def _blocks(text: str) -> Iterator[Span]:
    """Yield the lines of private keys, without a diff's signs and quotes between them."""
    if "PRIVATE KEY" not in text:
        return
    for match in _BLOCK.finditer(text):
        end = text.find(_END, match.end(), match.end() + _LONGEST_BLOCK)
        complete = end >= 0
        end = end if complete else min(len(text), match.end() + _LONGEST_BLOCK)
        if not _KEY_LINE.search(text, match.end(), end):
            continue
        for line in (_LINE if complete else _KEY_LINE).finditer(text, match.end(), end):
            if not (complete and line[1]):
                yield line.span()


def _assigned(text: str) -> Generator[Span, None, None]:
    lower = text.lower()
    if len(lower) != len(text):  # the lower case of some letters is longer
        lower = "".join(c.lower() if c.isascii() else c for c in text)
    past = 0
    lists_end: list[int] = []
    for hint in _HINT.finditer(lower):
        if hint.start() < past:
            continue
        start = hint.start()
        while start > past and (text[start - 1].isalnum() or text[start - 1] in "_-"):
            start -= 1
        if text[start - 1 : start] == "\\" and start < hint.start() and text[start] in "nrt":
            start += 1  # the n of an escaped `\n`, not a letter of the name
        named = _NAME.match(text, start)
        if named is None:
            continue
        past = named.end()
        # Two dashes begin an option; one dash is part of a name.
        name = named[0].lstrip("-")
        login = name in {"key", "token"} and text[start - 6 : start] == "login("
        if singular := lists.of_many(name):
            lists_end = [end for end in lists_end if end > start]
            if len(lists_end) < _MOST_NESTED:
                lists_end.append((yield from lists.find(text, singular, start, named.end())))
        if not (login or names_secret(name)):
            continue
        name = "login_token" if login else name
        if named[0].startswith("--") or text[max(0, start - 2) : start] == "--":
            value = _OPTION.match(text, named.end())
            if value and not value["text"].startswith("-") and is_secret(name, value["text"]):
                yield value.span("text")
            continue
        if found := _value(text, name, start, named.end()):
            past = max(past, found[1])
            yield found


def _value(text: str, name: str, start: int, end: int) -> Span | None:
    """Return the position of the secret value of the name at `start` to `end`, if it has one."""
    if _CALLED.search(text, max(0, start - 60), start):
        argument = _ARGUMENT.match(text, end)
        return argument.span("text") if argument and is_secret(name, argument["text"]) else None
    value = _ASSIGNED.match(text, end)
    if value is None:
        return None
    if value["open"] is not None:
        inside = value["text"]
        one_line = value["open"].strip("\\") in {'"', "'"}
        if one_line and (_BREAK.search(inside) or inside.lstrip()[:1] in {")", "]", "}", ",", ";"}):
            return None  # the quote ends an earlier string
        if "f" in value["prefix"].lower() and "{" in inside:
            return None
        return value.span("text") if is_secret(name, inside) else None
    bare = value["bare"]
    if value["after"] or _BREAK.search(text, end, value.start("bare")) or not is_secret(name, bare):
        return None
    line = 0
    for mark in _BEFORE_A_LINE:
        at = text.rfind(mark, max(0, start - 500), start)
        line = max(line, at + len(mark) if at >= 0 else 0)
    # `TOKEN=…` alone on its line is a shell assignment, unless the value may be another variable.
    alone = not text[line:start].strip(" +-") and name.isupper() and text[end : end + 1] == "="
    if (
        _SHELL.match(text, line)
        or looks_random(bare)
        or (alone and lists.mixed(bare) and "." not in bare)
    ):
        rest = _BARE.match(text, value.end("bare"))
        return value.start("bare"), rest.end() if rest else value.end("bare")
    return None

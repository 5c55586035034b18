"""URLs: without passwords and logins, as they may be shown and stored; and the path of a `file:` URI."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")


def local_path(uri: str) -> Path:
    """Return the path of a `file:` URI; a path as it is."""
    return Path(url2pathname(urlsplit(uri).path))


def without_password(url: str) -> str:
    """Return a URL or path without its password; if it has one, its query is removed too."""
    if "://" not in url:
        return url
    try:
        password = urlsplit(url).password
    except ValueError:
        return url.partition("://")[0] + "://***"
    return url.replace(f":{password}@", ":***@").partition("?")[0] if password else url


def without_login(url: str) -> str:
    """Return a URL without user, password, query and fragment; a path as it is."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def has_password(url: str) -> bool:
    """Return whether a URL holds a password."""
    return bool(urlsplit(url).password)


def hide_logins(text: str) -> str:
    """Return a text without the user and password of each URL in it."""
    return _LOGIN.sub("", text)


def hide_password(text: str, url: str) -> str:
    """Return a text without the password of `url`, as the URL has it and decoded."""
    password = urlsplit(url).password
    for secret in {password, unquote(password)} if password else ():
        text = text.replace(secret, "***")
    return text

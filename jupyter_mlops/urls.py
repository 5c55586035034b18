"""URLs without their passwords, for display."""

from __future__ import annotations

from urllib.parse import urlsplit


def without_password(url: str) -> str:
    """Return a URL or path without its password; if it has one, its query is removed too."""
    if "://" not in url:
        return url
    try:
        password = urlsplit(url).password
    except ValueError:
        return url.partition("://")[0] + "://***"
    return url.replace(f":{password}@", ":***@").partition("?")[0] if password else url

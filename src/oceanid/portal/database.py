"""The portal's database: SQLite in the home, or PostgreSQL by an address."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from oceanid.errors import InvalidSettings

# WAL lets readers go on while one writes; IMMEDIATE takes the write lock where a transaction
# begins, so that a busy database makes writers wait instead of failing.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def configuration(address: str, *, default: Path) -> dict[str, Any]:
    """Django's settings of one database.

    Args:
        address: ``postgres://user:password@host:port/name?option=value``, ``sqlite:///path``,
            or "" for the default file.
        default: The SQLite file when no address is given.

    Raises:
        InvalidSettings: The address is of no known kind.
    """
    if not address:
        return _sqlite(default)
    parts = urlsplit(address)
    if parts.scheme == "sqlite":
        return _sqlite(Path(unquote(parts.path).removeprefix("/")) if parts.path else default)
    if parts.scheme in ("postgres", "postgresql"):
        options = dict(parse_qsl(parts.query))
        # libpq's way to name a socket directory, which an address can't hold as its host.
        host = options.pop("host", "") or unquote(parts.hostname or "")
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")) or "oceanid",
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": host,
            "PORT": str(parts.port or ""),
            "OPTIONS": options,
        }
    raise InvalidSettings(
        "The database address begins with “{scheme}”.",
        hint="It must begin with postgres:// or sqlite:///.",
        scheme=parts.scheme,
    )


def _sqlite(file: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "OPTIONS": dict(SQLITE_OPTIONS),
    }

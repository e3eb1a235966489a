"""Log lines: structured JSON for machines, short coloured ones for a person at a terminal."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any

STRUCTURED = ("action", "job", "scheduler")
MOST_TEXT = 4_000
MOST_TRACE = 20_000
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_SECRET = re.compile(r"(/callback/)[^/\s'\"?>]+")
"""What lets somebody act by having read it: the signed part of a callback's address."""
_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


class JSONFormatter(logging.Formatter):
    """One JSON object a line: ``time level logger message``, then what the call added.

    ``action``, ``job`` and ``scheduler`` are the fields that every room uses.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write the record as one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": safe(record.getMessage()),
            **added(record),
        }
        if record.exc_info:
            line["traceback"] = safe(self.formatException(record.exc_info), most=MOST_TRACE)
        return json.dumps(line, default=str, ensure_ascii=False)


class HumanFormatter(logging.Formatter):
    """Time, message and fields; warnings and worse in colour when the stream is a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record for a person."""
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        room = record.name.removeprefix("oceanid.")
        fields = " ".join(f"{key}={value}" for key, value in added(record).items())
        text = f"{clock} {room}: {safe(record.getMessage())}{'  ' + fields if fields else ''}"
        if record.exc_info:
            text += "\n" + safe(self.formatException(record.exc_info), most=MOST_TRACE)
        colour = _COLOURS.get(record.levelname)
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and sys.stderr.isatty() else text


def added(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that the logging call gave with ``extra``, the structured ones first."""
    given = {key: _field(value) for key, value in vars(record).items() if key not in _PLAIN}
    first = {key: given.pop(key) for key in STRUCTURED if given.get(key) is not None}
    return first | {key: value for key, value in given.items() if key not in STRUCTURED}


def safe(text: str, *, most: int = MOST_TEXT) -> str:
    """Text without what would let its reader act for a job, and of a bounded length.

    Strangers choose parts of it (an address): it must not fill the disk. The end is kept of
    a text that is cut, with its beginning.
    """
    text = _SECRET.sub(r"\1…", text)
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} characters … {text[-half:]}"


def _field(value: Any) -> Any:
    return value if isinstance(value, int | float | list | dict | None) else safe(str(value))


def wants_json() -> bool:
    """Whether logs are for a machine: ``OCEANID_LOG`` says json or human, else the terminal."""
    asked = os.environ.get("OCEANID_LOG", "")
    return asked == "json" if asked in ("json", "human") else not sys.stderr.isatty()


def configuration(level: str = "INFO") -> dict[str, Any]:
    """A ``LOGGING`` dictionary that writes everything to stderr in the fitting form."""
    chosen = JSONFormatter if wants_json() else HumanFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"oceanid": {"()": f"{chosen.__module__}.{chosen.__qualname__}"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "oceanid",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "oceanid": {"level": level},
            "uvicorn": {"level": "WARNING", "handlers": [], "propagate": True},
            "django": {"level": "WARNING", "handlers": [], "propagate": True},
            "django.request": {"level": "ERROR"},
            # A stranger's Host header is no event of ours, and must not fill the disk.
            "django.security.DisallowedHost": {"level": "CRITICAL", "propagate": False},
        },
    }

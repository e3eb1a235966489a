"""Log lines: one line of JSON each, bounded, and nothing in them lets their reader act."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from oceanid.logs import MOST_TEXT, HumanFormatter, JSONFormatter

TOKEN = "WyJiZTZl:1xVwNJ:FDWcUbiwHJ5ceJU-SuCXRM"
ADDRESS = f"/compute/callback/{TOKEN}/"


def record(message: str, *args: Any, exc_info: Any = None, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("oceanid.test").makeRecord(
        "oceanid.test", logging.ERROR, __file__, 1, message, args, exc_info, extra=extra
    )


def failed() -> Any:
    try:
        raise ValueError(ADDRESS)
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize("formatter", [JSONFormatter(), HumanFormatter()])
def test_a_callbacks_address_is_not_written_down(formatter: logging.Formatter) -> None:
    line = formatter.format(
        record("%s: %s", "Bad Request", ADDRESS, request=f"<Request: POST '{ADDRESS}'>",
               exc_info=failed())
    )  # fmt: skip
    assert TOKEN not in line
    assert TOKEN[:8] not in line
    assert line.count("/callback/…") >= 3


@pytest.mark.parametrize("formatter", [JSONFormatter(), HumanFormatter()])
def test_what_a_stranger_sends_does_not_fill_the_disk(formatter: logging.Formatter) -> None:
    line = formatter.format(record("Bad: %s", "a" * 1_000_000, request="b" * 1_000_000))
    assert len(line) < 3 * MOST_TEXT


def test_a_line_is_json_with_the_fields_that_every_room_uses() -> None:
    line = JSONFormatter().format(
        record("two\nlines", action="job.stopped", job=7, counts={"a": 1}, other=None)
    )
    assert "\n" not in line
    said = json.loads(line)
    assert (said["action"], said["job"], said["counts"]) == ("job.stopped", 7, {"a": 1})
    assert said["message"] == "two\nlines"
    assert list(said)[:6] == ["time", "level", "logger", "message", "action", "job"]

"""A catalogue that a translator made is used for what errors say."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.translation import override, trans_real

from oceanid.models import Job
from oceanid.states import JobState

pytestmark = pytest.mark.django_db

GERMAN = {
    "": "Content-Type: text/plain; charset=UTF-8\n",
    "Stop it first.": "Halte ihn zuerst an.",
    "The job is {status}; only a finished one can be resubmitted.": (
        "Der Auftrag ist {status}; nur ein beendeter kann wiederholt werden."
    ),
}


def compiled(texts: dict[str, str]) -> bytes:
    """A catalogue as msgfmt makes it (GNU gettext's manual, The Format of GNU MO Files)."""
    pairs = [(key.encode(), value.encode()) for key, value in sorted(texts.items())]
    body, tables = b"", ([], [])
    start = 28 + 16 * len(pairs)
    for column in (0, 1):
        for pair in pairs:
            tables[column].append((len(pair[column]), start + len(body)))
            body += pair[column] + b"\0"
    keys, values = (b"".join(struct.pack("<2I", *row) for row in table) for table in tables)
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + len(keys), 0, 0)
    return head + keys + values + body


@pytest.fixture
def german(tmp_path: Path, settings: Any) -> Iterator[None]:
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.mo").write_bytes(compiled(GERMAN))
    settings.LOCALE_PATHS, settings.LANGUAGE_CODE = [str(tmp_path)], "de"
    trans_real._translations = {}
    with override("de"):
        yield
    trans_real._translations = {}


def test_a_page_tells_an_error_in_its_readers_language(
    german: None, client: Client, owner: User, make_job: Any
) -> None:
    job: Job = make_job(state=JobState.RUNNING)
    client.force_login(owner)
    page = client.post(f"/compute/jobs/{job.pk}/do/resubmit/", follow=True).content.decode()
    assert "Der Auftrag ist Running; nur ein beendeter kann wiederholt werden." in page
    assert "Halte ihn zuerst an." in page

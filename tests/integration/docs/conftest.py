"""A site made by the how-to's own words, in which the other pages are followed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.docs.blocks import ROOT
from tests.integration.docs.reader import Reader
from tests.integration.running import clean_environment

SCRIPTS = str(Path(sys.executable).parent)
PRELUDE = """
from django.contrib.auth.models import User
from oceanid.jobs import JobManager, Macro
user = User.objects.get_or_create(username="ada")[0]
jobs = JobManager("mysite")
"""


def environment(place: Path) -> dict[str, str]:
    """What a reader has who has entered this environment."""
    return clean_environment(PATH=f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", PWD=str(place))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Django site with a supervisor, made as `how-to/django-site.md` says."""
    place = tmp_path_factory.mktemp("reader")
    with Reader(place, environment(place)) as reader:
        reader.follow(ROOT / "docs" / "how-to" / "django-site.md")
        yield reader.place


@pytest.fixture
def reader(site: Path) -> Iterator[Reader]:
    """Somebody in that site, with a user and a job manager at hand."""
    with Reader(site, environment(site), prelude=PRELUDE) as reader:
        yield reader

"""Pages in other languages: what a browser reads, and no person, is the same in each."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from oceanid.models import Job
from oceanid.services.bulk import new_keys
from tests.integration.web.test_query_counts import FRAGMENT, fill

__all__ = ["fill"]
pytestmark = pytest.mark.django_db

READ_BY_MACHINES = re.compile(
    r"(?:\s(?:id|for|name|value|href|form|width|height|x|y|x1|x2|y1|y2|d|points|viewBox|max|min"
    r'|hx-get|action|data-(?!label|word|words|updated)[a-z-]+))="([^"]*)"'
)
LOCALISED = re.compile(r"(?<![\d,])\d+,\d{1,2}(?![\d,])|\d\.\d{3}(?!\d)|\d\N{NO-BREAK SPACE}\d")


@pytest.mark.parametrize("language", ["de", "fr"])
def test_numbers_that_a_browser_reads_are_not_localised(
    client: Client, owner: User, fill: Callable[[int], dict[str, Any]], settings: Any, language: str
) -> None:
    settings.LANGUAGE_CODE, settings.USE_THOUSAND_SEPARATOR = language, True
    new_keys(Job, 12_345)  # numbers with more than three digits
    known = fill(60)
    job, flow, node = known["job"], known["workflow"], known["node"]
    Job.objects.filter(pk=job).update(progress=42)
    client.force_login(owner)
    for address in (
        "/compute/",
        "/compute/jobs/",
        f"/compute/jobs/{job}/",
        f"/compute/jobs/{flow}/",
        f"/compute/jobs/{flow}/nodes/{node}/",
        "/compute/notifications/",
        "/compute/notifications/settings/",
        f"/compute/jobs/{job}/files/",
        f"/compute/jobs/{job}/clone/",
        f"/compute/tables/?{known['table']}",
        f"/compute/bulk/{known['bulk']}/",
    ):
        for headers in ({}, dict(FRAGMENT)):
            page = client.get(address, headers=headers).content.decode()
            wrong = [each for each in READ_BY_MACHINES.findall(page) if LOCALISED.search(each)]
            assert wrong == [], address

"""What the how-to pages and the README tell their readers to do, does what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.docs.blocks import ROOT, blocks_of, pages
from tests.integration.docs.reader import Reader

RUN = {"file", "add", "run", "start", "python", "output"}
ELSEWHERE = {"docs/tutorial/first-app.md", "docs/how-to/django-site.md"}


def to_follow() -> list[str]:
    """The pages with something to do in a site."""
    found = [
        str(page.relative_to(ROOT))
        for page in pages()
        if any(block.kind in RUN for block in blocks_of(page))
    ]
    return [name for name in found if name not in ELSEWHERE]


@pytest.mark.parametrize("name", to_follow())
def test_a_reader_who_follows_the_page_sees_what_it_promises(name: str, reader: Reader) -> None:
    reader.follow(ROOT / name)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_run_or_says_why_it_is_not(page: Path) -> None:
    unsaid = [block.page for block in blocks_of(page) if not block.kind]
    assert not [place for place in unsaid if not _is_drawing(page, place)]


def _is_drawing(page: Path, place: str) -> bool:
    return any(block.page == place and block.language == "mermaid" for block in blocks_of(page))

"""Lists of the admin that cost the same whatever the table holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator

MOST = 10_000


class BoundedPaginator(_Paginator):
    """Counts, and leads to, the first 10,000 rows: behind them one filters or searches."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, MOST at most."""
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST].values("pk").count())

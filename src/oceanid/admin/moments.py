"""Times in the site admin, told by the reader's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from oceanid.templatetags.oceanid import when


def moment(field: str, description: Any) -> Callable[[Any, Any], SafeString]:
    """A column, or a line of a form, that tells when something was.

    Args:
        field: The row's attribute.
        description: What stands above or beside it.
    """

    @admin.display(description=description, ordering=field)
    def shown(_admin: Any, row: Any) -> SafeString:
        return when(getattr(row, field))

    return shown

"""What the values of accounts and clusters look like in Amazon's and Azure's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oceanid.errors import InvalidValue, OceanidError


@dataclass(frozen=True, slots=True)
class Form:
    """How one value looks.

    Args:
        pattern: A regular expression that it matches as a whole.
        told: What is said of one that does not.
        hint: What to do about it.
    """

    pattern: str
    told: str
    hint: str

    def problem(self, value: object) -> OceanidError | None:
        """Why a value can't be used; None when it can, or when there is none."""
        if value in (None, ""):
            return None
        if isinstance(value, str) and re.fullmatch(self.pattern, value):
            return None
        return InvalidValue(self.told, hint=self.hint)


def misformed(values: Mapping[str, Any], forms: Mapping[str, Form]) -> dict[str, OceanidError]:
    """The problems of values, each by its form."""
    found = {name: form.problem(values.get(name)) for name, form in forms.items()}
    return {name: problem for name, problem in found.items() if problem is not None}


UUID_FORM = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def uuid_form(what: str, where: str) -> Form:
    """The form of one of Azure's identities."""
    return Form(
        UUID_FORM,
        f"This is not {what}.",
        f"It looks like 0b1f6471-1bf0-4dda-aec3-cb9272f09590; it stands {where}.",
    )

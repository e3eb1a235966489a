"""Form fields for secrets: they go in and never come out again."""

from __future__ import annotations

from typing import Any

from django import forms


class SecretTextarea(forms.Textarea):
    """A large field whose text is never sent back, not even with an error."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Without the value."""
        return super().get_context(name, None, attrs)


def secret_field(label: Any, help_text: Any = "", *, is_text: bool = False) -> forms.CharField:
    """A field for one secret; left blank it means that the stored one stays."""
    attrs = {"autocomplete": "new-password", "spellcheck": "false"}
    widget: forms.Widget = forms.PasswordInput(attrs=attrs)
    if is_text:
        widget = SecretTextarea(attrs={**attrs, "rows": 4, "class": "o-key"})
    # Not stripped: a passphrase may end in a blank.
    return forms.CharField(
        label=label, required=False, widget=widget, strip=False, help_text=help_text
    )

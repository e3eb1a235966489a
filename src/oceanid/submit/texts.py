"""An attribute's value in its three forms, and each as text of the submit language."""

from __future__ import annotations

from oceanid.submit import quoting
from oceanid.submit.macros import Macro
from oceanid.submit.vocabulary import COMMANDS, Kind

Value = str | tuple[str, ...] | tuple[tuple[str, str], ...]
"""An attribute's value: text with macros, a list, or a dict's pairs."""


def as_text(name: str, value: Value) -> str:
    """A value as text of the submit language; what is literal in a list stays literal."""
    if isinstance(value, str):
        return value
    known = COMMANDS.get(name)
    if known is not None and known.kind is Kind.ARGUMENTS:
        return quoting.format_arguments(_escaped(str_) for str_ in value)  # type: ignore[arg-type]
    if known is not None and known.kind is Kind.VARIABLES:
        if name == "environment":
            return quoting.format_environment({pair[0]: _escaped(pair[1]) for pair in value})
        return "; ".join(f"{_remap_part(pair[0])} = {_remap_part(pair[1])}" for pair in value)
    return ", ".join(str(each) for each in value)


def _escaped(text: str) -> str:
    return str(text) if isinstance(text, Macro) else text.replace("$", "$(DOLLAR)")


def _remap_part(text: str) -> str:
    return text.replace("\\", "\\\\").replace(";", "\\;").replace("=", "\\=")

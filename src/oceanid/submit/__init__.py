"""HTCondor's submit language as Oceanid's vocabulary: descriptions in, task specs out."""

from oceanid.submit.description import SubmitDescription
from oceanid.submit.items import MAX_TASKS
from oceanid.submit.macros import Macro
from oceanid.submit.quoting import (
    format_arguments,
    format_environment,
    parse_arguments,
    parse_environment,
)
from oceanid.submit.templates import CLASSIC_TEMPLATES

__all__ = [
    "CLASSIC_TEMPLATES",
    "MAX_TASKS",
    "Macro",
    "SubmitDescription",
    "format_arguments",
    "format_environment",
    "parse_arguments",
    "parse_environment",
]

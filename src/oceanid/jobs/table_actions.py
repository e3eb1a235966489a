"""The actions of a table of jobs: ours by their names, and an app's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from oceanid.errors import InvalidSpecification
from oceanid.jobs.references import dotted_path

SEPARATOR = "|"
BUILT_IN = (
    "run", "pause", "resume", "resubmit", "logs", "monitor", "results", "terminate", "delete",
    "retry_results",
)  # fmt: skip
DEFAULT_ACTIONS = (
    "run", "pause", "resume", "resubmit", SEPARATOR, "logs", "monitor", "results", SEPARATOR,
    "terminate", "delete",
)  # fmt: skip
Callback = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class TableAction:
    """An action as it travels in a table's token.

    Args:
        name: One of BUILT_IN, SEPARATOR, or ``custom``.
        label: What stands on a custom one.
        callback: The import path of a function that takes the job, or ``.`` and the name of a
            method of it.
        url: Where it leads instead: a URL's name, a path, or ``=`` and a function's import path.
        modal: Of what a dialog is filled: the same.
        enabled: The import path of a function that says whether it can be done now, or ``.``
            and a method's name.
        confirmation: What is asked before.
        overlay: Whether the table is covered while it is done.
    """

    name: str
    label: str = ""
    callback: str = ""
    url: str = ""
    modal: str = ""
    enabled: str = ""
    confirmation: str = ""
    overlay: bool = False

    def described(self) -> dict[str, Any]:
        """What the token holds of it."""
        return {name: value for name, value in asdict(self).items() if value}


class CustomJobAction:
    """An app's own action in a table of jobs.

    Args:
        label: What stands on it.
        callback_or_url: A function at the top of a module that takes the job (it may be
            asynchronous) and may return a sentence to show; the name of a method of the job; or
            a URL's name (with a colon) or path (with a slash, ``{id}`` is the job's number).
        enabled_callback: A function that takes the job and says whether it can be done now.
        confirmation_message: What is asked before it is done.
        show_overlay: Whether the table is covered while it is done.
        modal_url: A URL's name or path whose answer fills a dialog.
        job_type: The class that has the method, where ``Job`` itself has not.

    Raises:
        InvalidSpecification: It does nothing, or what it does can't be found again by another
            process.
    """

    def __init__(
        self,
        label: str,
        callback_or_url: str | Callback | None = None,
        enabled_callback: str | Callback | None = None,
        confirmation_message: str | None = None,
        show_overlay: bool = False,
        modal_url: str | Callback | None = None,
        job_type: type[Any] | None = None,
    ) -> None:
        if not callback_or_url and not modal_url:
            raise InvalidSpecification(
                "The action “{label}” does nothing.",
                hint="Give it callback_or_url or modal_url.",
                label=label,
            )
        url = callback = ""
        if isinstance(callback_or_url, str) and set(":/") & set(callback_or_url):
            url = callback_or_url
        elif callback_or_url:
            callback = _found_again(callback_or_url, job_type)
        modal = f"={dotted_path(modal_url)}" if callable(modal_url) else modal_url or ""
        self.action = TableAction(
            "custom",
            label=str(label),
            callback=callback,
            url=url,
            modal=modal,
            enabled=_found_again(enabled_callback, job_type) if enabled_callback else "",
            confirmation=str(confirmation_message or ""),
            overlay=bool(show_overlay),
        )


def action_of(given: Any) -> TableAction:
    """The action that an app means.

    Raises:
        InvalidSpecification: There is no such action.
    """
    if isinstance(given, TableAction):
        return given
    if isinstance(given, CustomJobAction):
        return given.action
    if isinstance(given, str) and (given in BUILT_IN or given == SEPARATOR):
        return TableAction(given)
    if isinstance(given, tuple | list):
        return CustomJobAction(*given).action
    if isinstance(given, dict):
        return CustomJobAction(**given).action
    raise InvalidSpecification(
        "A table has no action “{given}”.",
        hint="It has {built_in}, “|”, and any CustomJobAction.",
        given=str(given)[:60],
        built_in=", ".join(BUILT_IN),
    )


def _found_again(given: str | Callback, job_type: type[Any] | None) -> str:
    if not isinstance(given, str):
        return dotted_path(given)
    if "." in given:
        return dotted_path(given)
    from oceanid.models import Job, job_types

    classes = [job_type] if job_type is not None else [Job, *job_types()]
    if given.startswith("_") or not any(callable(getattr(cls, given, None)) for cls in classes):
        raise InvalidSpecification(
            "A job has no method “{given}”.",
            hint="Give a function, or job_type=the class that has it.",
            given=given[:60],
        )
    return f".{given}"

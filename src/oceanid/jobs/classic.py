"""The classic templates of Tethys apps: ``base`` and the ``vanilla_…`` family."""

from __future__ import annotations

from typing import Any, Final

from oceanid.errors import InvalidSpecification
from oceanid.submit import CLASSIC_TEMPLATES

TEMPLATES: Final[dict[str, dict[str, Any]]] = {"base": {}} | {
    name: dict(attributes) for name, attributes in CLASSIC_TEMPLATES.items()
}


def template(name: str) -> dict[str, Any]:
    """The attributes of a classic template, to be overridden by the job's own.

    Raises:
        InvalidSpecification: There is none of this name.
    """
    if name not in TEMPLATES:
        raise InvalidSpecification(
            "There is no classic template “{name}”.",
            hint="Known are: {templates}.",
            name=name[:100],
            templates=", ".join(TEMPLATES),
        )
    return dict(TEMPLATES[name])


def merged(
    base: dict[str, Any], over: dict[str, Any], *, keep_none: bool = False
) -> dict[str, Any]:
    """Attributes over others: names are compared in any case, dictionaries are merged.

    A value of None takes a name out, or with ``keep_none`` stays, to take it out later.
    """
    result = dict(base)
    written = {name.lower(): name for name in result}
    for name, value in over.items():
        former = written.get(name.lower())
        below = result.pop(former) if former is not None and former in result else None
        written[name.lower()] = name
        if value is None and not keep_none:
            continue
        both = isinstance(below, dict) and isinstance(value, dict)
        result[name] = {**below, **value} if both and below is not None else value
    return result

"""What the types share that run a program described by attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from oceanid.errors import InvalidSpecification
from oceanid.jobs import describe
from oceanid.jobs.classic import merged, template
from oceanid.jobs.stored import to_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oceanid.jobs.actions import JobActions
    from oceanid.submit import SubmitDescription

    _Base = JobActions
else:
    _Base = models.Model


class Described(_Base):
    """A job with submit commands; their names count in any case."""

    class Meta:
        abstract = True

    def __init__(
        self, *args: Any, condorpy_template_name: str | None = None, **kwargs: Any
    ) -> None:
        if condorpy_template_name is not None and not args:
            given = dict(kwargs.get("attributes") or {})
            kwargs["attributes"] = merged(template(condorpy_template_name), given)
        super().__init__(*args, **kwargs)

    def get_attribute(self, name: str) -> Any:
        """A submit command's value; None when it is not set."""
        found = (value for key, value in self.attributes.items() if key.lower() == name.lower())
        return next(found, None)

    def set_attribute(self, name: str, value: Any) -> None:
        """Set a submit command; None takes it out. Counts from the next ``execute()`` on."""
        self.attributes = merged(self.attributes, {name: value})

    def describe(self, directory: str) -> SubmitDescription:
        """What the job runs.

        Args:
            directory: Its own directory, absolute.

        Raises:
            InvalidSpecification: Or a subclass: it can't be run, by name.
        """
        return self._description(self.attributes, directory)

    def _description(self, attributes: Mapping[str, Any], directory: str) -> SubmitDescription:
        return describe.of_job(self, attributes, directory)

    def _normalise(self) -> None:
        super()._normalise()
        if not isinstance(self.attributes, dict):
            raise InvalidSpecification("A job's attributes must be a dictionary.")
        self.attributes = to_store(self.attributes)

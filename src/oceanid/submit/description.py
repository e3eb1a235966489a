"""What a job is: HTCondor's submit description as a frozen value."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from oceanid.errors import InvalidSpecification
from oceanid.specs import Capability, Resources, TaskSpec
from oceanid.submit import attributes as reading
from oceanid.submit import files, submit_file, values
from oceanid.submit.items import Items, from_itemdata, from_statement
from oceanid.submit.moving import moved
from oceanid.submit.plan import Plan
from oceanid.submit.texts import Value

_FORMAT: Final = 1
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_MOST_ROWS: Final = 100
_MOST_KNOWN: Final = 256
_known: dict[str, SubmitDescription] = {}
"""Descriptions that were checked lately, by what they say; the directory apart."""
_moulds: dict[str, tuple[SubmitDescription, bool | None]] = {}
"""Descriptions that were thawed lately, by what they say, and whether others were found to be cast
from them."""


@dataclass(frozen=True)
class SubmitDescription:
    """Everything that a job's tasks are made of; the same JSON always makes the same tasks.

    Made by :meth:`from_attributes`, which checks it, and :meth:`from_json`, which trusts it.

    Args:
        attributes: Name and value of each command and each macro of the app's own, in order.
        items: What it is queued for.
        directory: The job's directory, absolute.
        remote_input_files: What will be copied there before the tasks run.
        macros: The portal's own macros, taken literally.
    """

    attributes: tuple[tuple[str, Value], ...]
    items: Items
    directory: str
    remote_input_files: tuple[str, ...] = ()
    macros: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_attributes(
        cls,
        attributes: Mapping[str, object],
        *,
        num_jobs: int = 1,
        directory: str,
        remote_input_files: Sequence[str] = (),
        macros: Mapping[str, str] = _NOTHING,
    ) -> SubmitDescription:
        """Check what an app wrote and freeze it.

        The cost does not depend on ``num_jobs``. A name is a submit command, in any case, a
        job attribute (``+Name``, ``My.Name``), or a macro of the app's own, which some value
        uses as ``$(name)``. Text is the submit language, with its macros. A list of
        ``arguments`` and a dict of ``environment`` mean exactly their values: only those wrapped
        in :class:`Macro` have their macros replaced. File names in lists have theirs replaced.

        Args:
            attributes: The commands; None leaves one out.
            num_jobs: How many tasks there are, for each item if there are items.
            directory: The job's directory, absolute; it need not be there yet.
            remote_input_files: Files and folders that will be copied into it.
            macros: The portal's own macros, for example APP_WORKSPACE.

        Raises:
            UnknownAttribute: A name is neither a command nor a used macro.
            InvalidSpecification: A value can't be what it has to be.
            LimitExceeded: There are more tasks or items than can be.
            MissingFile: The list that a queue statement names is not there.
        """
        if not directory.startswith("/"):
            raise InvalidSpecification(
                "The job's directory must be absolute, not “{directory}”.", directory=directory
            )
        if isinstance(num_jobs, bool) or not isinstance(num_jobs, int) or num_jobs < 1:
            raise InvalidSpecification(
                "num_jobs must be a whole number from 1 on: {num_jobs!r}.", num_jobs=num_jobs
            )
        portal = tuple((name, reading.line(name, text)) for name, text in macros.items())
        copied = tuple(_replaced(os.fspath(each), portal) for each in remote_input_files)
        given, queue = reading.read(attributes)
        items = Items((), (), num_jobs)
        if queue.itemdata is not None and queue.statement is not None:
            raise InvalidSpecification("Both queue and itemdata are given.", hint="Say it once.")
        if queue.itemdata is not None:
            items = from_itemdata(queue.itemdata, names=queue.names, steps=num_jobs)
        else:
            items = from_statement(
                queue.statement or "",
                num_jobs=num_jobs,
                directory=directory,
                present={PurePosixPath(name).name: name for name in copied},
            )
        reading.refuse_unknown(given, items.names, [name for name, _ in portal])
        description = cls(tuple(given.items()), items, directory.rstrip("/"), copied, portal)
        shape = description._shape()
        if shape and shape in _known:
            # What is wrong with a description does not depend on its directory.
            description.__dict__["_like"] = _known[shape]
            return description
        # The first and the last task stand for all: what is wrong with them is told now.
        for index in {0, description.count - 1}:
            description.task(index)
        if description.max_retries < 0:
            raise InvalidSpecification("max_retries must be at least 0.")
        if shape:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[shape] = description
        return description

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SubmitDescription:
        """The description that :meth:`to_json` wrote."""
        if data.get("format") != _FORMAT:
            raise InvalidSpecification(
                "The frozen description has the unknown format {format!r}.",
                hint="It was written by another version of Oceanid; execute the job anew.",
                format=data.get("format"),
            )
        made = cls(
            attributes=tuple((name, reading.thaw(value)) for name, value in data["attributes"]),
            items=Items(
                tuple(data["names"]), tuple(tuple(row) for row in data["rows"]), data["steps"]
            ),
            directory=data["directory"],
            remote_input_files=tuple(data["remote_input_files"]),
            macros=tuple((name, text) for name, text in data["macros"]),
        )
        if not data["rows"]:
            made._find_mould(data)
        return made

    def to_json(self) -> dict[str, Any]:
        """A JSON object whose size does not depend on ``num_jobs``."""
        return {
            "format": _FORMAT,
            "attributes": [[name, reading.freeze(value)] for name, value in self.attributes],
            "names": list(self.items.names),
            "rows": [list(row) for row in self.items.rows],
            "steps": self.items.steps,
            "directory": self.directory,
            "remote_input_files": list(self.remote_input_files),
            "macros": [[name, text] for name, text in self.macros],
        }

    @property
    def count(self) -> int:
        """How many tasks there are."""
        return self.items.count

    @cached_property
    def resources(self) -> Resources:
        """What is enough for each of the tasks."""
        return self._like.resources if self._like is not self else self._plan.resources()

    @cached_property
    def max_retries(self) -> int:
        """How often a failed task is tried again."""
        if self._like is not self:
            return self._like.max_retries
        text = self._plan.constant("max_retries")
        return values.whole("max_retries", text, least=0, most=1_000_000) if text else 0

    def task(
        self,
        index: int,
        *,
        attempt: int = 1,
        job_id: int | str = 0,
        extra_environment: Mapping[str, str] = _NOTHING,
    ) -> TaskSpec:
        """One task with every macro replaced.

        Args:
            index: Its number, from 0; ``$(Process)``.
            attempt: The job's attempt; no macro depends on it, so outputs keep their names.
            job_id: ``$(Cluster)``; also seeds ``$RANDOM_CHOICE()`` and ``$RANDOM_INTEGER()``.
            extra_environment: Variables that win over the job's own.

        Raises:
            InvalidSpecification: A value that depends on the task can't be what it has to be.
        """
        if not 0 <= index < self.count:
            raise InvalidSpecification(
                "There is no task {index} among {count}.", index=index, count=self.count
            )
        mould = self._mould
        if mould is not None:
            made = mould._plan.task(mould._plan.scope(index, str(job_id)), extra_environment)
            return moved(made, mould.directory, self.directory)
        return self._plan.task(self._plan.scope(index, str(job_id)), extra_environment)

    def required_capabilities(self) -> frozenset[Capability]:
        """What an engine must be able to do."""
        return frozenset(self._like._plan.reasons)

    def capability_reasons(self) -> Mapping[Capability, tuple[str, ...]]:
        """Which attributes each required capability is for."""
        return {name: tuple(reasons) for name, reasons in self._like._plan.reasons.items()}

    def check_files(self, *, local: bool, may_be_made: bool = False) -> None:
        """Look whether the files that the tasks need are there.

        What depends on the task is looked at for a sample of the tasks. What will be copied into
        the job's directory counts as there.

        Args:
            local: Whether the tasks run on this machine; elsewhere absolute paths of programs
                are not checked, and a program that travels is made executable on its way.
            may_be_made: Whether something that runs before the tasks may still make what is
                missing in the job's directory.

        Raises:
            MissingFile: By name.
        """
        files.check(
            self._like._needed,
            moved_from=self._like.directory,
            directory=self.directory,
            copied=self.remote_input_files,
            local=local,
            may_be_made=may_be_made,
        )

    def to_submit_file(self) -> str:
        """The description as a person would write it for condor_submit."""
        return submit_file.render(self.attributes, self.macros, self.items)

    @cached_property
    def _like(self) -> SubmitDescription:
        """The first that was checked of those that say the same, in another directory."""
        return self

    @cached_property
    def _mould(self) -> SubmitDescription | None:
        """One whose tasks are this one's, but for the directory."""
        return None

    def _find_mould(self, data: Mapping[str, Any]) -> None:
        """Ten thousand jobs that say the same are compiled once."""
        text = json.dumps({**data, "directory": None}, ensure_ascii=False)
        if PurePosixPath(self.directory).name in text:
            return
        mould, fits = _moulds.get(text, (self, None))
        if mould is self or mould.directory == self.directory:
            if len(_moulds) >= _MOST_KNOWN:
                _moulds.clear()
            _moulds[text] = (self, fits)
            return
        if fits is None:
            # Looked at once: a macro may have made something else of the directory.
            fits = all(
                moved(mould.task(index), mould.directory, self.directory) == self.task(index)
                for index in {0, self.count - 1}
            )
            _moulds[text] = (mould, fits)
        if fits:
            self.__dict__["_mould"] = self.__dict__["_like"] = mould

    @cached_property
    def _needed(self) -> tuple[files.Needed, ...]:
        return files.needed(self._plan, count=self.count)

    def _shape(self) -> str:
        """All but the directory as text; empty for what is not worth to be remembered."""
        if len(self.items.rows) > _MOST_ROWS:
            return ""
        text = json.dumps({**self.to_json(), "directory": None}, ensure_ascii=False)
        # It must not know its directory: one of the same words would mean this one's files.
        return "" if PurePosixPath(self.directory).name in text else text

    @cached_property
    def _plan(self) -> Plan:
        return Plan(
            attributes=dict(self.attributes),
            constants=dict(self.macros),
            items=self.items,
            directory=self.directory,
        )


def _replaced(name: str, macros: tuple[tuple[str, str], ...]) -> str:
    for macro, text in macros:
        name = name.replace(f"$({macro})", text)
    return name

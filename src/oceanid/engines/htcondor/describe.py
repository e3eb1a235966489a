"""Writes submit descriptions: a whole batch in one, what differs from task to task as item data.

Items are split at commas and blanks; only their last field is free text. So values without either
are fields themselves, one command has its values in the last field, and any other's are macros that
an item's field names: ``arguments = $(V2_$(v2))``. Many macros are slow: HTCondor takes 11 s of
processor time for 10,000 of them, and 1.4 s for as many lines of text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from oceanid.errors import EngineError
from oceanid.specs import BatchItem, BatchSpec
from oceanid.submit.fields import is_url
from oceanid.submit.quoting import format_arguments, format_environment

NOTE: Final = "oceanid"
"""The first word of what each submit event tells: batch, number and key follow it."""

_DOLLARS = re.compile(r"\$+")
_MACRO = re.compile(r"(?<!\$)\$(?=[A-Za-z_]*\()")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=~-]+")
_FEW: Final = 32
FACTORY: Final = range(100, 2501)
"""How many tasks alike are handed over for the schedd to make them into jobs by itself: of 1,000 it
takes them in 0.04 s, where one by one takes 0.5 s. Of 10,000 it makes jobs three times as slowly,
and does nothing else meanwhile."""

_ANYWHERE = frozenset({"", "vanilla", "docker", "container"})
_OWN = frozenset({"universe", "append_files", "preserve_relative_paths"})


@dataclass(frozen=True, slots=True)
class Placed:
    """Where what a task needs lies on the submit host.

    Args:
        executable: The program's path there, or on the execute machine.
        inputs: What to transfer in, in HTCondor's own notation.
        stdin: The file that it reads, or "".
    """

    executable: str
    inputs: tuple[str, ...] = ()
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """What one run of condor_submit reads.

    Args:
        text: The description with its item data.
        procs: The batch's numbers of its procs, in order.
        is_late: Whether the schedd makes jobs of it little by little.
    """

    text: str
    procs: tuple[int, ...]
    is_late: bool = False


def describe(
    batch: BatchSpec,
    *,
    folder: str,
    log: str,
    placed: Callable[[BatchItem], Placed],
    factories: bool = False,
) -> list[Description]:
    """The descriptions of a batch: one for all tasks that share a shape.

    Args:
        batch: The batch.
        folder: Its folder on the submit host, where its outputs land in ``o/N``.
        log: The event log on the submit host.
        placed: Where a task's files lie there.
        factories: Whether many tasks alike may be handed over for the schedd to make into jobs.

    Raises:
        EngineError: A value can't be written in HTCondor's language.
    """
    shapes: dict[tuple[object, ...], list[BatchItem]] = {}
    for item in batch.items:
        shapes.setdefault(_shape(item), []).append(item)
    made = []
    for items in shapes.values():
        writer = _Writer(batch, items, folder=folder, log=log, placed=placed)
        text = writer.text(factory=factories)
        made.append(Description(text, tuple(item.proc for item in items), writer.is_late))
    return made


def literal(text: str) -> str:
    """A value that HTCondor takes as it stands, macros and all."""

    def escape(match: re.Match[str]) -> str:
        # Two in a row can't be two of one: HTCondor would see $$( in the middle of its work.
        pairs, single = divmod(len(match[0]), 2)
        return "$$(DOLLARDOLLAR)" * pairs + "$(DOLLAR)" * single

    return _DOLLARS.sub(escape, text) if "$" in text else text


def string(text: str) -> str:
    """A ClassAd string literal (ClassAd manual, "Strings")."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shape(item: BatchItem) -> tuple[object, ...]:
    spec = item.spec
    passed = dict(spec.passthrough)
    return (
        tuple(name for name, _ in spec.passthrough),
        passed.get("universe", ""),
        passed.get("max_idle", ""),
        passed.get("max_materialize", ""),
        spec.transfer_files,
        spec.transfer_executable,
        bool(spec.executable),
        spec.stdout_append,
        spec.outputs is None,
        spec.resources.memory_mib is None,
        spec.resources.disk_mib is None,
        spec.resources.gpus > 0,
        spec.resources.wall_time_s is None,
    )


class _Writer:
    """One description of tasks of one shape."""

    def __init__(
        self,
        batch: BatchSpec,
        items: Sequence[BatchItem],
        *,
        folder: str,
        log: str,
        placed: Callable[[BatchItem], Placed],
    ) -> None:
        self._batch, self._items = batch, items
        self._folder, self._log = folder, log
        self._placed = [placed(item) for item in items]
        self._macros: list[str] = []
        self._lines: list[str] = []
        self._free: list[tuple[str, list[str]]] = []
        self._fields: list[tuple[str, list[str]]] = [
            ("n", [str(item.proc) for item in items]),
            ("key", [item.key for item in items]),
        ]
        passed = dict(items[0].spec.passthrough)
        self.is_late = "max_idle" in passed or "max_materialize" in passed

    def text(self, *, factory: bool) -> str:
        """The whole description."""
        self._what_to_run()
        self._files()
        self._requests()
        self._passed_on()
        self._own()
        # What a schedd makes into jobs is expanded twice: a dollar sign can't be told from a macro.
        has_dollars = any("$(DOLLAR" in line for line in self._every_value())
        if self.is_late and has_dollars:
            raise EngineError(
                "A dollar sign in a value can't be given to HTCondor together with max_idle.",
                hint="Leave out max_idle and max_materialize, or pass the value in a file.",
                code="not-expressible",
            )
        if factory and not has_dollars and self._may_be_made_there():
            self._say("max_materialize", str(len(self._items)))
            self.is_late = True
        fields = [*self._fields, *self._free]
        names = ",".join(name for name, _ in fields)
        rows = zip(*(values for _, values in fields), strict=True)
        return "\n".join(
            [
                *self._macros,
                *self._lines,
                f"queue {names} from (",
                *(",".join(row) for row in rows),
                ")",
                "",
            ]
        )

    def _every_value(self) -> Iterator[str]:
        yield from self._macros
        yield from self._lines
        for _, values in self._free:
            yield from values

    def _may_be_made_there(self) -> bool:
        """Whether nothing can go wrong with a later task that would not with the first, which
        condor_submit looks at: an error found later would hold the rest."""
        specs = [item.spec for item in self._items]
        first = specs[0]
        return (
            len(specs) in FACTORY
            and not self.is_late
            and not self._macros
            and dict(first.passthrough).get("universe", "") in _ANYWHERE
            and all(spec.passthrough == first.passthrough for spec in specs)
            # An absolute initialdir from item data is not understood there.
            and (first.transfer_files or all(s.initialdir == first.initialdir for s in specs))
        )

    def _say(self, command: str, value: str) -> None:
        self._lines.append(f"{command} = {_one_line(command, value)}")

    def _vary(self, command: str, values: Iterable[str], *, end: str = "") -> None:
        """Say a command whose value may differ from task to task."""
        given = list(values)
        distinct = list(dict.fromkeys(given))
        if len(distinct) == 1:
            self._say(command, distinct[0] + end)
            return
        for value in distinct:
            _one_line(command, value + end)
        number = len(self._fields) + len(self._free)
        if len(distinct) > _FEW and all(map(_PLAIN.fullmatch, distinct)):
            self._fields.append((f"v{number}", given))
        elif len(distinct) > _FEW and not self._free:
            self._free.append((f"v{number}", given))
        else:
            numbers = {value: str(at) for at, value in enumerate(distinct)}
            # With its end: a line that ends with a backslash would go on with the next one.
            self._macros += [f"V{number}_{at} = {value}{end}" for value, at in numbers.items()]
            self._fields.append((f"v{number}", [numbers[value] for value in given]))
            self._say(command, f"$(V{number}_$(v{number}))")
            return
        self._say(command, f"$(v{number}){end}")

    def _what_to_run(self) -> None:
        specs = [item.spec for item in self._items]
        first = specs[0]
        self._say("universe", dict(first.passthrough).get("universe", "vanilla"))
        if first.executable:
            self._vary("executable", (literal(placed.executable) for placed in self._placed))
            self._say("transfer_executable", str(first.transfer_executable))
        self._vary(
            "arguments",
            (literal(format_arguments(each.arguments, literally=True)) for each in specs),
        )
        self._environment()
        self._vary("kill_sig", (each.kill_signal for each in specs))
        given = dict(first.passthrough)
        if "job_max_vacate_time" not in given and "kill_sig_timeout" not in given:
            self._vary("job_max_vacate_time", (str(each.kill_timeout_s) for each in specs))
        self._vary("priority", (str(each.priority) for each in specs))

    def _environment(self) -> None:
        """Say the environment; each task's own key closes it, so that they may share the rest."""
        key = ' OCEANID_KEY=$(key)"'
        all_of = [dict(item.spec.environment) for item in self._items]
        fixed = dict(set.intersection(*(set(each.items()) for each in all_of)))
        rest = [name for name in all_of[0] if name not in fixed]
        like = all(each.keys() == all_of[0].keys() for each in all_of) and all(
            map(_PLAIN.fullmatch, rest)
        )
        if like and all(_PLAIN.fullmatch(each[name]) for each in all_of for name in rest):
            end = ""
            for name in rest:
                number = len(self._fields) + len(self._free)
                self._fields.append((f"v{number}", [each[name] for each in all_of]))
                end += f" {name}=$(v{number})"
            text = literal(format_environment(fixed, literally=True))[:-1]
            self._say("environment", text + end + key)
            return
        texts = [literal(format_environment(each, literally=True))[:-1] for each in all_of]
        self._vary("environment", texts, end=key)

    def _files(self) -> None:
        specs = [item.spec for item in self._items]
        first = specs[0]
        passed = dict(first.passthrough)
        self._vary("input", (literal(each.stdin) or "/dev/null" for each in self._placed))
        if not first.transfer_files:
            self._say("should_transfer_files", "NO")
            self._vary("initialdir", (literal(each.initialdir) for each in specs))
            self._vary("output", (literal(each.stdout) or "/dev/null" for each in specs))
            self._vary("error", (literal(each.stderr) or "/dev/null" for each in specs))
            return
        self._say("should_transfer_files", "YES")
        if "when_to_transfer_output" not in passed:
            self._say("when_to_transfer_output", "ON_EXIT")
        self._say("initialdir", f"{self._folder}/o/$(n)")
        out, err = f"{self._folder}/s/$(n).out", f"{self._folder}/s/$(n).err"
        self._vary("output", (out if each.stdout else "/dev/null" for each in specs))
        self._vary("error", (self._error(each.stdout, each.stderr, out, err) for each in specs))
        if any(placed.inputs for placed in self._placed):
            self._vary("transfer_input_files", (_listed(each.inputs) for each in self._placed))
        if first.outputs is not None:
            names = (_listed(each.source + "/" * each.contents_only for each in spec.outputs or ())
                     for spec in specs)  # fmt: skip
            self._vary("transfer_output_files", (each or '""' for each in names))
        remaps = [_remaps(spec.output_remaps) for spec in specs]
        if any(remaps):
            self._vary("transfer_output_remaps", (each or '""' for each in remaps))
        if "preserve_relative_paths" in passed:
            self._say("preserve_relative_paths", "True")

    @staticmethod
    def _error(stdout: str, stderr: str, out: str, err: str) -> str:
        if not stderr:
            return "/dev/null"
        return out if stdout == stderr else err

    def _requests(self) -> None:
        given = dict(self._items[0].spec.passthrough)
        asked = [item.spec.resources for item in self._items]
        first = asked[0]
        if "request_cpus" not in given:
            self._vary("request_cpus", (str(each.cpus) for each in asked))
        if first.memory_mib is not None and "request_memory" not in given:
            self._vary("request_memory", (str(each.memory_mib) for each in asked))
        if first.disk_mib is not None and "request_disk" not in given:
            self._vary("request_disk", (str((each.disk_mib or 0) * 1024) for each in asked))
        if first.gpus and "request_gpus" not in given:
            self._vary("request_gpus", (str(each.gpus) for each in asked))
        if first.wall_time_s is not None:
            self._vary("allowed_execute_duration", (str(each.wall_time_s) for each in asked))

    def _passed_on(self) -> None:
        for at, (name, _) in enumerate(self._items[0].spec.passthrough):
            if name not in _OWN:
                values = (item.spec.passthrough[at][1] for item in self._items)
                self._vary(name, (_MACRO.sub("$(DOLLAR)", value.strip()) for value in values))

    def _own(self) -> None:
        batch = str(self._batch.batch)
        passed = dict(self._items[0].spec.passthrough)
        if self._batch.label and "batch_name" not in passed:
            self._say("batch_name", literal(" ".join(self._batch.label.split())))
        if "notification" not in passed:
            self._say("notification", "never")
        self._say("log", self._log)
        self._say("My.OceanidBatch", string(batch))
        self._say("My.OceanidProc", "$(n)")
        self._say("My.OceanidKey", '"$(key)"')
        self._say("submit_event_user_notes", f"{NOTE} {batch} $(n) $(key)")


def _one_line(command: str, value: str) -> str:
    if "\n" in value or "\0" in value or value.endswith("\\"):
        raise EngineError(
            "{command} has a value that HTCondor can't be given: {value!r}.",
            hint="It may have no newline and not end with a backslash.",
            code="not-expressible",
            command=command,
            value=value[:80],
        )
    return value


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    for name in found:
        if "," in name or name != name.strip() or '"' in name:
            raise EngineError(
                "HTCondor can't transfer a file of the name “{name}”.",
                hint="Rename it: no commas, double quotes, or blanks at its ends.",
                code="not-expressible",
                name=name,
            )
    return ",".join(literal(name) for name in found)


def _remaps(remaps: Sequence[tuple[str, str]]) -> str:
    """Those that lead to a URL: the others are made when the files are here."""
    pairs = [(name, to) for name, to in remaps if is_url(to)]
    parts = (f"{_escaped(name)}={_escaped(to)}" for name, to in pairs)
    return '"' + literal(";".join(parts)) + '"' if pairs else ""


def _escaped(text: str) -> str:
    return re.sub(r"([\\;=])", r"\\\1", text)

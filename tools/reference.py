"""Writes the reference's tables from the code, so that they can't tell anything else.

In ``docs/reference/*.md`` what stands between ``<!-- from the code: NAME -->`` and ``<!-- end -->``
is written by the function of that name here. ``--check`` writes nothing, and fails when a page
differs.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "reference"
PART = re.compile(r"(<!-- from the code: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Write or check every page; the exit code of the program."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    sys.path[:0] = [str(ROOT), str(ROOT / "examples")]
    import django

    django.setup()
    stale = []
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text("utf-8")
        fresh = PART.sub(lambda part: f"{part[1]}{WRITERS[part[2]]()}\n{part[3]}", text)
        if fresh != text:
            stale.append(str(page.relative_to(ROOT)))
            if "--check" not in arguments:
                page.write_text(fresh, "utf-8")
    if "--check" in arguments and stale:
        print(f"Not as the code: {', '.join(stale)}. Run: make reference", file=sys.stderr)
        return 1
    print("\n".join(stale) or "The reference is as the code.")
    return 0


def settings() -> str:
    """Every key of OCEANID."""
    from oceanid import conf

    sections = {field.name: field.default_factory for field in dataclasses.fields(conf.Settings)}
    parts = [_settings_table(conf.Settings, skip=conf._SECTIONS)]
    for name, kind in conf._SECTIONS.items():
        assert sections[name] is kind
        parts.append(f'## `OCEANID["{name.upper()}"]`\n\n{_summary(kind)}\n')
        parts.append(_settings_table(kind))
    return "\n".join(parts)


def _settings_table(kind: Any, skip: Iterable[str] = ()) -> str:
    about = _arguments(kind)
    default = kind()
    rows = [
        (f"`{field.name.upper()}`", about[field.name], f"`{_shown(getattr(default, field.name))}`")
        for field in dataclasses.fields(kind)
        if field.name not in skip
    ]
    return _table(("key", "meaning", "default"), rows)


def _shown(value: Any) -> str:
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


def commands() -> str:
    """Every submit command, and what becomes of it on the local engine."""
    from oceanid.engines.local import LocalEngine
    from oceanid.submit.vocabulary import COMMANDS, Use

    able = LocalEngine.capabilities
    groups: dict[str, list[str]] = {}
    fields = []
    for name, command in sorted(COMMANDS.items()):
        lacking = command.needs is not None and command.needs not in able
        if command.use is Use.FIELD:
            fields.append((f"`{name}`", command.kind.value))
        elif command.use is Use.IGNORE:
            groups.setdefault("ignored", []).append(name)
        elif lacking:
            groups.setdefault(f"needs {command.needs}", []).append(name)
        else:
            groups.setdefault("passed", []).append(name)
    told = {
        "ignored": "Oceanid does itself what these ask for, so they are let be:",
        "passed": "These are for a full scheduler, which gets them; the local engine does without:",
    }
    parts = ["### Understood everywhere\n", _table(("command", "its value"), fields)]
    for group in ("passed", "ignored", *sorted(set(groups) - set(told))):
        title = {"passed": "### Passed on", "ignored": "### Ignored"}.get(group)
        capability = group.removeprefix("needs ")
        parts.append(f"{title or f'### Needs the capability `{capability}`'}\n")
        parts.append(told.get(group, f"The local engine refuses these by name ({capability}):"))
        parts.append("\n" + ", ".join(f"`{name}`" for name in groups[group]) + "\n")
    return "\n".join(parts)


def aliases() -> str:
    """The other names of commands."""
    from oceanid.submit import vocabulary

    rows = [(f"`{short}`", f"`{name}`") for short, name in sorted(vocabulary._ALIASES.items())]
    return _table(("also written", "means"), rows)


def classic_templates() -> str:
    """The classic templates and their attributes."""
    from oceanid.jobs.classic import TEMPLATES

    rows = [
        (f"`{name}`", ", ".join(f"`{key} = {value}`" for key, value in attributes.items()) or "–")
        for name, attributes in TEMPLATES.items()
    ]
    return _table(("template", "what it sets"), rows)


def job_statuses() -> str:
    """The statuses of jobs, and where each may go."""
    from oceanid.states import JOB_MOVES, JobState

    rows = [
        (state.word, f"`{state}`", "yes" if state.is_final else "", _moves(JOB_MOVES[state]))
        for state in JobState
    ]
    return _table(("status", "code", "final", "may become"), rows)


def task_states() -> str:
    """The states of processes, and where each may go."""
    from oceanid.states import TASK_MOVES, TaskState

    rows = [(state.word, f"`{state}`", _moves(TASK_MOVES[state]) or "–") for state in TaskState]
    return _table(("state", "code", "may become"), rows)


def node_states() -> str:
    """The states of nodes, and where each may go."""
    from oceanid.states import NODE_MOVES, NodeState

    rows = [(state.word, f"`{state}`", _moves(NODE_MOVES[state]) or "–") for state in NodeState]
    return _table(("state", "code", "may become"), rows)


def _moves(states: Iterable[Any]) -> str:
    return ", ".join(sorted(state.word for state in states))


def errors() -> str:
    """Every error with its code."""
    from oceanid.errors import OceanidError

    rows = [
        (f"`{kind.code}`", f"`{kind.__name__}`", _summary(kind), "yes" if kind.is_transient else "")
        for kind in _subclasses(OceanidError)
        if kind.__module__ == "oceanid.errors"
    ]
    return _table(("code", "class", "meaning", "may pass by itself"), sorted(rows))


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)


def permissions() -> str:
    """The permissions of our own."""
    from oceanid.models import CloudAccount, Cluster, Job, SavedView, Scheduler

    rows = [
        (f"`oceanid.{code}`", str(about))
        for model in (Job, SavedView, Scheduler, CloudAccount, Cluster)
        for code, about in model._meta.permissions
    ]
    return _table(("permission", "what it allows"), rows)


def command_line() -> str:
    """The commands of `oceanid`, with their options."""
    import typer.main

    from oceanid.cli.main import app

    group: Any = typer.main.get_command(app)
    parts = []
    for name, command in _commands(group):
        used = " ".join(str(each.name).upper() for each in command.params
                        if each.param_type_name == "argument")  # fmt: skip
        parts.append(f"### `{' '.join(('oceanid', name, used)).strip()}`\n\n{command.help}\n")
        rows = [
            (", ".join(f"`{each}`" for each in option.opts), str(option.help))
            for option in command.params
            if option.param_type_name == "option" and option.help and option.name != "help"
        ]
        if rows:
            parts.append(_table(("option", "meaning"), rows))
    return "\n".join(parts)


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """The commands, and those of the groups among them."""
    for name, command in group.commands.items():
        yield f"{before}{name}", command
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")


def job_manager() -> str:
    """The Job Manager's methods."""
    from oceanid.jobs import JobManager

    return _members(JobManager)


def job_verbs() -> str:
    """What every job can do and tell."""
    from oceanid.jobs.actions import JobActions

    return _members(JobActions)


def workflow_verbs() -> str:
    """What a workflow can do beyond that."""
    from oceanid.jobs.workflow import WorkflowActions

    return _members(WorkflowActions)


def node_verbs() -> str:
    """What a workflow's node can do."""
    from oceanid.jobs import CondorWorkflowJobNode

    return _members(CondorWorkflowJobNode)


def app_members() -> str:
    """What an app's configuration has."""
    from oceanid.jobs import ComputeApp

    return _members(ComputeApp)


def templates() -> str:
    """The classes of templates, with their arguments."""
    from oceanid import jobs

    names = [name for name in jobs.__all__ if name.endswith(("Template", "Description"))]
    names.append("SchedulerSetting")
    rows = []
    for name in names:
        kind = getattr(jobs, name)
        rows.append(f"#### `{name}{_signature(kind.__init__)}`\n\n{_summary(kind)}\n")
        about = _arguments(kind)
        rows.append("\n".join(f"* `{each}`: {text}" for each, text in about.items()))
        rows.append("")
    return "\n".join(rows)


def _members(kind: type[Any]) -> str:
    rows = []
    for name, member in vars(kind).items():
        if name.startswith("_") or name in ("save", "prepare_nodes", "describe_node"):
            continue
        if isinstance(member, property):
            rows.append((f"`{name}`", _summary(member)))
            continue
        function = getattr(member, "__func__", member)
        twin = name == "await_" or (name[0] == "a" and hasattr(kind, name[1:]))
        if inspect.isfunction(function) and not twin and function.__doc__:
            rows.append((f"`{name}{_signature(function)}`", _summary(function)))
    return _table(("name", "what it does"), rows)


def _signature(function: Callable[..., Any]) -> str:
    shown = []
    for each in list(inspect.signature(function).parameters.values())[1:]:
        if each.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        sign = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        default = "" if each.default is each.empty else f"={each.default!r}"
        shown.append(f"{sign}{each.name}{default}")
    return f"({', '.join(shown)})"


def _summary(thing: Any) -> str:
    """The first paragraph of a docstring, on one line, as Markdown."""
    return _plain(inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")


def _arguments(kind: Any) -> dict[str, str]:
    """What a docstring says of each argument."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Args:\n")[2]
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith(" "):
            break
        entry = re.match(r"    (\w[\w, ]*): (.*)", line)
        if entry:
            found[entry[1]] = entry[2]
        elif line.strip() and found:
            found[list(found)[-1]] += " " + line.strip()
    return {name: _plain(text) for name, text in found.items()}


def _plain(text: str) -> str:
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells) + "\n"


WRITERS: dict[str, Callable[[], str]] = {
    writer.__name__.replace("_", "-"): writer
    for writer in (
        settings, commands, aliases, classic_templates, job_statuses, task_states, node_states,
        errors, permissions, command_line, job_manager, job_verbs, workflow_verbs, node_verbs,
        app_members, templates,
    )
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

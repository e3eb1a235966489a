"""A task of a job that says the same in another directory."""

from __future__ import annotations

from dataclasses import replace

from oceanid.specs import TaskSpec, Transfer


def moved(spec: TaskSpec, old: str, new: str) -> TaskSpec:
    """The task with one directory instead of another, wherever it stands.

    Args:
        spec: The task.
        old: The directory that it was made for; nothing else in it may read like this.
        new: The directory that it is to be for.
    """

    def text(given: str) -> str:
        return given.replace(old, new) if old in given else given

    def pairs(given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple((text(name), text(value)) for name, value in given)

    def transfers(given: tuple[Transfer, ...]) -> tuple[Transfer, ...]:
        return tuple(
            replace(each, source=text(each.source), target=text(each.target)) for each in given
        )

    return replace(
        spec,
        executable=text(spec.executable),
        arguments=tuple(map(text, spec.arguments)),
        environment=pairs(spec.environment),
        initialdir=text(spec.initialdir),
        inputs=transfers(spec.inputs),
        outputs=None if spec.outputs is None else transfers(spec.outputs),
        output_remaps=pairs(spec.output_remaps),
        stdin=text(spec.stdin),
        stdout=text(spec.stdout),
        stderr=text(spec.stderr),
        passthrough=pairs(spec.passthrough),
    )

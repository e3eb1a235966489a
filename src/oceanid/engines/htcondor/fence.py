"""Submits a batch once or never: has the scripts of the fence run, and reads their answers."""

from __future__ import annotations

import io
import re
import tarfile
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from oceanid.engines.htcondor.describe import Description
from oceanid.engines.htcondor.fencescript import RUN, SETTLE, SUBMIT
from oceanid.engines.htcondor.remote import Answer, Remote, failure, told
from oceanid.errors import EngineError
from oceanid.specs import Found, Handle, Settlement

_CLUSTER = re.compile(r"(\d+)\.(\d+)(?: - \d+\.(\d+))?")


async def submit(
    remote: Remote,
    batch: UUID,
    descriptions: Sequence[Description],
    *,
    files: Mapping[str, bytes],
    links: Mapping[str, str],
    folders: Iterable[str],
    timeout_s: float,
) -> Handle:
    """Submit a batch, unless it was submitted or given up before.

    A workflow has no descriptions here: condor_submit_dag makes DAGMan's own from its files.

    Raises:
        EngineError: It was given up (``batch-dead``), refused, or its fate is unknown now.
        EngineUnavailable: The submit host or its schedd can't be reached.
    """
    content = {f"submit.{at}": each.text.encode() for at, each in enumerate(descriptions)}
    below = "".join(f"{name}\n" for name in folders).encode(errors="surrogateescape")
    content |= {"run": RUN.encode(), "folders": below, **files}
    answer = await remote.run(
        SUBMIT, stdin=packed(content, links), timeout_s=timeout_s, B=str(batch), T=uuid.uuid4().hex
    )
    word, text = _read(answer, "The batch could not be handed over")
    if word == "dead":
        raise EngineError(
            "Batch {batch} was given up and may not be submitted any more.",
            hint="Submit its tasks in a new batch.",
            code="batch-dead",
            batch=batch,
        )
    if word == "unknown":
        problem = failure(
            "The submission broke off", _line(text) or "it is found out how far it came"
        )
        problem.transient = True
        raise problem
    if word == "refused":
        raise _refusal(text)
    return _handle(batch, text)


async def settle(remote: Remote, batch: UUID, *, timeout_s: float) -> Settlement:
    """Find out a batch's fate, and finish it if its submission broke off in the middle; see
    :meth:`oceanid.engines.base.Engine.settle`."""
    answer = await remote.run(SETTLE, timeout_s=timeout_s, B=str(batch))
    word, text = _read(answer, "The batch's fate could not be found out")
    if word == "answer":
        return Settlement(Found.SUBMITTED, _handle(batch, text))
    if word == "dead":
        return Settlement(Found.NEVER, refusal=_refusal(text) if text.strip() else None)
    return Settlement(Found.UNKNOWN)


def packed(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    """Files, and hard links to what is there already, as a tar archive."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), int(time.time()), 0o600
            tar.addfile(info, io.BytesIO(data))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.LNKTYPE, target
            tar.addfile(info)
    return archive.getvalue()


def _refusal(text: str) -> EngineError:
    return failure("condor_submit refused it", _line(text) or "no reason given")


def _line(text: str) -> str:
    return " ".join(text.split())


def _read(answer: Answer, what: str) -> tuple[str, str]:
    if answer.exit_status:
        # The script itself broke off, by a full disk for example: nobody refused the batch.
        problem = failure(what, told(answer))
        problem.transient = True
        raise problem
    word, _, text = answer.stdout.decode(errors="replace").partition("\n")
    if word in ("answer", "dead", "refused", "unknown"):
        return word, text
    raise EngineError(
        "{what}: the submit host gave no answer. {answer}",
        transient=True,
        what=what,
        answer=told(answer),
    )


def _handle(batch: UUID, text: str) -> Handle:
    at, *rest = text.split("\n")
    found = [match for match in map(_CLUSTER.match, rest) if match]
    data: dict[str, Any] = {
        "clusters": [int(match[1]) for match in found],
        "size": sum(int(match[3] or match[2]) - int(match[2]) + 1 for match in found),
        "at": int(at) if at.strip().isdigit() else 0,
    }
    return Handle(batch, data)

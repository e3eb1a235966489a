"""Why a job is idle: the scheduler's analysis in plain words, each with a cure."""

from __future__ import annotations

from typing import Any

import pytest

from oceanid.engines.htcondor.why_idle import Analysis, Room, Slots, slots_of, why_idle

MACHINE = Room(cpus=16, memory_mib=16384, disk_kib=4 << 20)
SLOTS = Slots(2, MACHINE, (Room(),))
SMALL = Room(cpus=1, memory_mib=128, disk_kib=1024)
TEXT = """
The Requirements expression for job 5.000 reduces to these conditions:

         Slots
Step    Matched  Condition
-----  --------  ---------
[0]           2  TARGET.Arch == "X86_64"
[1]           %d  TARGET.Kernel == "plan9"
[2]           1  TARGET.Disk >= RequestDisk
[3]           0  [0] && [1]

005.000:  Run analysis summary ignoring user priority.  Of 2 machines,
      %d are rejected by your job's requirements
      %d reject your job because of their own requirements
      0 match and are already running your jobs
      0 match but are serving other users
      0 are able to run your job
"""
# HTCondor 25.14 has other words.
NEW_TEXT = """
        Slots
Step   Matched  Condition
----- --------- ---------
[0]           2  TARGET.Arch == "X86_64"
[9]           2  TARGET.HasFileTransfer

004.000:  Run analysis summary ignoring user priority.  Of 2 slots on 2 machines,
      %d slots are rejected by your job's requirements
      %d slots reject your job because of their own requirements
      0 slots match and are willing to run your job
"""
FITS = Analysis(2, (("TARGET.Arch", 2),), 0, 0)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"slots": Slots()}, "idle-no-machines", "no machines"),
        ({"asked": Room(1, 99_999, 0)}, "idle-too-large", "99,999 MiB of memory"),
        ({"asked": Room(64, 1, 0)}, "idle-too-large", "64 CPUs"),
        ({"asked": Room(1, 1, 9 << 20)}, "idle-too-large", "9,216 MiB of disk"),
        ({"asked": Room(1, 1, 0, 1)}, "idle-no-gpu", "asks for a GPU"),
        ({"analysis": Analysis.of(TEXT % (0, 2, 0))}, "idle-requirements", "plan9"),
        ({"analysis": Analysis.of(TEXT % (1, 2, 0))}, "idle-requirements", "all of them"),
        ({"analysis": Analysis.of(TEXT % (2, 0, 2))}, "idle-refused", "START"),
        ({"analysis": Analysis.of(NEW_TEXT % (0, 2))}, "idle-refused", "START"),
        ({"analysis": Analysis.of(NEW_TEXT % (2, 0))}, "idle-requirements", "all of them"),
        ({"analysis": Analysis(2, (('TARGET.FileSystemDomain == "x"', 0),), 2)},
         "idle-file-system", "file system"),
        ({"analysis": Analysis(2, (("TARGET.HasDocker", 0),), 2)}, "idle-no-container", "HasDock"),
        ({"refusal": "concurrency limit licences reached"}, "idle-limit", "licences"),
        ({"refusal": "submitter limit exceeded"}, "idle-share", "share"),
        ({"refusal": "insufficient priority"}, "idle-priority", "come first"),
        ({"refusal": "no match found"}, "idle-busy", "busy"),
        ({"slots": Slots(2, MACHINE, (MACHINE,))}, "idle-not-yet", "turn"),
        ({"analysis": Analysis.of("some words of a version that nobody knows")}, "idle-busy", ""),
    ],
)  # fmt: skip
def test_each_cause_has_its_words_and_a_cure(
    changes: dict[str, Any], code: str, words: str
) -> None:
    usual: dict[str, Any] = {"asked": SMALL, "slots": SLOTS, "analysis": FITS, "refusal": ""}
    why = why_idle(**(usual | changes))
    assert why.code == code
    assert words in why.reason
    assert why.hint


def test_machines_are_told_by_what_they_have_and_what_is_free() -> None:
    rows = [["3", "16", "16384", "1000", "0", "2", "100", "900", "0"],
            ["1", "4", "999999", "1E+03", "undefined", "0", "0", "0", "0"]]  # fmt: skip
    slots = slots_of(rows)
    assert slots.count == 4
    assert slots.largest == Room(16, 999999, 1000, 0)
    assert slots.free == (Room(2, 100, 900, 0), Room())

"""Jobs that say the same are compiled once, and each gets the tasks of its own directory."""

from __future__ import annotations

from typing import Any

import pytest

from oceanid.submit import SubmitDescription

DIRECTORIES = [f"/data/jobs/{each * 8}-{each * 4}" for each in "abc"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"executable": "run.sh", "arguments": "$(Process)", "output": "out.$(Process)"},
        {"executable": "/bin/sh", "arguments": ["-c", "x"], "environment": {"A": "b c"},
         "transfer_input_files": ["in.csv", "more/"], "transfer_output_files": "a.$(Process), d"},
        {"executable": "/bin/true", "should_transfer_files": "NO", "initialdir": "sub/$(Process)",
         "log": "x.log", "requirements": 'Arch == "X86_64"', "+Site": '"here"'},
        {"executable": "/bin/echo", "initialdir": "a/b", "arguments": "$Fn(initialdir)"},
        {"executable": "/bin/echo", "initialdir": "next", "arguments": "x",
         "transfer_output_remaps": '"a = b/c"', "should_transfer_files": "YES"},
        {"executable": "/bin/echo", "arguments": "aaaaaaaa-aaaa"},
    ],
)  # fmt: skip
def test_a_description_that_others_like_it_were_thawed_before_makes_its_own_tasks(
    attributes: dict[str, Any],
) -> None:
    made = [
        SubmitDescription.from_attributes(attributes, num_jobs=3, directory=directory)
        for directory in DIRECTORIES
    ]
    thawed = [SubmitDescription.from_json(each.to_json()) for each in made]
    again = [SubmitDescription.from_json(each.to_json()) for each in made]
    for own, first, second in zip(made, thawed, again, strict=True):
        for index in range(3):
            wanted = own.task(index, job_id=7, extra_environment={"K": "v"})
            assert first.task(index, job_id=7, extra_environment={"K": "v"}) == wanted
            assert second.task(index, job_id=7, extra_environment={"K": "v"}) == wanted
        assert first.resources == own.resources
        assert first.required_capabilities() == own.required_capabilities()

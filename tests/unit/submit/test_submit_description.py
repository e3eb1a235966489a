"""A description from attributes: names, types, fields, capabilities, files, JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oceanid.errors import InvalidSpecification, OceanidError, UnknownAttribute
from oceanid.specs import Capability, Resources, TaskSpec, Transfer
from oceanid.submit import CLASSIC_TEMPLATES, Macro, SubmitDescription


def describe(num_jobs: int = 1, **attributes: Any) -> SubmitDescription:
    more = attributes.pop("more", {})
    return SubmitDescription.from_attributes(
        {"executable": "/bin/true", **attributes, **more}, num_jobs=num_jobs, directory="/job"
    )


def task(index: int = 0, num_jobs: int = 1, **attributes: Any) -> TaskSpec:
    return describe(num_jobs, **attributes).task(index, job_id=7)


def test_the_least_description_runs_in_the_jobs_directory_and_keeps_its_streams() -> None:
    assert task() == TaskSpec(
        executable="/bin/true",
        initialdir="/job",
        transfer_executable=False,
        stdout="/job/logs/stdout.0",
        stderr="/job/logs/stderr.0",
    )


@pytest.mark.parametrize(
    ("name", "likely"),
    [("argumnets", "arguments"), ("request_memry", "request_memory"), ("Exectuable", "executable")],
)
def test_an_unknown_name_is_refused_with_what_was_likely_meant(name: str, likely: str) -> None:
    with pytest.raises(UnknownAttribute, match=name) as caught:
        describe(more={name: "1"})
    assert likely in caught.value.hint


@pytest.mark.parametrize("name", ["colour", "", "a b", "a\nb", "x" * 10_000, "😀", "my_colour"])
def test_a_name_that_nothing_uses_is_refused(name: str) -> None:
    with pytest.raises(UnknownAttribute):
        describe(more={name: "1"})


@pytest.mark.parametrize("name", ["Process", "cluster", "item", "+OceanidKey", "My.OceanidBatch"])
def test_names_that_are_taken_are_refused(name: str) -> None:
    with pytest.raises(InvalidSpecification):
        describe(arguments=f"$({name})", more={name: "1"})


def test_names_are_the_same_in_any_case_and_given_once() -> None:
    assert task(more={"ARGUMENTS": "a", "RequestMemory": "1 GB"}).resources.memory_mib == 1024
    with pytest.raises(InvalidSpecification, match="twice"):
        describe(more={"prio": 1, "priority": 2})


@pytest.mark.parametrize(
    "more",
    [
        {"arguments": "a\nb"},
        {"arguments": ["a\nb"]},
        {"arguments": ["a\0b"]},
        {"environment": {"A": "x\ny"}},
        {"environment": {"A\n": "x"}},
        {"output": "a\0"},
        {"rank": "a\nqueue 100"},
        {"executable": "a\nb"},
    ],
)
def test_newlines_and_nul_are_refused_with_the_hint_to_pass_a_file(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpecification, match="newline") as caught:
        describe(more=more)
    assert "file" in caught.value.hint


@pytest.mark.parametrize(
    "more",
    [
        {"arguments": {"a": 1}},
        {"arguments": [object()]},
        {"arguments": [None]},
        {"executable": ["a"]},
        {"executable": ""},
        {"executable": "bin/"},
        {"executable": "../x"},
        {"executable": b"x"},
        {"arguments": ["x" * 200_000]},
        {"arguments": "\ud800"},
        {"environment": {"": "x"}},
        {"environment": {"a=b": "x"}},
        {"arguments": "$$(OpSys)"},
        {"arguments": "$(a)", "a": "$(b:$$(OpSys))"},
        {"arguments": "$(a)", "environment": "A=$(a)", "a": "$$(OpSys) $(Process)"},
        {"getenv": True},
        {"getenv": "PATH, HOME"},
        {"should_transfer_files": "MAYBE"},
        {"transfer_executable": "perhaps"},
        {"universe": "standard"},
        {"priority": "high"},
        {"priority": 2**40},
        {"success_exit_code": 256},
        {"kill_sig": "SIGNOTHING"},
        {"max_retries": -1},
        {"request_cpus": 0},
        {"request_cpus": "-1"},
        {"request_cpus": "1.5"},
        {"request_memory": "lots"},
        {"request_memory": "2 XB"},
        {"request_memory": "-1"},
        {"request_memory": "nan"},
        {"request_memory": "1e99"},
        {"request_memory": "9" * 5000},
        {"request_cpus": "9" * 5000},
        {"queue": "9" * 5000},
        {"allowed_execute_duration": 0},
        {"output": "../out"},
        {"initialdir": "../elsewhere"},
        {"transfer_input_files": "../../db.sqlite3"},
        {"transfer_input_files": ["a,b"]},
        {"transfer_input_files": [""]},
        {"transfer_output_files": "../out"},
        {"transfer_output_files": "/etc/passwd"},
        {"transfer_output_remaps": "a = ../b"},
        {"transfer_output_remaps": "../a = b"},
        {"transfer_output_remaps": "nonsense"},
        {"transfer_executable": False, "executable": "run.sh"},
        {"max_retries": "$(Process)"},
    ],
)
def test_values_that_can_not_be_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpecification):
        describe(num_jobs=2, more=more)


@pytest.mark.parametrize("num_jobs", [0, -1, True, "2", 1.5, None])
def test_num_jobs_is_a_whole_number_from_one_on(num_jobs: Any) -> None:
    with pytest.raises(InvalidSpecification):
        describe(num_jobs)


@pytest.mark.parametrize(
    ("name", "value", "mib"),
    [
        ("request_memory", "512", 512),
        ("request_memory", 512, 512),
        ("request_memory", "2 GB", 2048),
        ("request_memory", "2gb", 2048),
        ("request_memory", "1.5G", 1536),
        ("request_memory", "512M", 512),
        ("request_memory", "1 T", 1024**2),
        ("request_memory", "100K", 1),
        ("request_disk", "1024", 1),
        ("request_disk", "1025", 2),
        ("request_disk", "1 GB", 1024),
    ],
)
def test_sizes_have_units(name: str, value: object, mib: int) -> None:
    resources = task(more={name: value}).resources
    assert mib == (resources.memory_mib if name == "request_memory" else resources.disk_mib)


def test_resources_are_the_most_that_any_task_asks_for() -> None:
    rows = [{"cpus": 1, "mem": "1 GB"}, {"cpus": 4, "mem": "512"}]
    found = describe(request_cpus="$(cpus)", request_memory="$(mem)", itemdata=rows)
    assert found.task(0).resources == Resources(cpus=1, memory_mib=1024)
    assert found.resources == Resources(cpus=4, memory_mib=1024)


def test_fields_are_taken_from_their_commands() -> None:
    found = task(
        1,
        2,
        executable="run.sh",
        initialdir="run_$(Process)",
        input="in.txt",
        output="o.$(Cluster)",
        error="/dev/null",
        transfer_input_files="a.csv, /data/b.csv, c/",
        transfer_output_files=["out_$(Process).csv", "results/"],
        transfer_output_remaps="out_1.csv = kept/one.csv; x = /abs/x",
        priority=5,
        success_exit_code="3",
        kill_sig=2,
        job_max_vacate_time=30,
        allowed_execute_duration=60,
        append_files="o.$(Missing:7)",
        max_retries=2,
    )
    assert found.executable == "/job/run.sh"
    assert found.transfer_executable
    assert found.initialdir == "/job/run_1"
    assert (found.stdin, found.stdout, found.stderr) == (
        "/job/run_1/in.txt",
        "/job/run_1/o.7",
        "",
    )
    assert found.inputs == (
        Transfer("/job/run_1/a.csv", "a.csv"),
        Transfer("/data/b.csv", "b.csv"),
        Transfer("/job/run_1/c", ".", True),
    )
    assert found.outputs == (
        Transfer("out_1.csv", "/job/run_1/out_1.csv"),
        Transfer("results", "/job/run_1", True),
    )
    assert found.output_remaps == (("out_1.csv", "/job/run_1/kept/one.csv"), ("x", "/abs/x"))
    assert (found.priority, found.success_exit_code) == (5, 3)
    assert (found.kill_signal, found.kill_timeout_s) == ("SIGINT", 30)
    assert found.resources.wall_time_s == 60


def test_relative_paths_are_kept_when_asked() -> None:
    found = task(
        preserve_relative_paths=True,
        transfer_input_files="in/a.csv, /x/b.csv",
        transfer_output_files="out/c.csv",
    )
    assert [each.target for each in found.inputs] == ["in/a.csv", "b.csv"]
    assert [each.target for each in found.outputs or ()] == ["/job/out/c.csv"]


def test_an_empty_list_of_outputs_brings_nothing_back() -> None:
    assert task(transfer_output_files="").outputs == ()
    assert task(transfer_output_files=[]).outputs == ()
    assert task().outputs is None


def test_remaps_escape_their_separators() -> None:
    assert task(transfer_output_remaps=r'"a\;b = c\=d"').output_remaps == (("a;b", "/job/c=d"),)
    assert task(transfer_output_remaps={"a;b": "c=d"}).output_remaps == (("a;b", "/job/c=d"),)


def test_streams_appended_to_are_marked() -> None:
    assert task(output="o", append_files="o").stdout_append
    assert not task(output="o", append_files="p").stdout_append


def test_without_transfer_the_task_runs_in_place() -> None:
    found = task(executable="run.sh", should_transfer_files="NO", transfer_input_files="a")
    assert not found.transfer_files and not found.transfer_executable
    assert found.executable == "/job/run.sh"
    assert found.inputs == ()


def test_a_hostile_item_can_not_lead_outputs_out_of_the_directory() -> None:
    with pytest.raises(InvalidSpecification):
        describe(output="$(Item)", itemdata=["../../x"])


def test_extra_environment_wins() -> None:
    found = describe(environment="A=1;B=2").task(0, extra_environment={"B": "3", "C": "4"})
    assert found.environment == (("A", "1"), ("B", "3"), ("C", "4"))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, set()),
        ({"universe": "vanilla"}, set()),
        ({"universe": "docker", "docker_image": "debian"}, {Capability.CONTAINERS}),
        ({"container_image": "a.sif"}, {Capability.CONTAINERS}),
        ({"universe": "scheduler"}, {Capability.QUEUE}),
        ({"requirements": "True"}, set()),
        ({"requirements": ""}, set()),
        ({"requirements": 'OpSys == "LINUX"'}, {Capability.REQUIREMENTS}),
        ({"rank": "Memory"}, set()),
        ({"request_gpus": 0}, set()),
        ({"request_gpus": 1}, {Capability.GPUS}),
        ({"request_memory": "MemoryUsage * 3 / 2"}, {Capability.QUEUE}),
        ({"request_licences": 1}, {Capability.QUEUE}),
        ({"+Project": '"x"'}, {Capability.CUSTOM_ATTRIBUTES}),
        ({"my.Project": '"x"'}, {Capability.CUSTOM_ATTRIBUTES}),
        ({"allowed_execute_duration": 60}, {Capability.WALL_TIME}),
        ({"periodic_remove": "False"}, set()),
        ({"periodic_remove": "JobStatus == 5"}, {Capability.QUEUE}),
        ({"on_exit_remove": True}, set()),
        ({"hold": True}, {Capability.QUEUE}),
        ({"notification": "Never", "log": "x.log", "stream_output": True}, set()),
        ({"max_retries": 3}, set()),
        ({"transfer_input_files": "https://host.invalid/a.csv"}, {Capability.QUEUE}),
        ({"rank": "$$(Memory)"}, {Capability.QUEUE}),
        ({"when_to_transfer_output": "ON_SUCCESS"}, {Capability.QUEUE}),
    ],
)
def test_capabilities_follow_from_what_is_asked(
    more: dict[str, Any], expected: set[Capability]
) -> None:
    description = describe(more=more)
    assert description.required_capabilities() == expected
    assert description.task(0).capabilities == expected
    assert set(description.capability_reasons()) == expected


def test_what_only_a_scheduler_understands_is_passed_in_order_with_macros_replaced() -> None:
    found = task(
        1,
        2,
        more={
            "requirements": 'Machine != "bad"',
            "+Number": "$(Process)",
            "batch_name": "b",
            "log": "ignored.log",
            "universe": "vanilla",
            "max_idle": 100,
            "description": None,
        },
    )
    assert found.passthrough == (
        ("requirements", 'Machine != "bad"'),
        ("My.Number", "1"),
        ("batch_name", "b"),
        ("max_idle", "100"),
    )


FULL: dict[str, Any] = {
    "executable": "run.sh",
    "arguments": ["a b", "$(x)", Macro("$(Process)")],
    "environment": {"A": "'", "B": Macro("$(colour)")},
    "colour": "red",
    "transfer_output_remaps": {"a": "b"},
    "transfer_input_files": [],
    "+Attr": "1",
    "itemdata": [{"x": "ü,1", "y": ""}],
}


def test_json_is_an_exact_round_trip() -> None:
    description = SubmitDescription.from_attributes(
        FULL,
        num_jobs=3,
        directory="/job",
        remote_input_files=["$(W)/run.sh"],
        macros={"W": "/w"},
    )
    data = description.to_json()
    again = SubmitDescription.from_json(json.loads(json.dumps(data)))
    assert again == description
    assert again.to_json() == data
    assert [again.task(n) for n in range(3)] == [description.task(n) for n in range(3)]
    assert again.remote_input_files == ("/w/run.sh",)
    with pytest.raises(InvalidSpecification, match="format"):
        SubmitDescription.from_json({**data, "format": 99})


def test_a_person_can_read_it_as_a_submit_file() -> None:
    text = describe(3, arguments=["a b", "$(x)"], itemdata=["one"]).to_submit_file()
    assert text == (
        "executable = /bin/true\n"
        "arguments = \"'a b' $(DOLLAR)(x)\"\n"
        "queue 3 Item from (\n  one\n)\n"
    )


def test_classic_templates_are_descriptions() -> None:
    assert set(CLASSIC_TEMPLATES) == {"vanilla_base", "vanilla_transfer_files", "vanilla_nfs"}
    for attributes in CLASSIC_TEMPLATES.values():
        assert describe(more=dict(attributes)).required_capabilities() == frozenset()
    assert not task(more=dict(CLASSIC_TEMPLATES["vanilla_nfs"])).transfer_files


def test_a_task_outside_of_the_description_is_refused() -> None:
    with pytest.raises(OceanidError):
        describe(2).task(2)
    with pytest.raises(OceanidError):
        describe(2).task(-1)

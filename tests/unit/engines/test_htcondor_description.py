"""One description a batch: what tasks share is said once, what differs goes by item data."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from oceanid.engines.htcondor.describe import Description, Placed, describe, literal
from oceanid.errors import EngineError
from oceanid.specs import BatchItem, BatchSpec, Resources, TaskSpec, Transfer

BATCH = uuid.UUID("6f3e51cb-3d1e-4a6c-9d0e-2f8f5f0f3a11")
PLAIN = TaskSpec("/bin/sh", ("-c", "true"), initialdir="/job", stdout="/job/o", stderr="/job/e")


def descriptions(*specs: TaskSpec, label: str = "", factories: bool = False) -> list[Description]:
    items = tuple(BatchItem(proc, f"key.{proc}", spec) for proc, spec in enumerate(specs))
    batch = BatchSpec(BATCH, items, Resources(), label)
    return describe(
        batch, folder="/s/b/1", log="/s/log/1", placed=lambda item: Placed(item.spec.executable),
        factories=factories,
    )  # fmt: skip


def text(*specs: TaskSpec, label: str = "") -> str:
    (one,) = descriptions(*specs, label=label)
    return one.text


def test_a_thousand_like_tasks_are_one_description_with_a_line_each() -> None:
    lines = text(*[PLAIN] * 1000).splitlines()
    assert lines.count("executable = /bin/sh") == 1
    assert lines[lines.index("queue n,key from (") + 1] == "0,key.0"
    assert len(lines) < 1040


def test_what_differs_is_a_macro_that_the_item_names_and_equal_values_share_one() -> None:
    specs = [replace(PLAIN, arguments=("x", str(number % 3))) for number in range(9)]
    written = text(*specs)
    assert written.count('= "x ') == 3
    assert "arguments = $(V" in written
    assert "8,key.8,2" in written


def test_many_different_arguments_are_the_free_text_at_the_items_ends() -> None:
    written = text(*[replace(PLAIN, arguments=("a b", str(number))) for number in range(100)])
    assert "arguments = $(v2)" in written
    assert "7,key.7,\"'a b' 7\"" in written


def test_an_environment_that_differs_in_plain_values_is_fields() -> None:
    specs = [
        replace(PLAIN, environment=(("A", "x y"), ("TOKEN", f"t{number}"))) for number in range(3)
    ]
    written = text(*specs)
    assert """environment = "'A=x y' TOKEN=$(v2) OCEANID_KEY=$(key)\"""" in written
    assert "1,key.1,t1" in written


def test_an_environment_that_differs_otherwise_is_whole_texts() -> None:
    specs = [replace(PLAIN, environment=(("A", f"x {number}"),)) for number in range(3)]
    assert "V2_1 = \"'A=x 1'" in text(*specs)


def test_every_proc_carries_its_batch_number_and_key() -> None:
    written = text(PLAIN)
    assert f'My.OceanidBatch = "{BATCH}"' in written
    assert "My.OceanidProc = $(n)" in written
    assert 'My.OceanidKey = "$(key)"' in written
    assert f"submit_event_user_notes = oceanid {BATCH} $(n) $(key)" in written
    assert 'environment = " OCEANID_KEY=$(key)"' in written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("$(x)", "$(DOLLAR)(x)"),
        ("$$(x)", "$$(DOLLARDOLLAR)(x)"),
        ("$$$(x)", "$$(DOLLARDOLLAR)$(DOLLAR)(x)"),
        ("a$", "a$(DOLLAR)"),
        ("plain", "plain"),
    ],
)
def test_dollars_are_escaped(value: str, written: str) -> None:
    assert literal(value) == written


def test_tasks_of_different_shapes_are_separate_descriptions() -> None:
    shaped = replace(PLAIN, passthrough=(("My.Site", '"x"'),))
    found = descriptions(PLAIN, shaped, PLAIN)
    assert [each.procs for each in found] == [(0, 2), (1,)]
    assert 'My.Site = "x"' in found[1].text
    assert "My.Site" not in found[0].text


def test_a_sandbox_has_a_folder_of_its_own_on_the_submit_host() -> None:
    written = text(replace(PLAIN, outputs=(Transfer("d", "/job/d", True),)))
    assert "initialdir = /s/b/1/o/$(n)" in written
    assert "output = /s/b/1/s/$(n).out" in written
    assert "transfer_output_files = d/" in written
    assert "/job" not in written


def test_without_a_sandbox_it_runs_in_the_jobs_own_directory() -> None:
    written = text(replace(PLAIN, transfer_files=False))
    assert "initialdir = /job" in written
    assert "output = /job/o" in written


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "a,b", ' "'])
def test_what_htcondor_cannot_be_told_is_refused_by_name(name: str) -> None:
    with pytest.raises(EngineError) as refused:
        text(replace(PLAIN, outputs=(Transfer(name, "/job/x"),)))
    assert refused.value.slug == "not-expressible"


def test_resources_and_limits_are_asked_for() -> None:
    asked = Resources(cpus=2, memory_mib=512, disk_mib=3, gpus=1, wall_time_s=60)
    lines = text(replace(PLAIN, resources=asked, priority=5, kill_signal="SIGINT")).splitlines()
    assert {
        "request_cpus = 2", "request_memory = 512", "request_disk = 3072", "request_gpus = 1",
        "allowed_execute_duration = 60", "priority = 5", "kill_sig = SIGINT",
    } <= set(lines)  # fmt: skip


def test_what_is_passed_on_keeps_its_match_expressions_but_no_macros_of_ours() -> None:
    passed = (("requirements", "Name == $$(Name) && X =!= $(key)"),)
    assert "requirements = Name == $$(Name) && X =!= $(DOLLAR)(key)" in text(
        replace(PLAIN, passthrough=passed)
    )


def test_the_label_is_one_line() -> None:
    assert "batch_name = a b" in text(PLAIN, label="a\nb")


def _given(*arguments: str) -> TaskSpec:
    return replace(PLAIN, arguments=arguments)


def test_many_tasks_alike_are_left_to_the_schedd_to_make() -> None:
    many = [_given("x", str(number)) for number in range(1000)]
    (made,) = descriptions(*many, factories=True)
    assert made.is_late
    assert "max_materialize = 1000" in made.text.splitlines()
    (plain,) = descriptions(*many)
    assert not plain.is_late
    assert "max_materialize" not in plain.text


@pytest.mark.parametrize(
    "specs",
    [
        [PLAIN] * 99,
        [PLAIN] * 2501,
        [_given(f"${number}") for number in range(200)],
        [replace(PLAIN, environment=(("A", "$HOME"),))] * 200,
        [replace(PLAIN, environment=(("A", f"'{number % 3}"),)) for number in range(200)],
        [replace(PLAIN, passthrough=(("rank", str(number)),)) for number in range(200)],
        [replace(PLAIN, passthrough=(("universe", "grid"),))] * 200,
        [replace(PLAIN, transfer_files=False, initialdir=f"/j/{at}") for at in range(200)],
    ],
    ids=["few", "very-many", "dollars", "dollar", "macros", "policies", "universe", "directories"],
)
def test_what_the_schedd_might_not_make_as_it_was_meant_is_made_at_once(
    specs: list[TaskSpec],
) -> None:
    (made,) = descriptions(*specs, factories=True)
    assert not made.is_late
    assert "max_materialize" not in made.text


def test_a_dollar_sign_in_an_array_that_is_made_little_by_little_is_refused() -> None:
    late = replace(_given("$x"), passthrough=(("max_idle", "5"),))
    with pytest.raises(EngineError, match="dollar sign"):
        descriptions(*[late] * 20)


def test_no_macro_ends_with_a_backslash_that_would_take_the_next_line_along() -> None:
    specs = [replace(PLAIN, environment=(("A", f"{number} \\"),)) for number in range(3)]
    assert not [line for line in text(*specs).splitlines() if line.endswith("\\")]

"""The submit commands: how each is called, what it takes and what an engine must be able to do.

The names are those of the manual's page of condor_submit (23.x and 25.x). ``item_names`` is the
only one of ours: it names the values of ``itemdata`` when its rows are lists.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from oceanid.errors import InvalidSpecification, UnknownAttribute
from oceanid.specs import Capability


class Kind(StrEnum):
    """What a command's value is."""

    TEXT = "text"
    WHOLE = "whole number"
    TRUTH = "True or False"
    FILES = "list of files"
    ARGUMENTS = "arguments"
    VARIABLES = "variables"
    QUEUE = "queue statement"


class Use(StrEnum):
    """What becomes of a command."""

    FIELD = "field"
    """It is a field of the task's specification."""

    PASS = "pass"  # noqa: S105
    """It goes to the scheduler as it is; one without it may do without."""

    NEED = "need"
    """It goes to the scheduler, which must be one that understands it."""

    IGNORE = "ignore"
    """Oceanid does this itself."""


@dataclass(frozen=True, slots=True)
class Command:
    """One submit command.

    Args:
        name: Its name, in lower case but for an attribute's own.
        kind: What its value is.
        use: What becomes of it.
        needs: What an engine must be able to do when the command says more than its default.
        idle: Values, in lower case, that say no more than the default.
    """

    name: str
    kind: Kind = Kind.TEXT
    use: Use = Use.PASS
    needs: Capability | None = None
    idle: frozenset[str] = frozenset()


_FALSE = frozenset({"false", "0", "no", "f", "n"})
_TRUE = frozenset({"true", "1", "yes", "t", "y"})


def _table() -> dict[str, Command]:
    commands: dict[str, Command] = {}

    def add(
        names: str,
        kind: Kind = Kind.TEXT,
        use: Use = Use.PASS,
        *,
        needs: Capability | None = None,
        idle: Iterable[str] = (),
    ) -> None:
        for name in names.split():
            commands[name] = Command(name, kind, use, needs, frozenset(idle))

    field, queue = Use.FIELD, Capability.QUEUE
    add("arguments", Kind.ARGUMENTS, field)
    add("environment", Kind.VARIABLES, field)
    add("transfer_output_remaps", Kind.VARIABLES, field)
    add("transfer_input_files transfer_output_files append_files", Kind.FILES, field)
    add("executable initialdir input output error should_transfer_files kill_sig", use=field)
    add("request_cpus request_memory request_disk request_gpus", use=field)
    add("allowed_execute_duration", Kind.WHOLE, field, needs=Capability.WALL_TIME)
    add("priority success_exit_code max_retries", Kind.WHOLE, field)
    add("job_max_vacate_time kill_sig_timeout", use=field)
    add("transfer_executable preserve_relative_paths", Kind.TRUTH, field)
    add("getenv", use=field)
    add("queue", Kind.QUEUE, field)
    add("itemdata item_names", use=field)

    add("log log_xml dagman_log batch_id", use=Use.IGNORE)
    add("skip_filechecks allow_arguments_v1 allow_environment_v1", Kind.TRUTH, Use.IGNORE)

    add("universe", use=Use.NEED, needs=queue, idle={"vanilla", "container", "docker"})
    add("requirements", use=Use.NEED, needs=Capability.REQUIREMENTS, idle={"true", "(true)"})
    add(
        "container_image docker_image docker_network_type docker_override_entrypoint "
        "docker_pull_policy docker_send_credentials container_service_names "
        "container_target_dir transfer_container",
        use=Use.NEED,
        needs=Capability.CONTAINERS,
    )
    add(
        "require_gpus gpus_minimum_memory gpus_minimum_capability gpus_maximum_capability "
        "gpus_minimum_runtime cuda_version",
        use=Use.NEED,
        needs=Capability.GPUS,
    )
    add(
        "periodic_hold periodic_release periodic_remove periodic_vacate on_exit_hold hold "
        "noop_job skip_if_dataflow encrypt_execute_directory suspend_job_at_exec nice_user "
        "copy_to_spool",
        use=Use.NEED,
        needs=queue,
        idle=_FALSE,
    )
    add("on_exit_remove", use=Use.NEED, needs=queue, idle=_TRUE)
    add("transfer_input", Kind.TRUTH, Use.NEED, needs=queue, idle=_TRUE)
    add("transfer_output transfer_error", Kind.TRUTH, Use.NEED, needs=queue, idle=_TRUE)
    add(
        "when_to_transfer_output",
        use=Use.NEED,
        needs=queue,
        idle={"on_exit", "on_exit_or_evict"},
    )
    add("allowed_job_duration", Kind.WHOLE, Use.NEED, needs=queue)
    add(
        "retry_until deferral_time deferral_window deferral_prep_time cron_minute cron_hour "
        "cron_day_of_month cron_month cron_day_of_week cron_window cron_prep_time "
        "concurrency_limits concurrency_limits_expr output_destination machine_count node_count "
        "grid_resource x509userproxy use_x509userproxy use_scitokens scitokens_file "
        "use_oauth_services checkpoint_exit_code transfer_checkpoint_files "
        "checkpoint_destination shell jobset max_transfer_input_mb max_transfer_output_mb "
        "mount_under_scratch transfer_plugins public_input_files manifest manifest_dir "
        "remote_initialdir run_as_owner primary_unix_group file_remaps local_files "
        "tool_daemon_cmd tool_daemon_args tool_daemon_arguments tool_daemon_arguments2 "
        "tool_daemon_input tool_daemon_output tool_daemon_error jar_files java_vm_args "
        "java_vm_arguments java_vm_arguments2 vm_type vm_memory vm_vcpus vm_disk vm_macaddr "
        "vm_checkpoint vm_networking vm_networking_type vm_no_output_vm vm_vnc xen_kernel "
        "xen_initrd xen_root xen_kernel_params parallel_script_shadow parallel_script_starter "
        "arc_rte arc_application arc_resources arc_data_staging batch_extra_submit_args "
        "batch_project batch_queue batch_runtime "
        "ec2_access_key_id ec2_secret_access_key ec2_ami_id ec2_availability_zone "
        "ec2_block_device_mapping ec2_ebs_volumes ec2_elastic_ip ec2_iam_profile_arn "
        "ec2_iam_profile_name ec2_instance_type ec2_keypair ec2_keypair_file "
        "ec2_parameter_names ec2_security_groups ec2_security_ids ec2_spot_price ec2_tag_names "
        "ec2_user_data ec2_user_data_file ec2_vpc_ip ec2_vpc_subnet aws_access_key_id_file "
        "aws_secret_access_key_file aws_region s3_access_key_id_file s3_secret_access_key_file "
        "gs_access_key_id_file gs_secret_access_key_file gce_account gce_auth_file gce_image "
        "gce_json_file gce_machine_type gce_metadata gce_metadata_file gce_preemptible "
        "azure_admin_key azure_admin_username azure_auth_file azure_image azure_location "
        "azure_size cloud_label_names send_credential",
        use=Use.NEED,
        needs=queue,
    )
    add(
        "rank preferences notification notify_user email_attributes accounting_group "
        "accounting_group_user batch_name description leave_in_queue job_lease_duration "
        "job_machine_attrs job_machine_attrs_history_length job_ad_information_attrs "
        "ulog_execute_attrs keep_claim_idle match_list_length max_job_retirement_time "
        "next_job_start_delay want_graceful_removal want_io_proxy want_ads core_size stack_size "
        "image_size disk_usage memory_usage buffer_files buffer_size buffer_block_size "
        "fetch_files compress_files starter_debug starter_log periodic_hold_reason "
        "periodic_hold_subcode on_exit_hold_reason on_exit_hold_subcode noop_job_exit_code "
        "noop_job_exit_signal remove_kill_sig hold_kill_sig submit_event_notes exit_requirements "
        "erase_output_and_error_on_restart encrypt_input_files encrypt_output_files "
        "dont_encrypt_input_files dont_encrypt_output_files delegate_job_gsi_credentials_lifetime "
        "rendezvousdir load_profile dagman_job_id interactive_args"
    )
    add("stream_input stream_output stream_error", Kind.TRUTH)
    add("max_idle max_materialize", Kind.WHOLE)
    return commands


COMMANDS: Final = _table()
"""Every command by its name."""

_ALIASES: Final = {
    "prio": "priority",
    "env": "environment",
    "get_env": "getenv",
    "stdin": "input",
    "stdout": "output",
    "stderr": "error",
    "initial_dir": "initialdir",
    "job_iwd": "initialdir",
    "materialize_max_idle": "max_idle",
    "nodecount": "node_count",
    "use_scitoken": "use_scitokens",
    "ec2_key_pair": "ec2_keypair",
    "ec2_key_pair_file": "ec2_keypair_file",
    "request_cpu": "request_cpus",
    "request_gpu": "request_gpus",
}
_SQUASHED: Final = {name.replace("_", ""): name for name in COMMANDS}
_OPEN = re.compile(
    r"(?:request|require)_\w+|\w+_container_port|cloud_label_\w+|ec2_(?:tag|parameter)_\w+|"
    r"\w+_oauth_(?:permissions|resource)(?:_\w+)?"
)
_ATTRIBUTE = re.compile(r"(?:\+|my\.)([A-Za-z_]\w*)", re.IGNORECASE)
_MACRO_NAME = re.compile(r"[A-Za-z_][\w.]*")
_RESERVED = re.compile(r"oceanid\w*|submit_?event_?user_?notes", re.IGNORECASE)


def command(name: str) -> Command | None:
    """The command of this name, written in any case; None for a macro of the app's own.

    Raises:
        InvalidSpecification: The name is Oceanid's own, or can't be a name.
    """
    if match := _ATTRIBUTE.fullmatch(name):
        if _RESERVED.fullmatch(match[1]):
            raise InvalidSpecification("The attribute {name} is Oceanid's own.", name=name)
        return Command(f"My.{match[1]}", use=Use.NEED, needs=Capability.CUSTOM_ATTRIBUTES)
    lower = name.lower()
    if _RESERVED.fullmatch(lower):
        raise InvalidSpecification("The attribute {name} is Oceanid's own.", name=name)
    found = COMMANDS.get(lower) or COMMANDS.get(_ALIASES.get(lower, ""))
    if found is None and lower in _SQUASHED:
        found = COMMANDS[_SQUASHED[lower]]
    if found is None and _OPEN.fullmatch(lower) and not _close(lower):
        found = Command(lower, use=Use.NEED, needs=Capability.QUEUE)
    if found is None and not _MACRO_NAME.fullmatch(name):
        raise UnknownAttribute(
            "“{name}” can't be the name of an attribute.",
            hint="Names are letters, digits and underscores, with + in front for a job's own.",
            name=name[:80],
        )
    return found


def unknown(name: str) -> UnknownAttribute:
    """The error for a name that is no command and that no value refers to."""
    close = _close(name.lower())
    hint = f"Did you mean {_ALIASES.get(close[0], close[0])}? " if close else ""
    return UnknownAttribute(
        "The attribute “{name}” is not known.",
        hint="{advice}A macro of your own is known when a value uses it as $({name}).",
        name=name[:80],
        advice=hint,
    )


def _close(name: str) -> list[str]:
    return difflib.get_close_matches(name[:80], [*COMMANDS, *_ALIASES], n=1, cutoff=0.8)

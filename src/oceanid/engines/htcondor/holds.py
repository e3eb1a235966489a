"""Why HTCondor holds a job, in plain words, and what to do about it."""

from __future__ import annotations

from typing import Final, NamedTuple

PAUSE_REASON: Final = "Oceanid: paused"
"""The reason that our own condor_hold gives; other holds of code 1 are somebody else's."""

LATE_REASON: Final = "Oceanid: longer than it may"
"""The reason of our own hold of a job that HTCondor let run past its wall time."""


class Why(NamedTuple):
    """One reason: a slug, plain words and the cure."""

    code: str
    reason: str
    hint: str


_RESUME = "Then resume the job."
# HTCondor manual, "Job ClassAd attributes": HoldReasonCode.
_HOLDS: Final = {
    1: ("held-by-hand", "Somebody held it by hand.", "Resume it when it may go on."),
    3: ("job-policy", "Its own policy (periodic_hold or on_exit_hold) held it.",
        "Look at what the expression says, correct the cause and resume it."),
    4: ("credential", "Its credential is missing or has expired.", f"Renew it. {_RESUME}"),
    5: ("job-policy", "Its own policy expression can't be evaluated.",
        "Correct periodic_hold, periodic_remove or on_exit_hold, and resubmit it."),
    6: ("cannot-start", "Its program can't be started on the machine.",
        "Is the executable there, executable, and made for that machine? Correct it and resubmit."),
    7: ("output", "Its output file can't be opened.",
        f"Is there room, and may the account write there? {_RESUME}"),
    8: ("input", "Its input file can't be opened.", f"Is the file there and readable? {_RESUME}"),
    9: ("output", "Its output stream can't be opened.", _RESUME),
    10: ("input", "Its input stream can't be opened.", _RESUME),
    11: ("transfer", "The transfer of its files broke off.", "Resume it to try again."),
    12: ("output-transfer", "Its outputs can't be brought back from the machine.",
         "Look whether the job writes every file that transfer_output_files names."),
    13: ("input-transfer", "Its inputs can't be sent to the machine.",
         f"Is every file there, and is there room on the machine? {_RESUME}"),
    14: ("directory", "Its directory can't be reached from where it runs.",
         "Without a shared file system, should_transfer_files must be YES."),
    15: ("submitted-on-hold", "It was submitted on hold.", "Resume it when it may go on."),
    16: ("spooling", "Its inputs are still on their way to the scheduler.", "Wait a little."),
    17: ("mismatch", "The scheduler's daemons are of versions that don't fit.",
         "Tell the pool's administrator."),
    18: ("transfer", "The transfer of its files was refused.", "Resume it to try again."),
    19: ("hook", "A hook of the pool refused it.", "Ask the pool's administrator."),
    20: ("deferral", "It missed the time at which it should have started.",
         "Give a larger deferral_window and resubmit it."),
    21: ("machine-policy", "The machine that it ran on held it.", "Read the reason; resume it."),
    22: ("event-log", "Its event log can't be written on the submit host.",
         f"Is the submit host's disk full? {_RESUME}"),
    23: ("account", "Its account can't be used on the submit host.",
         "Tell the pool's administrator."),
    24: ("shadow", "The scheduler has no program that can watch over it.",
         "Tell the pool's administrator."),
    25: ("deferral", "Its cron settings are not valid.", "Correct the cron_ commands; resubmit."),
    26: ("system-policy", "The pool's policy held it.",
         "Read the reason: it may ask for more than the pool allows."),
    27: ("system-policy", "The pool's policy can't be evaluated.",
         "Tell the pool's administrator."),
    32: ("input-size", "Its inputs are larger than max_transfer_input_mb allows.",
         "Send less, or raise the limit, and resubmit it."),
    33: ("output-size", "Its outputs are larger than max_transfer_output_mb allows.",
         "Write less, or raise the limit, and resubmit it."),
    34: ("memory-limit", "It used more memory than it asked for.",
         "Ask for more with request_memory and resubmit it."),
    35: ("image", "Its container image can't be used.", "Check its name; can it be pulled?"),
    36: ("checkpoint", "It can't write its checkpoint.", _RESUME),
    43: ("output-transfer", "Its program could not be told about a file.", _RESUME),
    44: ("network", "A network that it needs is not there.", "Ask the pool's administrator."),
    46: ("job-duration", "It took longer than allowed_job_duration.",
         "Raise the limit, or make it shorter, and resubmit it."),
    47: ("wall-time", "It ran longer than it may.",
         "Raise allowed_execute_duration, or make it shorter, and resubmit it."),
    48: ("hook", "A hook of the pool refused it.", "Ask the pool's administrator."),
}  # fmt: skip
WALL_TIME: Final = frozenset({46, 47})


def why_held(text: str, code: int, subcode: int) -> Why:
    """A hold in plain words.

    Args:
        text: HTCondor's own words.
        code: HoldReasonCode.
        subcode: HoldReasonSubCode.
    """
    slug, words, hint = _HOLDS.get(
        code, ("held", "The scheduler holds it.", "Read the reason, correct it and resume the job.")
    )
    told = f"{words} HTCondor says: {text}" if text else words
    if code in (12, 13) and "No such file" in text:
        hint = (
            "The job ended without writing that file: look into its output and errors, or take the "
            "name off transfer_output_files."
            if code == 12
            else "The file is gone: put it back and resume the job."
        )
    if code == 26 and subcode == 102:
        slug, hint = "memory-limit", "Ask for more with request_memory and resubmit it."
    return Why(slug, told, hint)

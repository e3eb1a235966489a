"""What the engine reads is moved, cut, torn and purged under it."""

from __future__ import annotations

from tests.faults.condor.grounds import Grounds
from tests.faults.place import kill

LOGS = "cd ~alice/.oceanid/*/log &&"


def test_an_event_log_rotated_truncated_and_its_last_line_torn(grounds: Grounds) -> None:
    grounds.record()
    grounds.supervise()
    grounds.submit()
    grounds.until_begun(60)
    grounds.machines.run(f'{LOGS} for f in *; do mv "$f" "$f.old"; done')
    grounds.submit(50)
    grounds.until_begun(160)
    grounds.machines.run(f"{LOGS} for f in *; do : > $f; done")
    grounds.until_begun(260)
    grounds.machines.run(f"{LOGS} for f in *; do printf '001 (00' >> $f; done")
    grounds.until_begun(340)
    grounds.machines.run(f"{LOGS} for f in *; do truncate -s -30 $f; done")
    grounds.all_end(note="rotated once, cut twice, torn once")


def test_a_history_purged_while_nobody_watches(grounds: Grounds) -> None:
    grounds.record()
    running = grounds.supervise()
    grounds.submit()
    grounds.until_begun(100)
    kill(running)
    grounds.until_begun(350)
    purged = grounds.machines.run(
        'f=$(condor_config_val HISTORY); n=$(grep -c "^\\*\\*\\*" $f); : > $f; rm -f $f.*; echo $n'
    )
    grounds.supervise()
    grounds.all_end(note=f"{purged} ads purged")
    assert int(purged) > 100

"""The scripts of the fence: a batch is submitted once or never, whatever breaks off in the middle.

A batch's folder has what condor_submit reads, ``submit.N``, one for each part, and ``part.N`` as
soon as it is known which cluster a part became. A part without one was not submitted, or its
answer was lost: while the lock is held no condor_submit lives, so the event log, the queue and the
history can tell. The parts are submitted one after the other; what broke off is finished by
whoever looks next.
"""

from __future__ import annotations

from typing import Final

from oceanid.engines.htcondor.describe import NOTE
from oceanid.engines.htcondor.remote import PASSING

# In the batch's folder, with $B and the lock.
_PARTS: Final = """\
export _CONDOR_SUBMIT_SKIP_FILECHECKS=true _CONDOR_SUBMIT_SKIP_FILECHECK=true
DAGMAN=
[ ! -e dagman ] || read -r DAGMAN <dagman
is_missing() {
    for f in submit.*; do [ -s "part.${f#submit.}" ] || return 0; done
    return 1
}
# Which parts are there, by jobs' numbers: the first items of the descriptions tell whose they are.
# Any job of a part will do: the log may be cut, and the first jobs may have left the queue.
match() {
    awk -v note=@note@ -v batch="$B" -v dagman="$DAGMAN" '
        BEGIN { if (dagman != "") { of[dagman] = 0; count[0] = 1 } }
        FILENAME ~ /^submit[.]/ {
            if (FNR == 1) { part = FILENAME; sub("submit.", "", part); inside = 0 }
            if ($0 == ")") inside = 0
            if (inside) { split($0, field, ","); of[field[1]] = part; count[part]++ }
            if ($0 ~ /^queue .* from [(]$/) inside = 1
            next
        }
        /^0(00|35) [(]/ { split($2, job, /[(.]/); cluster = job[2] + 0; next }
        $1 == note && $2 == batch && ($3 in of) { see(of[$3], cluster) }
        $1 == "job" && ($3 in of) { see(of[$3], $2 + 0) }
        function see(part, cluster) {
            if (!(part in found) || cluster < found[part]) found[part] = cluster
        }
        END { for (part in found) print part, found[part], count[part] }
    ' submit.* - >seen || exit 1
    while read -r part cluster count; do
        [ -s "part.$part" ] || echo "$cluster.0 - $cluster.$((count - 1))" >"part.$part" || exit 1
    done <seen
    rm -f seen
}
ask() {
    condor_q -allusers "$@" -constraint "OceanidBatch == \\"$B\\"" -af ClusterId OceanidProc 9>&- ||
        condor_q "$@" -constraint "OceanidBatch == \\"$B\\"" -af ClusterId OceanidProc 9>&-
}
# Find the parts that are there. Fails when that can't be told now: nothing is missing for sure
# before the schedd has answered. It serves one submission after the other, so what it was given
# before it answers is there, or never will be.
look() {
    cat ../../log/* 2>/dev/null | grep -a -B2 "^    @note@ $B " | match || return 1
    is_missing || return 0
    ask >queue 2>why || return 1
    # A factory may have made no job yet.
    ! grep -qiE "^(materialize_)?max_(idle|materialize)" submit.* ||
        ask -factory >>queue 2>why || return 1
    sed 's/^/job /' queue | match || return 1
    is_missing || return 0
    condor_history -since "CompletionDate > 0 && CompletionDate < $(($(cat started) - 3600))" \\
        -constraint "OceanidBatch == \\"$B\\"" -af ClusterId OceanidProc 2>why 9>&- |
        sed 's/^/job /' | match || return 1
    rm -f queue why
}
# Nothing of it may be left when it is told that it was refused.
refuse() {
    [ -s error ] && ! grep -qiE "@passing@" error || exit 0
    if ls part.* >/dev/null 2>&1; then
        condor_rm -constraint "OceanidBatch == \\"$B\\"" >gone 2>&1 9>&- ||
            grep -q "all jobs matching constraint" gone || exit 0
    fi
    mv error refused
    exit 0
}
# Submit part $n. A failure is believed when a living schedd has not got it, twice: the first may
# be that of a schedd that went down in the middle, whatever the words.
put() {
    for time in 1 2; do
        condor_submit -terse "submit.$n" >out 2>error && [ -s out ] && mv out "part.$n" && return
        look || exit 0
        [ ! -s "part.$n" ] || return 0
    done
    refuse
}
# Submit what is missing, and save the answer: the clusters in the order of the parts.
finish() {
    n=0
    cat started >answer.new || exit 1
    while [ -e "submit.$n" ]; do
        [ -s "part.$n" ] || put
        cat "part.$n" >>answer.new || exit 1
        n=$((n + 1))
    done
    sync answer.new 2>/dev/null
    mv answer.new answer
    rm -f part.* folders out error
}
""".replace("@note@", NOTE).replace("@passing@", PASSING)

# Runs in a session of its own: it goes on to its end when the connection that began it is lost.
# It holds the lock as long as condor_submit lives, so that nobody decides meanwhile.
RUN: Final = (
    """\
B=$1 T=$2
exec 9>>"lock/$B" || exit 1
flock 9
if [ -e "grave/$B" ] || [ -e "b/$B" ]; then rm -rf "tmp/$T"; exit 0; fi
mv "tmp/$T" "b/$B" && cd "b/$B" || exit 1
"""
    + _PARTS
    + """\
# Where there is no room for what must be kept, nothing is submitted.
give_up() { rm -f started; exit 1; }
mkdir -p o s && tr '\\n' '\\0' <folders | xargs -0 mkdir -p -- && date +%s >started || give_up
if [ -e workflow.dag ]; then
    # Scripts may write into their files; what is kept for others by its content must not change.
    [ ! -e scripts ] || [ ! -d w ] || { cp -R w w.own && rm -rf w && mv w.own w; } || give_up
    chmod 700 node.sh && echo "$(date +%s) 0 0 begin" >"../../dag/$B" || give_up
    condor_submit_dag -no_submit -force -autorescue 0 -suppress_notification \\
        -outfile_dir "o/$DAGMAN/logs" -insert_sub_file dagman.own workflow.dag >out 2>error 9>&- ||
        { cat out >>error; grep -qi "no space" error && give_up; refuse; }
    mv workflow.dag.condor.sub submit.0 || give_up
fi
if [ -e submit.1 ]; then
    for f in submit.*; do
        condor_submit -dry-run /dev/null "$f" >out 2>error 9>&- || refuse
    done
    # Who finishes this after a power cut needs the descriptions of what is missing.
    sync submit.* started . .. 2>/dev/null
fi
finish
"""
)
_TELL: Final = """\
if [ -e "grave/$B" ]; then echo dead; cat "grave/$B"
elif [ -e "b/$B/answer" ]; then echo answer; cat "b/$B/answer"
elif [ -e "b/$B/refused" ]; then echo refused; cat "b/$B/refused"
else echo unknown; cat "b/$B/error" 2>/dev/null; fi
:
"""
SUBMIT: Final = (
    """\
if [ ! -e "grave/$B" ] && [ ! -e "b/$B" ]; then
    mkdir "tmp/$T" && tar -C "tmp/$T" -P -xf - || { rm -rf "tmp/$T"; exit 1; }
    setsid -w sh "tmp/$T/run" "$B" "$T" </dev/null >/dev/null 2>&1 &
    wait $!
else
    cat >/dev/null
    exec 9>>"lock/$B"; flock -w 30 9; exec 9>&-
fi
"""
    + _TELL
)
# Finishes what was begun, and gives up for ever what was not. A grave keeps why it was refused.
SETTLE: Final = (
    """\
exec 9>>"lock/$B" || exit 1
flock -w 3 9 || { echo unknown; exit 0; }
(
[ ! -e "grave/$B" ] && [ ! -e "b/$B/answer" ] || exit 0
[ -e "b/$B/submit.0" ] && [ -e "b/$B/started" ] && [ ! -e "b/$B/refused" ] || exit 9
cd "b/$B" || exit 1
"""
    + _PARTS
    + """\
look || exit 1
ls part.* >/dev/null 2>&1 || exit 9
finish
)
if [ $? = 9 ] || [ -e "b/$B/refused" ]; then
    if [ -e "b/$B/refused" ]; then mv "b/$B/refused" "grave/$B"; else : >"grave/$B"; fi &&
        rm -rf "b/$B" "dag/$B"
fi
"""
    + _TELL
)

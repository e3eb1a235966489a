"""What DAGMan runs before and after each node, on the submit host: the scripts of the workflow, and
what must happen between two nodes whether there are scripts or not."""

from __future__ import annotations

from typing import Final

JOURNAL_FOLDER: Final = "dag"
"""Where the journals are in Oceanid's directory: one file a workflow, named as its batch."""

SKIPPED_SUBMIT: Final = "-1001"
"""What DAGMan tells a POST script whose job could not be submitted."""

# Called by DAGMan in the batch's folder, as `node.sh PHASE NODE` and values of its macros. The
# node's own file sets N (its tasks), D (where its scripts run), W (the workflow's folder, if it is
# there), MOST, UNLESS, SKIP, SKIP_AS, SUCCESS, ABORT, and defines publish, before and after.
NODE_SH: Final = """\
#!/bin/sh
umask 077
phase=$1 node=$2 RETRY=$3 DAG_STATUS=$4 FAILED_COUNT=$5 JOBID=$6 RETURN=$7
here=$(pwd)
journal=$here/../../dag/${here##*/}
say() { printf '%s %s %s %s\\n' "$(date +%s)" "$node" "$RETRY" "$*" >>"$journal"; }
# Puts outputs of a task, or one of its streams, where the nodes after it look for them. Links are
# not followed; what is there already is replaced, not written into.
all() {
    [ ! -d "o/$1" ] || { mkdir -p "w/$2" && cd "o/$1" &&
        find . -type f -exec cp -lf --parents -t "$here/w/$2" -- {} +; cd "$here"; }
}
put() {
    [ -e "$1" ] && [ ! -h "$1" ] || return 0
    if [ -d "$1" ]; then
        mkdir -p "w/$3/$2" && cd "$1" &&
            find . -type f -exec cp -lf --parents -t "$here/w/$3/$2" -- {} +
        cd "$here"
    else mkdir -p "w/$3" && ln -f "$1" "w/$3/$2"; fi
}
# A script runs where its workflow's files are; what it writes comes home with DAGMan's own outputs.
run() {
    [ -z "$W" ] || touch -d '-2 seconds' "stamp.$node"
    "$1" </dev/null
    code=$?
    [ -z "$W" ] || { cd w &&
        find . -type f -newer "../stamp.$node" -exec cp -lf --parents -t "../o/$DAGMAN" -- {} +
        cd "$here"; rm -f "stamp.$node"; }
}
is_last() {
    [ "$RETRY" -ge "$MOST" ] || [ "$code" = "$UNLESS" ] || [ "$code" = "$ABORT" ]
}
. "./n/$node.sh"
case $phase in
pre)
    say pre
    run before
    if [ "$code" = "$SKIP" ]; then say skip "$code"; code=$SKIP_AS
    elif [ "$code" = 0 ]; then say go 0
    elif is_last; then say unready "$code"
    else say again "$code" pre
    fi
    ;;
post)
    case $RETURN in
        "$SUCCESS") code=0 ;;
        0 | -*) code=1 ;;
        *) code=$RETURN ;;
    esac
    publish
    if [ "$AFTER" ]; then say post; run after; fi
    if [ "$code" = 0 ]; then say done 0 "$RETURN" "$JOBID"
    elif is_last; then
        [ "$RETURN" != @never@ ] ||
            why=$(condor_submit -dry-run /dev/null "n/$node.sub" 2>&1 | tail -c 800 | tr '\\n' ' ')
        say failed "$code" "$RETURN" "$JOBID" "$why"
    else
        say again "$code" post "$RETURN"
        for n in $N; do
            [ ! -d "o/$n" ] || find "o/$n" -mindepth 1 -delete
            rm -f "s/$n.out" "s/$n.err"
        done
    fi
    ;;
esac
exit "$code"
""".replace("@never@", SKIPPED_SUBMIT)

# The guardian of scope-process: ends the processes of host $2 when that has died. Killing it is safe: it is started anew.
# $1 is the variable that marks those processes. On standard input comes, from the host:
#   add G      there is a group G          del G      it is no concern any more
#   box DIR    there is a cgroup DIR       out DIR    it is no concern any more
# and the end of it when the host has died, however that came. If a copy of the host's end outlives it, in a process that
# it forked, there is a second sign: SIGUSR1, from the kernel, when the thread that started this has ended.
#
# For any POSIX shell; dash, bash and busybox were tried. `kill` is written in the one form that all of them know.
mark=$1 host=$2
unset SCOPE_GUARDIAN
groups=' ' boxes=' ' marked=
trap '' HUP INT QUIT TERM TSTP PIPE

pause() {
    sleep 0.05 2>/dev/null || sleep 1
}

# What stands in the stat of process $1 behind its name: state, parent, group, session.
stat_of() {
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    stat=${stat##*') '}
}

# Threads end one after the other: whether the host is on its way out may take a moment to show.
host_is_gone() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        if [ -r /proc/self/stat ]; then
            stat_of "$host" || return 0
            case $stat in [ZXx]*) return 0 ;; esac
        else
            kill -0 "$host" 2>/dev/null || return 0
        fi
        pause
    done
    return 1
}

# Finds who is left: those marked, and of the groups and boxes those with somebody alive in them.
look() {
    marked=
    for path in $(grep -lszF "$mark=" /proc/[0-9]*/environ 2>/dev/null); do
        path=${path#/proc/}
        marked="$marked ${path%/environ}"
    done
    # An `s` in front of the number: only in the host's own session, which is this one's too.
    for path in $(grep -lszF "$mark=s" /proc/[0-9]*/environ 2>/dev/null); do
        path=${path#/proc/} pid=${path%/environ}
        stat_of "$pid" && set -- $stat && [ "$4" = "$session" ] && continue
        rest=
        for other in $marked; do
            [ "$other" = "$pid" ] || rest="$rest $other"
        done
        marked=$rest
    done
    # Where zombies are counted, a group would never be empty as long as nobody reaps them.
    live=$(grep -hsoE '\) [^ZXx] [0-9]+ [0-9]+ ' /proc/[0-9]*/stat 2>/dev/null | while read -r _ _ _ group; do
        printf ' %s ' "$group"
    done)
    left=' '
    for group in $groups; do
        kill -0 "-$group" 2>/dev/null || continue
        case ${live:- $group } in *" $group "*) left="$left$group " ;; esac
    done
    groups=$left left=' '
    for box in $boxes; do
        if read -r _ 2>/dev/null <"$box/cgroup.procs"; then left="$left$box "; else rmdir "$box" 2>/dev/null; fi
    done
    boxes=$left
    [ -n "$marked$(echo $groups$boxes)" ]
}

tell() {
    for group in $groups; do kill "-$1" "-$group" 2>/dev/null; done
    for pid in $marked; do kill "-$1" "$pid" 2>/dev/null; done
}

kill_boxes() {
    for box in $boxes; do
        echo 1 2>/dev/null >"$box/cgroup.kill" && continue
        while read -r pid; do kill -KILL "$pid" 2>/dev/null; done <"$box/cgroup.procs"
    done
}

# Who ends at the end of its input has a moment for that; then who ends at SIGTERM; then all. One who is becoming another
# program has no environment for a moment, so that it takes two looks to see that nobody is there.
finish() {
    trap '' USR1
    exec </dev/null
    stat_of $$ && set -- $stat && session=$4
    round=0 quiet=0
    while [ $quiet -lt 2 ] && [ $round -lt 200 ]; do
        if look; then
            quiet=0
            if [ $round -eq 3 ]; then
                tell TERM
                tell CONT
            elif [ $round -ge 7 ]; then
                tell KILL
                kill_boxes
            fi
        else
            quiet=$((quiet + 1))
        fi
        round=$((round + 1))
        pause
    done
    exit
}

trap 'woken=1; if host_is_gone; then finish; fi' USR1
while :; do
    if read -r verb what; then
        case $verb in
        add) groups="$groups$what " ;;
        del) case $groups in *" $what "*) groups=${groups%%" $what "*}' '${groups#*" $what "} ;; esac ;;
        box) boxes="$boxes$what " ;;
        out) case $boxes in *" $what "*) boxes=${boxes%%" $what "*}' '${boxes#*" $what "} ;; esac ;;
        esac
    elif [ "$woken" ]; then
        # Interrupted by a signal.
        woken=
    else
        finish
    fi
done

# The guardian of scope-process: ends the processes of host $2 when that has died. Killing it is safe: it is started anew.
# $1 is the variable that marks those processes. On standard input comes, from the host:
#   add G      there is a group G          del G      it is no concern any more
#   box DIR    there is a cgroup DIR       out DIR    it is no concern any more
#   new        something is being started  old        it has been, and was added; or was not
# and the end of it when the host has died, however that came. If a copy of the host's end outlives it, in a process that
# it forked, there is a second sign: SIGCONT, from the kernel, when the thread that started this has ended. That one
# reaches it also where somebody has stopped it.
#
# For any POSIX shell; dash, bash and busybox were tried. `kill` is written in the one form that all of them know.
mark=$1 host=$2
unset SCOPE_GUARDIAN
groups=' ' boxes=' ' starts=0 marked= woken= gone=
trap '' HUP INT QUIT TERM TSTP PIPE ALRM USR1 USR2

# Not every sleep knows of fractions. Tried once: a signal makes one fail as well.
nap=0.05
sleep 0.01 2>/dev/null || nap=1

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
        sleep $nap
    done
    return 1
}

# Finds who is left: those marked, and of the groups and boxes those with somebody alive in them. Whether there is anybody.
# The group of a leader that is marked is the host's, too, told of or not: whoever is in it may be becoming another program,
# and have no environment for a moment.
look() {
    marked=
    for path in $(grep -lszF "$mark=" /proc/[0-9]*/environ 2>/dev/null); do
        pid=${path#/proc/} pid=${pid%/environ}
        stat_of "$pid" || continue
        set -- $stat
        # An `s` in front of the number: only in the host's own session, which is this one's too.
        [ "$4" != "$session" ] && grep -qszF "$mark=s" "$path" 2>/dev/null && continue
        marked="$marked $pid"
        [ "$3" = "$pid" ] || continue
        case $groups in *" $pid "*) ;; *) groups="$groups$pid " ;; esac
    done
    left=' '
    for group in $groups; do
        kill -0 "-$group" 2>/dev/null && left="$left$group "
    done
    groups=$left
    if [ "$groups" != ' ' ]; then
        # Zombies answer too, as long as nobody reaps them.
        live=$(grep -hsoE '\) [^ZXx] [0-9]+ [0-9]+ ' /proc/[0-9]*/stat 2>/dev/null | while read -r _ _ _ group; do
            printf ' %s ' "$group"
        done)
        left=' '
        for group in $groups; do
            case ${live:- $group } in *" $group "*) left="$left$group " ;; esac
        done
        groups=$left
    fi
    left=' '
    for box in $boxes; do
        grep -qs '^populated 1' "$box/cgroup.events" || find "$box" -depth -type d -exec rmdir {} ';' 2>/dev/null
        # One that is gone can be entered by nobody; one that is empty is about to be, perhaps.
        [ -d "$box" ] && left="$left$box "
    done
    boxes=$left
    [ "$marked$groups$boxes" != '  ' ]
}

# Hundredths of a second since some time; where there is no such clock, a look counts as ten.
clock() {
    if read -r now _ 2>/dev/null </proc/uptime; then
        now=${now%.*}${now#*.}
    else
        now=$((${now:-0} + 10))
    fi
}

tell() {
    for group in $groups; do kill "-$1" "-$group" 2>/dev/null; done
    for pid in $marked; do kill "-$1" "$pid" 2>/dev/null; done
}

is_to_look() {
    [ $((now - start)) -lt 1000 ] || return
    [ $quiet -lt 2 ] || { [ "$starts" -gt 0 ] && [ $((now - start)) -lt 60 ]; }
}

kill_boxes() {
    for box in $boxes; do
        echo 1 2>/dev/null >"$box/cgroup.kill" && continue
        while read -r pid; do kill -KILL "$pid" 2>/dev/null; done <"$box/cgroup.procs"
    done
}

# Who ends at the end of its input has a moment for that; then who ends at SIGTERM; then all. One who is becoming another
# program has no environment for a moment, so that it takes two looks to see that nobody is there; and more of them where the
# host has died while it started something, which may be that one, and slow.
finish() {
    trap '' CONT
    exec </dev/null
    stat_of $$ && set -- $stat && session=$4
    clock
    start=$now quiet=0 asked=
    while is_to_look; do
        if look; then
            quiet=0
            if [ $((now - start)) -ge 40 ]; then
                tell KILL
                kill_boxes
            elif [ -z "$asked" ] && [ $((now - start)) -ge 15 ]; then
                asked=1
                tell TERM
                tell CONT
            fi
        else
            quiet=$((quiet + 1))
        fi
        sleep $nap
        clock
    done
    exit
}

# What the host said last may not have been read when the sign comes: a second one follows when it has.
sign() {
    woken=1
    host_is_gone || return
    [ "$gone" ] && finish
    gone=1
    {
        sleep $nap
        sleep $nap
        sleep $nap
        kill -CONT $$
    } &
}

trap sign CONT
while :; do
    if read -r verb what; then
        case $verb in
        add) groups="$groups$what " ;;
        del) case $groups in *" $what "*) groups=${groups%%" $what "*}' '${groups#*" $what "} ;; esac ;;
        box) boxes="$boxes$what " ;;
        new) starts=$((starts + 1)) ;;
        old) starts=$((starts - 1)) ;;
        out) case $boxes in *" $what "*) boxes=${boxes%%" $what "*}' '${boxes#*" $what "} ;; esac ;;
        esac
    elif [ "$woken" ]; then
        # Interrupted by a signal.
        woken=
    else
        finish
    fi
done

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by ./dev and by the scripts beside this file: where things lie, and how a step is shown.

CACHE=${BFF_CACHE_DIR:-$PWD/.cache}
mkdir -p "$CACHE/log"
# What a minimal environment may lack, and what makes tools print in a language that we do not parse.
export PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin LC_ALL=C.UTF-8

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "error: $*"
    exit 1
}

# ticker TEXT LOG: shows that a long step lives; ended by step().
ticker() {
    local text=$1 log=$2 begin=$SECONDS every=30
    [ ! -t 2 ] || every=1
    trap 'kill "$!" 2>/dev/null; exit 0' TERM
    while :; do
        sleep $every &
        wait $!
        local last
        last=$(tail -c 400 "$log" 2>/dev/null | tr '\r' '\n' | tr -cd '[:print:]\n' | tail -n 1 | cut -c1-60)
        if [ -t 2 ]; then
            printf '\r\033[K%s ... %d s  %s' "$text" $((SECONDS - begin)) "$last" >&2
        else
            say "$text ... $((SECONDS - begin)) s  $last"
        fi
    done
}

# step TEXT NAME COMMAND...: one line for the reader, everything else into .cache/log/NAME.log.
step() {
    local text=$1 log=$CACHE/log/$2.log begin=$SECONDS status=0 watch
    shift 2
    : >"$log"
    ticker "$text" "$log" &
    watch=$!
    ("$@") >"$log" 2>&1 </dev/null &
    wait $! || status=$?
    kill "$watch" 2>/dev/null || true
    wait "$watch" 2>/dev/null || true
    [ ! -t 2 ] || printf '\r\033[K' >&2
    if [ "$status" -ne 0 ]; then
        say "$text: FAILED after $((SECONDS - begin)) s; the end of $log:"
        tail -n 60 "$log" >&2
        return "$status"
    fi
    say "$text: $((SECONDS - begin)) s"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -n "$@" || sudo "$@"
    else
        say "this needs root and there is no sudo; run as root: $*"
        return 1
    fi
}

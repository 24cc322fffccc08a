# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by ./dev: meson set-up and the test runs in a build directory.

# -O1 keeps sanitized runs fast enough for the deadlines in the tests and stack traces readable.
# shellcheck disable=SC2034 # used by ./dev
ASAN_OPTIONS_MESON=('-Db_sanitize=address,undefined' -Doptimization=1 -Db_lundef=false)
# shellcheck disable=SC2034
TSAN_OPTIONS_MESON=(-Db_sanitize=thread -Doptimization=1 -Db_lundef=false)
# What is shipped (Dockerfile), and beside it what the benchmark compares with.
# shellcheck disable=SC2034
BENCH_OPTIONS_MESON=(-Dtests=false -Dbench=true)
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1:exitcode=66

# build_in DIR [MESON_OPTION...]: sets the directory up when it is new or set up otherwise, builds
# everything, or the TARGETS.
build_in() {
    local dir=$1 wanted
    shift
    # ninja itself does not mind another one in the same directory.
    exec 9>"$CACHE/log/$dir.lock"
    flock 9
    wanted="${CC:-gcc} $MHD_PREFIX $(head -n 1 "$MHD_PREFIX/complete") $*"
    if [ ! -e "$dir/build.ninja" ] || [ "$(cat "$dir/set-up-as" 2>/dev/null)" != "$wanted" ]; then
        rm -rf "$dir"
        step "setting up $dir/" "$dir-setup" env CC="${CC:-gcc}" meson setup "$dir" \
            -Dpkg_config_path="$MHD_PREFIX/lib/pkgconfig" "$@"
        printf '%s' "$wanted" >"$dir/set-up-as"
    fi
    # shellcheck disable=SC2086 # a list of targets
    step "building $dir/" "$dir-build" ninja -C "$dir" ${TARGETS-}
    flock -u 9
}

# shellcheck disable=SC2034
BINARIES="src/biometrics-bff emulator/mosaic-emulator phone/virtual-phone"

# exec_tests DIR SUITE [FILTER]: never returns. SUITE: all, asan (and broken input from the vendor), or
# threads (what a thread sanitizer needs).
exec_tests() {
    local dir=$1
    export BFF_TEST_REPORT_DIR=${BFF_TEST_REPORT_DIR:-$PWD/$dir/reports}
    exec /usr/bin/python3 tools/run_tests.py --build "$PWD/$dir" --suite "$2" --filter "${3-}"
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by ./dev: the Debian packages of each group, and how they are installed. Works on Debian 12
# and 13, from minbase up, as root or through sudo.

group_packages() {
    case $1 in
    build)
        echo gcc libc6-dev make meson ninja-build pkgconf python3 ca-certificates \
            libcurl4-openssl-dev libcjson-dev libjwt-dev libssl-dev check
        ;;
    test)
        echo python3-pytest python3-pytest-xdist python3-yaml python3-jsonschema gdb \
            python3-cryptography python3-h2 procps curl nginx haproxy
        ;;
    lint)
        echo clang clang-format clang-tidy shellcheck python3-yaml
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
        ;;
    demo) echo curl ;;
    oidc)
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
        ;;
    instructions) echo valgrind python3-cryptography ;;
    syscalls) echo strace ;;
    bench) echo nginx libnginx-mod-http-echo haproxy wrk python3-cryptography util-linux ;;
    deploy)
        echo haproxy nginx prometheus systemd python3-yaml python3-jsonschema curl
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
        ;;
    image)
        echo buildah mmdebstrap util-linux ca-certificates python3-jsonschema
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
        ;;
    *) die "no such group of packages: $1" ;;
    esac
}

# missing_packages NAME...: those that dpkg does not have installed, on one line.
missing_packages() {
    local have name
    # shellcheck disable=SC2016 # the format is dpkg-query's
    have=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    for name in "$@"; do
        grep -qx "installed $name" <<<"$have" || printf '%s ' "$name"
    done
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 install "$@"
}

# without_daemons COMMAND...: Debian starts a daemon when its package is installed, unless a policy says
# no; of nginx, haproxy and prometheus the programs alone are wanted.
without_daemons() {
    local policy=/usr/sbin/policy-rc.d status=0 name
    [ ! -e $policy ] || policy=''
    # shellcheck disable=SC2016 # not ours to expand
    [ -z "$policy" ] || as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$0" && chmod 755 "$0"' $policy
    "$@" || status=$?
    [ -z "$policy" ] || as_root rm -f $policy
    for name in nginx haproxy prometheus; do
        [[ " $* " != *" $name "* ]] || [ ! -d /run/systemd/system ] || as_root systemctl disable -q $name
    done
    return $status
}

need_packages() {
    command -v apt-get >/dev/null || die "this needs Debian 12 or 13 (apt-get was not found)"
    local group packages names='' missing
    for group in "$@"; do
        packages=$(group_packages "$group") || exit 1
        names+=" $packages"
    done
    # shellcheck disable=SC2086 # a list of package names
    missing=$(missing_packages $names)
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086
        step "installing packages for $*" apt-install without_daemons apt_install $missing
    fi
}

# need GROUP...: afterwards the groups' packages are installed and, for `build`, libmicrohttpd is
# built and MHD_PREFIX names it.
need() {
    local group
    need_packages "$@"
    for group in "$@"; do
        [ "$group" != build ] || need_libmicrohttpd
    done
}

# The service's HTTP parser: Debian's own packages lack fixes that matter here
# (docs/decisions/0001-libmicrohttpd-from-source.md), so a pinned one is built once and kept.
need_libmicrohttpd() {
    # shellcheck disable=SC1091
    MHD_PREFIX=$CACHE/libmicrohttpd/$(. /etc/os-release && echo "${ID}${VERSION_ID-}")-$(uname -m)
    export MHD_PREFIX
    ! have_libmicrohttpd || return 0
    # One at a time: another command may be at it, and then there is nothing left to do.
    exec 8>"$CACHE/log/libmicrohttpd.lock"
    flock 8
    if ! have_libmicrohttpd; then
        step "building libmicrohttpd (once)" libmicrohttpd bash tools/libmicrohttpd.sh "$MHD_PREFIX" "$(mhd_recipe)"
        say "  $(sed -n 2p "$MHD_PREFIX/complete")"
    fi
    exec 8>&-
}

have_libmicrohttpd() {
    [ -e "$MHD_PREFIX/complete" ] && [ "$(head -n 1 "$MHD_PREFIX/complete")" = "$(mhd_recipe)" ]
}

# Changes when what builds it does.
mhd_recipe() {
    cat tools/libmicrohttpd.sh tools/libmicrohttpd_zero.h | sha256sum | cut -c1-16
}

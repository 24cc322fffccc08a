#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: libmicrohttpd.sh PREFIX RECIPE
# Fetches libmicrohttpd's source, checks it and installs a static library without the parts that the
# service does not use. The source is Debian's package in `sid`, fetched and verified by apt with the
# mirror that this machine already uses, in private directories: /etc/apt stays as it is. Where apt
# cannot (no source list, no such suite on the mirror), the GNU release with the same checksum.
set -euo pipefail

PREFIX=$1 RECIPE=$2
HERE=$(dirname "$(readlink -f "$0")")
MHD_VERSION=1.0.10
SHA256=04bfe8ef75db7d629a33de767599765cecadc56274a39822d5d081030d577685
GNU_URL=https://ftp.gnu.org/gnu/libmicrohttpd/libmicrohttpd-$MHD_VERSION.tar.gz

PINNED_ONLY=
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mkdir -p "$WORK/lists/partial" "$WORK/cache/archives/partial" "$WORK/parts" "$WORK/fetch" "$WORK/src"

# The machine's own entry for its Debian release, turned into one for the sources of sid: same
# mirror, same keys.
sid_source_entry() {
    local codename list
    # shellcheck disable=SC1091
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    for list in /etc/apt/sources.list.d/*.sources; do
        [ -e "$list" ] || continue
        sed '/^#/d' "$list" | awk -v codename="$codename" '
            BEGIN { RS = ""; FS = "\n" }
            function wanted(n, field, i, words) {
                n = split(field, words, " ")
                for (i = 2; i <= n; i++)
                    if (words[i] == codename || words[i] == "stable" || words[i] == "sid") return 1
                return 0
            }
            {
                good = 0
                for (i = 1; i <= NF; i++) {
                    if (tolower($i) ~ /^suites:/ && wanted(0, $i)) good = 1
                    if (tolower($i) ~ /^enabled: *no/) { good = 0; break }
                }
                if (!good) next
                print "Types: deb-src\nSuites: sid\nComponents: main"
                for (i = 1; i <= NF; i++)
                    if (tolower($i) !~ /^(types|suites|components|architectures|enabled):/) print $i
                exit
            }' >"$WORK/debian.sources"
        [ ! -s "$WORK/debian.sources" ] || {
            echo "$WORK/debian.sources"
            return
        }
    done
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v codename="$codename" '
        $1 == "deb" {
            options = ""; i = 2
            if ($2 ~ /^\[/) { do { options = options " " $i } while ($(i++) !~ /\]$/) }
            if ($(i + 1) == codename || $(i + 1) == "stable" || $(i + 1) == "sid") {
                sub(/ *arch=[^] ]*/, "", options); sub(/^ *\[ *\]/, "", options)
                print "deb-src" options " " $i " sid main"
                exit
            }
        }' >"$WORK/debian.list"
    [ -s "$WORK/debian.list" ] && echo "$WORK/debian.list"
}

fetch_from_debian() {
    local entry
    command -v apt-get >/dev/null && entry=$(sid_source_entry) || return 1
    local options=(-q -o "Dir::State::lists=$WORK/lists" -o "Dir::Cache=$WORK/cache"
        -o "Dir::Etc::sourcelist=$entry" -o "Dir::Etc::sourceparts=$WORK/parts"
        -o Acquire::Languages=none -o Acquire::PDiffs=false -o Acquire::Retries=3)
    # The sandbox user cannot reach private directories below a closed home.
    [ "$(id -u)" -ne 0 ] || options+=(-o APT::Sandbox::User=root)
    if ! apt-get "${options[@]}" --error-on=any update; then
        # A mirror that is not updated any more has an index past its date. That date guards against
        # being shown old packages; here an old one is only taken when it is the pinned one.
        PINNED_ONLY=yes
        options+=(-o Acquire::Check-Valid-Until=false)
        apt-get "${options[@]}" update || return 1
    fi
    (cd "$WORK/fetch" && apt-get "${options[@]}" source --download-only --only-source libmicrohttpd) || return 1
    ls "$WORK"/fetch/*.orig.tar.* >/dev/null 2>&1 || return 1
}

# Sets TARBALL, FOUND (its version) and ORIGIN.
choose_tarball() {
    local candidate
    if fetch_from_debian; then
        for candidate in "$WORK"/fetch/libmicrohttpd_*.orig.tar.[gxb]z*; do
            case $candidate in *.asc) continue ;; esac
            TARBALL=$candidate
        done
        FOUND=$(basename "$TARBALL" | sed 's/^libmicrohttpd_\(.*\)\.orig\.tar\..*$/\1/')
        ORIGIN="Debian's source package, verified by apt"
        case $FOUND in
        "$MHD_VERSION")
            echo "$SHA256  $TARBALL" | sha256sum -c -
            return
            ;;
        1.0.*)
            [ -z "$PINNED_ONLY" ] && dpkg --compare-versions "$FOUND" gt "$MHD_VERSION" && return
            ;;
        esac
        echo "the suite has libmicrohttpd $FOUND, not $MHD_VERSION or a later 1.0.x"
    fi
    command -v curl >/dev/null || {
        echo "apt has no usable source of libmicrohttpd, and there is no curl to fetch $GNU_URL"
        return 1
    }
    TARBALL=$WORK/fetch/gnu.tar.gz FOUND=$MHD_VERSION ORIGIN="the GNU release"
    curl --fail --silent --show-error --location --proto '=https' --output "$TARBALL" "$GNU_URL"
    echo "$SHA256  $TARBALL" | sha256sum -c -
}

# The one change to the source: see libmicrohttpd_zero.h.
write_zeros_only_where_needed() {
    local pool=src/microhttpd/memorypool.c
    cp "$HERE/libmicrohttpd_zero.h" src/microhttpd/
    sed -i -e 's/\bmemset (/zero_out (/' -e 's/^#include "memorypool.h"$/&\n#include "libmicrohttpd_zero.h"/' "$pool"
    if ! grep -q '^#include "libmicrohttpd_zero.h"$' "$pool" || ! grep -q 'zero_out (' "$pool"; then
        echo "$pool is not what write_zeros_only_where_needed expects"
        return 1
    fi
}

# What its own --enable-compiler-hardening leaves out, where the processor has it: one object without it,
# and the linker takes the mark from the whole binary.
control_flow_protection() {
    ! "${CC:-gcc}" -fcf-protection=full -c -x c /dev/null -o /dev/null 2>/dev/null || echo -fcf-protection=full
}

choose_tarball
tar -xf "$TARBALL" -C "$WORK/src" --strip-components=1
cd "$WORK/src"
write_zeros_only_where_needed
./configure CFLAGS="-g -O2 $(control_flow_protection)" --prefix="$PREFIX" --libdir="$PREFIX/lib" --disable-shared --enable-static --with-pic \
    --disable-https --disable-postprocessor --disable-dauth --disable-bauth --disable-httpupgrade \
    --disable-cookie --disable-doc --disable-examples --disable-tools \
    --enable-linker-hardening --enable-compiler-hardening
make -j"$(nproc)"
rm -rf "$PREFIX"
make install
install -D -m 0644 COPYING "$PREFIX/share/licenses/libmicrohttpd/COPYING"
printf '%s\nlibmicrohttpd %s from %s, sha256 %s\n' "$RECIPE" "$FOUND" "$ORIGIN" \
    "$(sha256sum "$TARBALL" | cut -d' ' -f1)" >"$PREFIX/complete"

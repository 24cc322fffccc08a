#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: rootfs.sh BINARY DIRECTORY MHD_PREFIX
# Lays out the root of an image without a distribution: the binary, what its loader needs, CA
# certificates, the accounts file and the licence texts of everything copied.
set -euo pipefail

binary=$1 root=$2 mhd_prefix=$3
licences=$root/usr/share/licenses
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$licences" "$root/tmp"
chmod 1777 "$root/tmp"
install -s -m 0755 "$binary" "$root/usr/bin/"

# The licence text of the Debian package that owns a file.
copy_licence() {
    local owner
    owner=$(dpkg-query -S "$1" "/usr${1#/usr}" 2>/dev/null | head -n 1 | cut -d: -f1) || true
    [ -n "$owner" ] || return 0
    install -D -m 0644 "/usr/share/doc/$owner/copyright" "$licences/$owner/copyright"
}

# Keeps each library's path: the loader is named in the binary, the rest lie on its default path.
ldd "$binary" | grep -o '/[^ ]*' | sort -u | while read -r library; do
    real=$(readlink -f "$library")
    install -D -m 0755 "$real" "$root$library"
    copy_licence "$real"
done

install -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
copy_licence /usr/sbin/update-ca-certificates
printf 'nonroot:x:65532:65532:nonroot:/:/nonexistent\n' >"$root/etc/passwd"
printf 'nonroot:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"

install -D -m 0644 "$mhd_prefix/share/licenses/libmicrohttpd/COPYING" "$licences/libmicrohttpd/COPYING"
install -D -m 0644 LICENSE "$licences/$(basename "$binary")/LICENSE"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: rootfs.sh BINARY DIRECTORY MHD_PREFIX
# Lays out the root of an image without a distribution: the binary, what its loader needs, CA
# certificates, the accounts file, the licence texts of everything copied, and the bill of materials.
# Paths are those that the loader names, so this is the same on every architecture.
set -euo pipefail

binary=$1 root=$2 mhd_prefix=$3
name=$(basename "$binary")
licences=usr/share/licenses
owners=$root.owners # a line a file: path in the image, tab, the package that it comes from
mkdir -p "$root/tmp"
chmod 1777 "$root/tmp"
: >"$owners"

# put MODE FILE PATH PACKAGE
put() {
    install -D -m "$1" "$2" "$root/$3"
    printf '%s\t%s\n' "$3" "$4" >>"$owners"
}

# put_text PATH TEXT: a file of our own.
put_text() {
    install -d "$root/$(dirname "$1")"
    printf '%s' "$2" >"$root/$1"
    chmod 0644 "$root/$1"
    printf '%s\t%s\n' "$1" "$name" >>"$owners"
}

# put_licence PACKAGE: once for each.
put_licence() {
    [ -e "$root/$licences/$1/copyright" ] ||
        put 0644 "/usr/share/doc/$1/copyright" "$licences/$1/copyright" "$1"
}

package_of() {
    local owner
    owner=$(dpkg-query -S "$1" "${1#/usr}" 2>/dev/null | head -n 1 | cut -d: -f1) || true
    [ -n "$owner" ] || {
        echo "no package owns $1" >&2
        return 1
    }
    echo "$owner"
}

put 0755 "$binary" "usr/bin/$name" "$name"
strip "$root/usr/bin/$name"
# Keeps each library's path: the loader is named in the binary, the rest lie on its default path.
ldd "$binary" | grep -o '/[^ ]*' | sort -u | while read -r library; do
    real=$(readlink -f "$library")
    package=$(package_of "$real")
    put 0755 "$real" "${library#/}" "$package"
    put_licence "$package"
done

put 0644 /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ca-certificates.crt ca-certificates
put_licence ca-certificates
put_text etc/passwd $'nonroot:x:65532:65532:nonroot:/:/nonexistent\n'
put_text etc/group $'nonroot:x:65532:\n'
put_text etc/nsswitch.conf $'hosts: files dns\n'
put 0644 "$mhd_prefix/share/licenses/libmicrohttpd/COPYING" "$licences/libmicrohttpd/COPYING" libmicrohttpd
put 0644 LICENSE "$licences/$name/LICENSE" "$name"

python3 tools/sbom.py "$name" "$root" "$mhd_prefix"
find "$root" -print0 | xargs -0 touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: image_run.sh ROOT COMMAND...
# Mounts what a container runtime mounts into the image's root, makes that read-only, and runs the
# command with BFF_SERVICE set to a program that starts the service inside. All of it in namespaces of
# its own for mounts and processes, so that nothing is left of it when it ends or is killed.
set -euo pipefail
if [ "${BFF_IMAGE_NAMESPACE-}" != own ]; then
    scratch=$(mktemp -d) inside=
    chmod 0755 "$scratch"
    # The first process of the namespace takes all others with it, and is gone when they are.
    trap 'kill -KILL $(cat "/proc/$inside/task/$inside/children" 2>/dev/null) 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT
    trap 'exit 130' INT TERM
    BFF_IMAGE_NAMESPACE=own BFF_IMAGE_SCRATCH=$scratch unshare --mount --propagation private \
        --pid --fork --kill-child --mount-proc "$0" "$@" &
    inside=$! status=0
    wait "$inside" || status=$?
    exit "$status"
fi
root=$1 here=$(dirname "$(readlink -f "$0")")
shift

mount --bind "$root" "$root"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=0755 none "$root/dev"
for node in null zero full random urandom; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
for file in resolv.conf hosts; do
    [ ! -e "/etc/$file" ] || { touch "$root/etc/$file" && mount --bind "/etc/$file" "$root/etc/$file"; }
done
# What the tests write for the service, under the same path.
mount --bind /tmp "$root/tmp"
mount -o remount,bind,ro "$root"
! touch "$root/etc/passwd" 2>/dev/null || { echo "the root can be written to" >&2 && exit 1; }

scratch=$BFF_IMAGE_SCRATCH
start=$scratch/biometrics-bff
# Not by a shell, which would drop variables whose names it does not like.
printf '#!/usr/bin/python3 -IS\nimport runpy, sys\nsys.argv[1:1] = ["%s", "/usr/bin/biometrics-bff"]\nrunpy.run_path("%s", run_name="__main__")\n' \
    "$root" "$here/image_enter.py" >"$start"
chmod 0755 "$start"
# Of its own, for each run of pytest closes the common one to other users.
PYTEST_DEBUG_TEMPROOT=$scratch BFF_SERVICE=$start BFF_IMAGE_ROOT=$root "$@"

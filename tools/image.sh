#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the images with buildah and starts the service once as uid 65532, with the emulator beside it
# on loopback, to see that it becomes ready. Needs no container engine and, where no registry is
# reachable, no registry: the base is then made with mmdebstrap.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/common.sh

# What works without kernel features that a build machine may lack.
export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
BASE=${BFF_BASE_IMAGE:-docker.io/library/debian:trixie-slim}
OWN_BASE=localhost/debian-trixie-minbase:latest
IMAGE=localhost/biometrics-bff EMULATOR_IMAGE=localhost/mosaic-emulator
VERSION=$(sed -n "s/^ *version: '\(.*\)',$/\1/p" meson.build | head -n 1)
CONTAINERS=()

have_image() {
    buildah images --quiet "$1" >/dev/null 2>&1
}

make_own_base() {
    local rootfs=$CACHE/trixie-minbase.tar container
    mmdebstrap --variant=minbase --mode=root trixie "$rootfs"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$rootfs" /
    buildah commit --quiet "$container" "$OWN_BASE"
    buildah rm "$container"
    rm -f "$rootfs"
}

choose_base() {
    have_image "$BASE" && return
    if ! have_image "$OWN_BASE"; then
        timeout 60 buildah pull --quiet "$BASE" >"$CACHE/log/image-pull.log" 2>&1 </dev/null && return
        step "no registry reachable: making the base image with mmdebstrap" image-base make_own_base
    fi
    BASE=$OWN_BASE
}

build() {
    buildah build --format docker --layers --build-arg "BASE=$BASE" "$@" .
}

# unpack IMAGE: mounts a new container of it; MOUNT is the directory.
unpack() {
    local container
    container=$(buildah from "$1")
    CONTAINERS+=("$container")
    MOUNT=$(buildah mount "$container")
}

started=()
clean_up() {
    local process container
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null && wait "$process" 2>/dev/null
    done
    for container in "${CONTAINERS[@]}"; do
        buildah rm "$container" >/dev/null 2>&1
    done
}

# wait_for TEXT FILE PROCESS: prints the first line with TEXT; fails when the process ends before or
# 20 s have passed.
wait_for() {
    local deadline=$((SECONDS + 20))
    until grep -s -m 1 -F -- "$1" "$2"; do
        if ! kill -0 "$3" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            say "waited in vain for $1; the output:"
            cat "$2" >&2
            return 1
        fi
        sleep 0.1
    done
}

member() {
    sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"
}

try_it() {
    local service emulator ready listening port logs=$CACHE/log status uid chroot process
    chroot=$(command -v chroot) # the emptied environment below has no PATH
    unpack "$EMULATOR_IMAGE"
    emulator=$MOUNT
    unpack "$IMAGE:$VERSION"
    service=$MOUNT

    chroot --userspec=65532:65532 "$emulator" /usr/bin/mosaic-emulator --listen 127.0.0.1:0 \
        >"$logs/image-emulator.out" 2>&1 </dev/null &
    started+=($!)
    ready=$(wait_for '"ready"' "$logs/image-emulator.out" $!)

    env -i BFF_UPSTREAM_URL="$(member url <<<"$ready")" BFF_ALLOW_INSECURE_UPSTREAM=true \
        BFF_ISSUERS="$(member issuer <<<"$ready")" BFF_TENANT_ID="$(member tenant_id <<<"$ready")" \
        BFF_CLIENT_ID="$(member client_id <<<"$ready")" BFF_CLIENT_SECRET="$(member client_secret <<<"$ready")" \
        BFF_LISTEN=127.0.0.1:0 BFF_MANAGEMENT_LISTEN=127.0.0.1:0 BFF_DRAIN_DELAY_S=0 \
        "$chroot" --userspec=65532:65532 "$service" /usr/bin/biometrics-bff serve \
        >"$logs/image-service.out" 2>&1 </dev/null &
    process=$!
    started+=("$process")
    listening=$(wait_for '"listener":"management"' "$logs/image-service.out" "$process")
    wait_for '"service.ready"' "$logs/image-service.out" "$process" >/dev/null
    uid=$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$process/status")
    port=$(member server.port <<<"$listening")

    status=$(curl --silent --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$port/readyz")
    env -i BFF_MANAGEMENT_LISTEN="127.0.0.1:$port" "$chroot" --userspec=65532:65532 "$service" \
        /usr/bin/biometrics-bff healthcheck
    say "the image's service, as uid $uid: /readyz answered $status, healthcheck said healthy"
    [ "$status" = 200 ] && [ "$uid" = 65532 ]
}

choose_base
step "building $IMAGE:$VERSION on $BASE" image-build build --target service --tag "$IMAGE:$VERSION" \
    --build-arg "VERSION=$VERSION" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    --build-arg "CREATED=$(date --utc +%Y-%m-%dT%H:%M:%SZ)"
step "building $EMULATOR_IMAGE" image-emulator build --target emulator --tag "$EMULATOR_IMAGE"
trap clean_up EXIT
try_it
say "$IMAGE:$VERSION: $(buildah images --format '{{.Size}}' "$IMAGE:$VERSION" | head -n 1)"

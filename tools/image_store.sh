# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by ./dev and tools/image.sh: the images that we make in buildah's store, and how they leave it. Ours is
# what has a name of ours, or had one when a build began: a label would be inherited by whatever is built on ours.
# Nothing is forced, so what somebody else's image or a container stands on stays.

# What works without kernel features that a build machine may lack.
export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
# shellcheck disable=SC2034 # used by tools/image.sh
IMAGE=localhost/biometrics-bff EMULATOR_IMAGE=localhost/mosaic-emulator BUILD_IMAGE=localhost/biometrics-bff-build:latest
OWN_BASE=localhost/debian-trixie-minbase:latest

# Held while images are made and removed: what is half made has no name yet.
lock_store() {
    exec 8<"$(buildah info --format '{{.store.GraphRoot}}')"
    flock 8
}

unlock_store() {
    exec 8<&-
}

# our_names: a line for each of our names in the store, and the id of the image that bears it.
our_names() {
    buildah images --no-trunc --noheading --format '{{.Name}}:{{.Tag}} {{.ID}}' |
        grep -E "^($IMAGE|$EMULATOR_IMAGE|${BUILD_IMAGE%:*}|${OWN_BASE%:*}):" || true
}

# Before a build, which takes their names.
remember_ours() {
    REMEMBERED=$(our_names | awk '{ print $2 }')
}

# What the build took the name of, with the layers that nothing else stands on.
remove_superseded() {
    local id nameless
    nameless=$(buildah images --quiet --no-trunc --filter dangling=true)
    for id in $REMEMBERED; do
        # In use by another build or test of this store: it stays.
        [[ $nameless != *"$id"* ]] || buildah rmi "$id" || true
    done
}

remove_all_images() {
    local name
    lock_store
    for name in $(our_names | awk '{ print $1 }'); do
        buildah rmi "$name" || true
    done
    unlock_store
}

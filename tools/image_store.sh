# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by ./dev and tools/image.sh: the images that we make in buildah's store, and how they leave it.
# Nothing is touched that has neither a name nor a title of ours, or that a container stands on.

# What works without kernel features that a build machine may lack.
export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
# shellcheck disable=SC2034 # used by tools/image.sh
IMAGE=localhost/biometrics-bff EMULATOR_IMAGE=localhost/mosaic-emulator BUILD_IMAGE=localhost/biometrics-bff-build:latest
OWN_BASE=localhost/debian-trixie-minbase:latest
# As in the Dockerfile.
TITLES=(biometrics-bff mosaic-emulator biometrics-bff-build)

# Held while images are made and removed: what is half made has no name yet.
lock_store() {
    exec 8<"$(buildah info --format '{{.store.GraphRoot}}')"
    flock 8
}

unlock_store() {
    exec 8<&-
}

# titled [FILTER...]: ids of the images with a title of ours.
titled() {
    local title
    for title in "${TITLES[@]}"; do
        buildah images --quiet --no-trunc --filter "label=org.opencontainers.image.title=$title" "$@"
    done | sort -u
}

# What a newer build took the name of, with the layers that nothing else stands on.
remove_superseded() {
    local id
    for id in $(titled --filter dangling=true); do
        # In use by another build or test of this store: it goes with a later one.
        buildah rmi "$id" || true
    done
}

# Also what interrupted runs left, with the containers on it.
remove_all_images() {
    local id
    lock_store
    for id in $(titled) $(buildah images --quiet --no-trunc "$OWN_BASE" 2>/dev/null); do
        buildah rmi --force "$id" || true
    done
    unlock_store
}

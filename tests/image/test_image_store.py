# SPDX-License-Identifier: Apache-2.0
"""Which images leave buildah's store after a build and with `./dev clean --all`: those that carry a title of
ours and no name any more, or all of ours; never a foreign one. In a store of the test's own."""
import os
import pathlib
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("buildah") is None, reason="no buildah here")

STORE_SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "image_store.sh"
STAGES = """\
FROM localhost/base AS build
LABEL org.opencontainers.image.title="biometrics-bff-build"
COPY dependencies /
COPY source /
FROM scratch AS service
LABEL org.opencontainers.image.title="biometrics-bff"
COPY --from=build /source /
"""


class Store:
    def __init__(self, directory):
        self.context = directory / "context"
        self.context.mkdir()
        (self.context / "Dockerfile").write_text(STAGES)
        (self.context / "dependencies").write_text("the same")
        configuration = directory / "storage.conf"
        configuration.write_text(f'[storage]\ndriver = "vfs"\nrunroot = "{directory}/run"\ngraphroot = "{directory}/graph"\n')
        self.env = dict(os.environ, CONTAINERS_STORAGE_CONF=str(configuration), STORAGE_DRIVER="vfs")
        self.base, = self.run("""
            container=$(buildah from scratch)
            buildah add --quiet "$container" dependencies /base >/dev/null
            buildah commit --quiet "$container" localhost/base
            buildah rm "$container" >/dev/null""")

    def run(self, script):
        """What a script prints that has the functions and names of tools/image_store.sh."""
        return subprocess.run(["bash", "-euc", f'. "{STORE_SCRIPT}"\n{script}'], cwd=self.context, env=self.env,
                              capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout.split()

    def build(self, source):
        """As tools/image.sh does; the ids of the images of both stages."""
        (self.context / "source").write_text(source)
        return self.run("""
            buildah build --quiet --layers --timestamp 0 --target build --tag "$BUILD_IMAGE" .
            buildah build --quiet --layers --timestamp 0 --target service --tag "$IMAGE:1" .""")

    def foreign(self):
        """Somebody else's images: one with a name, one without."""
        return self.run("""
            container=$(buildah from scratch)
            buildah config --label org.opencontainers.image.title=theirs "$container"
            buildah commit --quiet "$container" localhost/theirs
            buildah config --label other=too "$container"
            buildah commit --quiet "$container"
            buildah rm "$container" >/dev/null""")

    def images(self):
        """Every image of the store, intermediate ones included."""
        return {line.removeprefix("sha256:") for line in self.run("buildah images --all --quiet --no-trunc")}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_build_leaves_its_own_images_and_those_of_others(store):
    foreign = store.foreign()
    old = store.build("old")
    new = store.build("new")
    assert {*foreign, *old, *new} <= store.images()
    store.run("remove_superseded")
    assert {*foreign, *new} <= store.images()
    assert not store.images() & set(old)


def test_what_is_left_does_not_grow_with_the_number_of_builds(store):
    counts = []
    for source in ("first", "second", "third"):
        store.build(source)
        store.run("remove_superseded")
        counts.append(len(store.images()))
    assert counts[0] == counts[1] == counts[2]


def test_the_layers_of_the_last_build_serve_the_next(store):
    store.build("old")
    store.run("remove_superseded")
    said = store.run('buildah build --layers --timestamp 0 --target build --tag "$BUILD_IMAGE" .')
    assert " ".join(said).count("Using cache") == 3, said


def test_an_image_that_a_container_stands_on_stays_until_it_is_gone(store):
    old = store.build("old")
    container, = store.run('buildah from "$IMAGE:1"')
    store.build("new")
    store.run("remove_superseded")
    assert old[1] in store.images()
    store.run(f"buildah rm {container}; remove_superseded")
    assert old[1] not in store.images()


def test_clean_removes_all_of_ours_and_nothing_else(store):
    foreign = store.foreign()
    store.build("old")
    store.run('buildah from "$IMAGE:1"')
    store.build("new")
    store.run("remove_all_images")
    assert store.images() == {*foreign, store.base}

# SPDX-License-Identifier: Apache-2.0
"""Which images leave buildah's store after a build and with `./dev clean --all`: what has a name of ours or had it
before the build, and never what is somebody else's. In a store of the test's own."""
import os
import pathlib
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("buildah") is None, reason="no buildah here")

STORE_SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "image_store.sh"
STAGES = """\
FROM localhost/base AS build
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
        (self.context / "source").write_text("somebody's")
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
            remember_ours
            buildah build --quiet --layers --timestamp 0 --target build --tag "$BUILD_IMAGE" .
            buildah build --quiet --layers --timestamp 0 --target service --tag "$IMAGE:1" .
            remove_superseded >&2""")

    def derived(self, name):
        """The id of an image that somebody made from ours; "": without a name."""
        made, = self.run(f"""
            container=$(buildah from "$IMAGE:1")
            buildah add --quiet "$container" dependencies /more >/dev/null
            buildah commit --quiet "$container" {name and "localhost/" + name}
            buildah rm "$container" >/dev/null""")
        return made

    def foreign(self):
        """Somebody else's images: one with a name, one without."""
        return self.run("""
            container=$(buildah from scratch)
            buildah add --quiet "$container" source /theirs >/dev/null
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


def test_a_build_takes_what_it_superseded_and_leaves_what_others_have(store):
    foreign = store.foreign()
    old = store.build("old")
    new = store.build("new")
    assert {*foreign, *new} <= store.images()
    assert not store.images() & set(old)


def test_what_is_left_does_not_grow_with_the_number_of_builds(store):
    counts = []
    for source in ("first", "second", "third"):
        store.build(source)
        counts.append(len(store.images()))
    assert counts[0] == counts[1] == counts[2]


def test_the_layers_of_the_last_build_serve_the_next(store):
    store.build("old")
    said = store.run('buildah build --layers --timestamp 0 --target build --tag "$BUILD_IMAGE" .')
    assert " ".join(said).count("Using cache") == 2, said


def test_an_image_that_a_container_stands_on_stays(store):
    old = store.build("old")
    store.run('buildah from "$IMAGE:1"')
    store.build("new")
    assert old[1] in store.images()


def test_an_image_that_somebody_built_on_ours_stays_with_and_without_a_name(store):
    store.build("old")
    named, nameless = store.derived("theirs"), store.derived("")
    store.build("new")
    store.run("remove_all_images")
    assert {named, nameless} <= store.images()


def test_an_image_that_somebody_named_stays(store):
    old = store.build("old")
    store.run('buildah tag "$IMAGE:1" localhost/bank/bff')
    store.build("new")
    store.run("remove_all_images")
    assert old[1] in store.images()


def test_clean_removes_all_of_ours_and_nothing_else(store):
    foreign = store.foreign()
    ours = {*store.build("old"), *store.build("new")}
    store.run("remove_all_images")
    left = store.images()
    assert {*foreign, store.base} <= left
    assert not left & ours

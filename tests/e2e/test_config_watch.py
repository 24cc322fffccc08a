# SPDX-License-Identifier: Apache-2.0
"""Files of the configuration that change are read again without a signal: written anew, put in place of
the old, or exchanged by a symbolic link as Kubernetes does it."""
import hashlib
import os

import pytest

from harness.paths import BUILD, SANITIZER
from harness.reloadable import base64_lines
from harness.waiting import until


def operator_line(key):
    return f"ops:{hashlib.sha256(key.encode()).hexdigest()}\n"


class Volume:
    """Files mounted as Kubernetes mounts a Secret: links to ..data/NAME, and ..data a link to a
    directory that is exchanged as a whole."""

    def __init__(self, path, **files):
        self.path = path
        self.number = 0
        path.mkdir()
        self.put(**files)
        for name in files:
            (path / name).symlink_to(f"..data/{name}")

    def put(self, **files):
        self.number += 1
        directory = self.path / f"..version_{self.number}"
        directory.mkdir()
        for name, text in files.items():
            (directory / name).write_text(text)
        link = self.path / "..data_tmp"
        link.symlink_to(directory.name)
        os.rename(link, self.path / "..data")


@pytest.fixture
def operated(reloadable, hostile):
    """operated(path, **options): a service that watches this file of operator keys."""

    def start(path, watch=True, **options):
        config = {"BFF_OPERATOR_LISTEN": "127.0.0.1:0", **options.pop("config", {})}
        return reloadable(hostile, watch=watch, BFF_OPERATOR_KEYS_FILE=path, config=config, **options)

    return start


def status(bff, key):
    return bff.service.operator().request("POST", "/v1/users/user-1/face/revoke", token=key).status


def takes_up(bff, act, key):
    done = bff.outcome_of(act)
    assert (done["event.outcome"], done["config.trigger"]) == ("success", "files"), done
    assert status(bff, key) == 204


def test_a_file_that_is_written_anew_is_taken_up(operated, tmp_path):
    keys = tmp_path / "operators"
    keys.write_text(operator_line("first"))
    bff = operated(keys)
    takes_up(bff, lambda: keys.write_text(operator_line("second")), "second")
    assert status(bff, "first") == 401


def test_a_file_that_takes_the_place_of_another_is_taken_up(operated, tmp_path):
    keys, new = tmp_path / "operators", tmp_path / "operators.new"
    keys.write_text(operator_line("first"))
    bff = operated(keys)
    new.write_text(operator_line("second"))
    takes_up(bff, lambda: os.rename(new, keys), "second")


def test_the_exchange_of_a_mounted_volume_is_taken_up_again_and_again(operated, tmp_path):
    volume = Volume(tmp_path / "volume", keys=operator_line("key-0"))
    bff = operated(volume.path / "keys")
    for number in range(1, 4):
        takes_up(bff, lambda: volume.put(keys=operator_line(f"key-{number}")), f"key-{number}")


def test_a_change_behind_a_link_is_taken_up(operated, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "operators", tmp_path / "operators"
    real.write_text(operator_line("first"))
    link.symlink_to(real)
    bff = operated(link)
    takes_up(bff, lambda: real.write_text(operator_line("second")), "second")


def test_the_configuration_file_itself_is_watched(reloadable, hostile):
    bff = reloadable(hostile, watch=True, BFF_LOG_LEVEL="info")
    done = bff.outcome_of(lambda: bff.write(BFF_LOG_LEVEL="warn", BFF_JWT_LEEWAY_S=7))
    assert done["config.changed"] == "BFF_JWT_LEEWAY_S BFF_LOG_LEVEL"


def test_a_file_that_is_written_to_slowly_is_read_once_when_it_is_whole(operated, tmp_path):
    keys = tmp_path / "operators"
    keys.write_text(operator_line("first"))
    bff = operated(keys)
    text = operator_line("second")

    def write():
        with open(keys, "w", encoding="ascii") as file:
            for character in text:  # as long as it grows, nobody takes it for complete
                file.write(character)
                file.flush()

    takes_up(bff, write, "second")
    assert len(bff.outcomes()) == 1


def test_a_file_that_is_broken_or_gone_leaves_the_old_in_use_until_it_is_good(operated, tmp_path):
    keys = tmp_path / "operators"
    keys.write_text(operator_line("first"))
    bff = operated(keys)
    for act in (lambda: keys.write_text("rubbish\n"), keys.unlink):
        failed = bff.outcome_of(act)
        assert failed["event.outcome"] == "failure"
        assert "BFF_OPERATOR_KEYS_FILE" in failed["error.reason"]
        assert status(bff, "first") == 204
        assert bff.service.metric("bff_config_last_reload_successful") == 0
    takes_up(bff, lambda: keys.write_text(operator_line("second")), "second")
    assert bff.service.metric("bff_config_last_reload_successful") == 1


def test_several_files_that_change_together_are_one_reload(operated, tmp_path):
    volume = Volume(tmp_path / "volume", keys=operator_line("first"), seal=base64_lines(b"A" * 32))
    bff = operated(volume.path / "keys", BFF_SEAL_KEYS_FILE=volume.path / "seal")
    takes_up(bff, lambda: volume.put(keys=operator_line("second"), seal=base64_lines(b"B" * 32)), "second")
    assert bff.service.metric("bff_config_reload_total") == 1


def test_what_lies_beside_the_files_is_none_of_its_business(operated, tmp_path):
    keys, beside = tmp_path / "operators", tmp_path / "beside"
    keys.write_text(operator_line("first"))
    bff = operated(keys)
    for number in range(200):
        beside.write_text(str(number))
    takes_up(bff, lambda: keys.write_text(operator_line("second")), "second")
    assert len(bff.outcomes()) == 1


def test_the_watch_can_be_turned_off_and_on(operated, tmp_path):
    keys = tmp_path / "operators"
    keys.write_text(operator_line("first"))
    bff = operated(keys, watch=True, config={"BFF_CONFIG_WATCH": None}, BFF_CONFIG_WATCH="true")
    done = bff.outcome_of(lambda: bff.write(BFF_OPERATOR_KEYS_FILE=keys, BFF_CONFIG_WATCH="false"))
    assert done["config.changed"] == "BFF_CONFIG_WATCH"
    keys.write_text(operator_line("second"))
    bff.reload(BFF_OPERATOR_KEYS_FILE=keys, BFF_CONFIG_WATCH="true")
    assert status(bff, "second") == 204
    takes_up(bff, lambda: keys.write_text(operator_line("third")), "third")
    assert [outcome["config.trigger"] for outcome in bff.outcomes()] == ["files", "signal", "files"]


@pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer's runtime must be the first library")
def test_where_the_system_tells_nothing_the_files_are_polled(operated, tmp_path):
    keys = tmp_path / "operators"
    keys.write_text(operator_line("first"))
    bff = operated(keys, config={"LD_PRELOAD": BUILD / "tests" / "e2e" / "no_inotify.so"})
    bff.service.wait_event("config.watch")
    keys.write_text(operator_line("second"))
    until(lambda: status(bff, "second") == 204, "the poll", timeout_s=20)

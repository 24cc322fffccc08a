# SPDX-License-Identifier: Apache-2.0
"""How the binary was built, as readelf sees it: what makes a fault in it harder to exploit."""
import json
import platform
import re
import subprocess

import pytest

from harness.image import ROOT
from harness.paths import BUILD, SANITIZER

BINARY = ROOT / "usr" / "bin" / "biometrics-bff" if ROOT else BUILD / "src" / "biometrics-bff"

_OPTIONS = ["-fstack-clash-protection", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-fPI"]
if platform.machine() == "x86_64":
    _OPTIONS.append("-fcf-protection=full")

pytestmark = pytest.mark.skipif(SANITIZER != "none", reason="a sanitizer's build is not what is shipped")


def _readelf(*options):
    return subprocess.run(["readelf", "--wide", *options, BINARY], capture_output=True, text=True, check=True).stdout


def _imports():
    return set(re.findall(r" UND (\w+)", _readelf("--dyn-syms")))


def test_it_is_loaded_at_a_random_address():
    assert re.search(r"Type: +DYN \(Position-Independent Executable file\)", _readelf("--file-header"))
    assert "TEXTREL" not in _readelf("--dynamic")


def test_what_the_loader_has_filled_in_is_read_only_before_main():
    assert re.search(r"^ +GNU_RELRO ", _readelf("--program-headers"), re.M)
    dynamic = _readelf("--dynamic")
    assert "BIND_NOW" in dynamic and re.search(r"FLAGS_1\) +Flags:.*\bNOW\b.*\bPIE\b", dynamic)
    assert "(JMPREL)" not in dynamic or ".got.plt" not in _readelf("--section-headers"), "everything is in .got"


def test_no_memory_is_both_written_and_run():
    segments = re.findall(r"^ +(LOAD|GNU_STACK) .* ([R ][W ][E ]) 0x", _readelf("--program-headers"), re.M)
    assert [name for name, _ in segments].count("GNU_STACK") == 1
    assert [rights for _, rights in segments if "W" in rights and "E" in rights] == []


def test_stack_smashing_and_overflows_of_known_buffers_end_the_process():
    imports = _imports()
    assert "__stack_chk_fail" in imports
    fortified = {name for name in imports if name.endswith("_chk") and name != "__stack_chk_fail"}
    assert {"__snprintf_chk", "__vsnprintf_chk"} <= fortified
    unguarded = imports & {"strcpy", "strcat", "sprintf", "vsprintf", "gets", "stpcpy"}
    assert unguarded == set()


def _first_bytes(*functions):
    """{function: its first four bytes}"""
    columns = re.search(r" \.text +PROGBITS +([0-9a-f]+) ([0-9a-f]+)", _readelf("--section-headers")).groups()
    shift = int(columns[1], 16) - int(columns[0], 16)
    found = re.findall(r"^ *\d+: ([0-9a-f]+) +\d+ FUNC .* (\w+)$", _readelf("--syms"), re.M)
    symbols = {name: address for address, name in found}
    content = BINARY.read_bytes()
    starts = {name: int(symbols[name], 16) + shift for name in functions}
    return {name: content[start:start + 4] for name, start in starts.items()}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="of this architecture")
@pytest.mark.skipif(ROOT is not None, reason="the image's binary has no symbols")
def test_jumps_through_pointers_end_at_marked_places():
    """ENDBR64, also in what is linked in statically. The binary as a whole carries no mark for it, because
    the C library's start files, which Debian builds, carry none."""
    first = _first_bytes("main", "crypto_sha256", "http_client_create", "MHD_start_daemon", "MHD_queue_response")
    assert first == dict.fromkeys(first, b"\xf3\x0f\x1e\xfa")


def _commands_of_our_sources():
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    return [entry["command"] for entry in entries if re.match(r"\.\./src/", entry["file"])]


@pytest.mark.skipif(ROOT is not None, reason="the image's build directory is gone; its options are these")
@pytest.mark.parametrize("option", _OPTIONS)
def test_every_source_is_compiled_with(option):
    """Of these nothing, or not enough, is left to be seen in the binary."""
    commands = _commands_of_our_sources()
    assert len(commands) > 100
    assert [command for command in commands if option not in command] == []


_SECRETS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n?[A-Za-z0-9+/]{16}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.|"
                      r"demo-(admin-)?client-secret|AKIA[0-9A-Z]{16}")


def test_no_secret_stands_in_the_binary():
    text = BINARY.read_bytes().decode("latin-1")
    assert "BFF_CLIENT_SECRET" in text, "the search sees the binary's texts"
    assert _SECRETS.findall(text) == []


@pytest.mark.parametrize("text", ["demo-client-secret", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG",
                                  "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1LTEifQ.c2ln"])
def test_the_search_for_secrets_finds(text):
    assert _SECRETS.search(text)

# SPDX-License-Identifier: Apache-2.0
"""What a container image of the service holds and says of itself, and how its process stands to the
system. Runs below tools/image_run.sh alone (`./dev image`)."""
import hashlib
import json
import os
import pathlib
import re
import stat
import subprocess

import jsonschema
import pytest

from harness.image import ROOT
from harness.paths import SERVICE

pytestmark = pytest.mark.skipif(ROOT is None, reason="no image is mounted")

MOUNTED = ("proc", "sys", "dev", "tmp")  # by tools/image_run.sh, as by a container runtime
MOUNTED_FILES = ("etc/resolv.conf", "etc/hosts")
# bytes, unpacked; raise it knowingly
SIZE_MAX = 25_000_000


def _files():
    """Every file of the image itself, as a path in it."""
    found = []
    for directory, names, files in os.walk(ROOT):
        here = pathlib.Path(directory)
        if here == ROOT:
            names[:] = [name for name in names if name not in MOUNTED]
        found += [here / name for name in files]
    return sorted(path.relative_to(ROOT) for path in found if str(path.relative_to(ROOT)) not in MOUNTED_FILES)


def _bill():
    return json.loads((ROOT / "usr/share/sbom/biometrics-bff.cdx.json").read_text())


def _components(bill):
    return [bill["metadata"]["component"], *bill["components"]]


def _config():
    return json.loads(pathlib.Path(os.environ["BFF_IMAGE_CONFIG"]).read_text())["Docker"]["config"]


# ---- contents

def test_it_holds_the_service_its_libraries_certificates_licences_and_its_bill_alone():
    allowed = re.compile(r"usr/bin/biometrics-bff|(usr/)?lib(64)?/([\w-]+-linux-gnu\w*/)?[\w.+-]+\.so[\d.]*|"
                         r"etc/ssl/certs/ca-certificates\.crt|etc/(passwd|group|nsswitch\.conf)|"
                         r"usr/share/licenses/[\w.+-]+/(copyright|LICENSE|COPYING)|usr/share/sbom/[\w.-]+\.cdx\.json")
    assert [str(path) for path in _files() if not allowed.fullmatch(str(path))] == []
    executables = [path for path in _files() if (ROOT / path).stat().st_mode & 0o111]
    assert [str(path) for path in executables if ".so" not in path.name] == ["usr/bin/biometrics-bff"]


def test_nobody_can_write_to_it_and_nothing_in_it_gives_rights():
    for path in _files():
        mode = (ROOT / path).lstat()
        assert mode.st_uid == 0 and not mode.st_mode & (stat.S_ISUID | stat.S_ISGID | 0o022), path
    with pytest.raises(OSError):
        (ROOT / "etc" / "passwd").write_text("")


def test_it_is_small():
    assert sum((ROOT / path).lstat().st_size for path in _files()) <= SIZE_MAX


def test_every_library_that_is_needed_is_there_and_no_other():
    def needed(path):
        text = subprocess.run(["readelf", "--dynamic", ROOT / path], capture_output=True, text=True, check=True).stdout
        return set(re.findall(r"\(NEEDED\).*\[(.*)\]", text))

    libraries = [path for path in _files() if ".so" in path.name]
    wanted = set().union(*(needed(path) for path in [*libraries, pathlib.Path("usr/bin/biometrics-bff")]))
    assert {path.name for path in libraries} == wanted | {path.name for path in libraries if path.name.startswith("ld-")}


def test_no_secret_stands_in_it():
    secrets = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]{16}|demo-(?:admin-)?client-secret")
    # The key pairs with which a library tests itself are Debian's and everybody's.
    ours = [path for path in _files() if ".so" not in path.name]
    assert [str(path) for path in ours if secrets.search((ROOT / path).read_bytes())] == []


# ---- the bill of materials

def _additional_items(_validator, allowed, instance, schema):
    """Of the bill's schema, which says no more than that there are none; jsonschema of Debian 12 cannot tell of two
    that are objects."""
    assert allowed is False
    if isinstance(instance, list) and len(instance) > len(schema["items"]):
        yield jsonschema.ValidationError("too many items")


def test_the_bill_is_of_the_published_schema():
    directory = pathlib.Path(os.environ["BFF_IMAGE_SCHEMAS"])
    schemas = {path.name: json.loads(path.read_text()) for path in directory.glob("*.schema.json")}
    store = {f"http://cyclonedx.org/schema/{name}": schema for name, schema in schemas.items()}
    schema = schemas["bom-1.5.SNAPSHOT.schema.json"]
    checker = jsonschema.validators.extend(jsonschema.Draft7Validator, {"additionalItems": _additional_items})
    validator = checker(schema, resolver=jsonschema.RefResolver.from_schema(schema, store=store))
    assert [error.message for error in validator.iter_errors(_bill())] == []
    assert [error for error in validator.iter_errors({**_bill(), "specVersion": 5})], "a wrong one is refused"


def test_the_bill_covers_every_file_and_names_no_other():
    billed = {each["name"]: each["hashes"][0]["content"] for component in _components(_bill())
              for each in component["components"]}
    present = {f"/{path}": hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
               for path in _files() if "usr/share/sbom" not in str(path)}
    assert billed == present


def test_each_component_has_name_version_supplier_licence_and_the_text_of_it():
    for component in _components(_bill()):
        assert all(component[member] for member in ("name", "version", "supplier", "licenses", "purl")), component["name"]
        assert (ROOT / "usr/share/licenses" / component["name"]).is_dir(), component["name"]


def test_the_bill_names_what_we_changed():
    mhd = next(component for component in _bill()["components"] if component["name"] == "libmicrohttpd")
    assert "zero_out" in mhd["pedigree"]["patches"][0]["diff"]["text"]["content"]
    assert {"name": "linked", "value": "statically"} in mhd["properties"]


# ---- what it says of itself

def test_it_says_how_it_is_run():
    config = _config()
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/bin/biometrics-bff"] and config["Cmd"] == ["serve"]
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9464/tcp"}
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/biometrics-bff", "healthcheck"]
    assert not any(text.startswith("BFF_") for text in config.get("Env") or ())


@pytest.mark.parametrize("name", ["created", "authors", "url", "documentation", "source", "version", "revision",
                                  "vendor", "licenses", "title", "description", "base.name", "base.digest"])
def test_it_is_labelled(name):
    assert _config()["Labels"][f"org.opencontainers.image.{name}"]


# ---- its process

def test_its_process_has_no_rights(shared):
    text = pathlib.Path(f"/proc/{shared.service.pid}/status").read_text()
    status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert status["Uid"].split() == status["Gid"].split() == ["65532"] * 4
    assert status["Groups"].strip() == ""
    assert [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == ["0" * 16] * 5
    assert status["NoNewPrivs"] == "1"
    assert os.readlink(f"/proc/{shared.service.pid}/root") == str(ROOT)


def test_its_health_check_says_so(shared):
    host, port = shared.service.address("management")
    done = subprocess.run([SERVICE, "healthcheck"], env={"BFF_MANAGEMENT_LISTEN": f"{host}:{port}"}, check=False)
    assert done.returncode == 0

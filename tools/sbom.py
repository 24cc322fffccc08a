# SPDX-License-Identifier: Apache-2.0
"""usage: sbom.py NAME ROOT MHD_PREFIX
Writes the bill of materials of an image's root into it (usr/share/sbom/NAME.cdx.json): CycloneDX 1.5,
one component for each package that something in the image comes from, with every file of it and its
SHA-256. What comes from where is in ROOT.owners, which rootfs.sh writes as it copies; a file that is
not in there is an error. Equal roots give equal bills."""
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = "biometrics-bff"


def read_owners(root):
    lines = pathlib.Path(f"{root}.owners").read_text().splitlines()
    owners = dict(line.split("\t") for line in lines)
    present = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    if present != set(owners):
        raise SystemExit(f"files and their owners differ: {sorted(present ^ set(owners))}")
    return owners


def file_components(root, owners, owner):
    return [{"type": "file", "name": "/" + path,
             "hashes": [{"alg": "SHA-256", "content": hashlib.sha256((root / path).read_bytes()).hexdigest()}]}
            for path in sorted(owners) if owners[path] == owner]


def dpkg(package, field):
    return subprocess.run(["dpkg-query", "-W", f"-f=${{{field}}}", package],
                          capture_output=True, text=True, check=True).stdout.split("\n")[0]


def os_release():
    pairs = (line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def licences_of(package):
    """The names in Debian's copyright file, where it is of the kind for machines; else where to read it."""
    text = pathlib.Path(f"/usr/share/doc/{package}/copyright").read_text(errors="replace")
    names = sorted(set(re.findall(r"^License:[ \t]*(\S[^\n]*?)[ \t]*$", text, re.M))) if "Format:" in text else []
    return [{"license": {"name": " AND ".join(names) or f"see /usr/share/licenses/{package}/copyright"}}]


def debian_component(package, files):
    release, version = os_release(), dpkg(package, "Version")
    purl = (f"pkg:deb/{release['ID']}/{package}@{version.replace('+', '%2B').replace(':', '%3A')}"
            f"?arch={dpkg(package, 'Architecture')}&distro={release['ID']}-{release.get('VERSION_ID', 'sid')}")
    return {"type": "library", "bom-ref": purl, "supplier": {"name": "Debian"}, "name": package, "version": version,
            "licenses": licences_of(package), "purl": purl,
            "properties": [{"name": "debian:source", "value": f"{dpkg(package, 'source:Package')} "
                                                              f"{dpkg(package, 'source:Version')}"}],
            "components": files}


def microhttpd_component(prefix, files):
    """Built from source and linked into the binary: the only file of its own is its licence."""
    line = pathlib.Path(prefix, "complete").read_text().splitlines()[1]
    version, origin, checksum = re.fullmatch(r"libmicrohttpd (\S+) from (.*), sha256 ([0-9a-f]{64})", line).groups()
    return {"type": "library", "bom-ref": "libmicrohttpd", "supplier": {"name": "GNU"}, "name": "libmicrohttpd",
            "version": version, "licenses": [{"license": {"id": "LGPL-2.1-or-later"}}],
            "hashes": [{"alg": "SHA-256", "content": checksum}],
            "purl": f"pkg:generic/libmicrohttpd@{version}",
            "pedigree": {"patches": [{"type": "unofficial", "diff": {"text": {
                "content": (HERE / "libmicrohttpd_zero.h").read_text()}}}],
                "notes": "memset() of memorypool.c is zero_out() of this header (tools/libmicrohttpd.sh)"},
            "properties": [{"name": "origin", "value": origin}, {"name": "linked", "value": "statically"},
                           {"name": "hash", "value": "of the source archive"}],
            "components": files}


def own_component(name, version, files):
    return {"type": "application", "bom-ref": name, "supplier": {"name": PROJECT}, "name": name,
            "version": version, "licenses": [{"license": {"id": "Apache-2.0"}}],
            "purl": f"pkg:generic/{name}@{version}", "components": files}


def bill(name, root, prefix):
    owners = read_owners(root)
    version = re.search(r"version: '([^']*)'", (HERE.parent / "meson.build").read_text())[1]
    packages = sorted(set(owners.values()) - {name})
    components = [microhttpd_component(prefix, file_components(root, owners, package)) if package == "libmicrohttpd"
                  else debian_component(package, file_components(root, owners, package)) for package in packages]
    own = own_component(name, version, file_components(root, owners, name))
    when = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
                "metadata": {"timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": own},
                "components": components,
                "dependencies": [{"ref": name, "dependsOn": [part["bom-ref"] for part in components]}]}
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return {**document, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}"}


def main():
    name, root, prefix = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    to = root / "usr" / "share" / "sbom" / f"{name}.cdx.json"
    document = bill(name, root, prefix)
    to.parent.mkdir(parents=True)
    to.write_text(json.dumps(document, indent=1) + "\n")
    to.chmod(0o644)


main()

# SPDX-License-Identifier: Apache-2.0
"""What a check gets: where things are, a place for its files, and tools from npm packages that are kept
in the cache."""
import pathlib
import shutil
import subprocess
import tempfile


class Found(Exception):
    """Something in deploy/ is wrong; each argument is a line for the reader."""


def demand(findings):
    """Raises Found when there are any."""
    findings = list(findings)
    if findings:
        raise Found(*(f"  {line}" for line in findings))


def output_of(command, **options):
    """What a command printed on both streams; raises CalledProcessError with it."""
    done = subprocess.run([str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=300, **options)
    done.check_returncode()
    return done.stdout


class Context:
    def __init__(self, root, build, cache):
        self.root = root
        self.deploy = root / "deploy"
        self.binary = build / "src" / "biometrics-bff"
        self.emulator = build / "emulator" / "mosaic-emulator"
        self.build = build
        self._cache = cache

    def __enter__(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="bff-deploy-"))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.scratch)

    def npm(self, *packages):
        """The node_modules folder with these packages, each name@version, and what they need."""
        name = "+".join(packages).replace("/", "-")
        where = self._cache / "deploy" / name
        if not (where / "complete").exists():
            shutil.rmtree(where, ignore_errors=True)
            where.mkdir(parents=True)
            output_of(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--legacy-peer-deps", "--prefix", where,
                       *packages])
            (where / "complete").touch()
        return where / "node_modules"

# SPDX-License-Identifier: Apache-2.0
"""The systemd units: read by systemd itself, and as exposed as its own rating says, at most."""
import re

from deploy.context import demand, output_of

# systemd's rating goes from 0 to 10, lower is better. The rest is the network itself and the user's keyring.
EXPOSURE_MAX = 1.2


def installed(context):
    """The units in a root of their own, with the drop-in of the README and a file where they expect the binary."""
    root = context.scratch / "systemd-root"
    where = root / "etc" / "systemd" / "system"
    where.mkdir(parents=True, exist_ok=True)
    for unit in (context.deploy / "systemd").glob("biometrics-bff.*"):
        (where / unit.name).write_bytes(unit.read_bytes())
    drop_in = where / "biometrics-bff.service.d"
    drop_in.mkdir(exist_ok=True)
    readme = (context.deploy / "systemd" / "README.md").read_text()
    (drop_in / "readme.conf").write_text(re.search(r"```ini\n(.*?)```", readme, re.S).group(1))
    for program in ("usr/bin/biometrics-bff", "bin/kill"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).write_text("#!/bin/sh\n")
        (root / program).chmod(0o755)
    return root, sorted(path for path in where.iterdir() if path.is_file())


def verify(context):
    root, units = installed(context)
    # Units that every system has (network-online.target, sysinit.target) are not in this root.
    lines = output_of(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}",
                       *(unit.name for unit in units)]).splitlines()
    demand(lines)
    return f"{', '.join(unit.name for unit in units)} and the drop-in of the README"


def security(context):
    unit = context.deploy / "systemd" / "biometrics-bff.service"
    report = output_of(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                        f"--threshold={int(EXPOSURE_MAX * 10)}", unit])
    verdict = re.search(r"Overall exposure level for \S+: (\S+) (\w+)", report)
    return f"exposure {verdict.group(1)} {verdict.group(2)}, at most {EXPOSURE_MAX}"

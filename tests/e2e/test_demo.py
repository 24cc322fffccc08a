# SPDX-License-Identifier: Apache-2.0
"""The demo checks each of its steps itself; here it runs as a newcomer runs it."""
import os
import subprocess

from harness.paths import BUILD, PATIENCE, ROOT


def test_the_demo_tells_its_whole_story_without_a_surprise(tmp_path):
    done = subprocess.run(
        ["bash", ROOT / "deploy" / "demo.sh"], cwd=tmp_path, stdin=subprocess.DEVNULL,
        env={**os.environ, "BFF_BUILD_DIR": str(BUILD), "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, timeout=120 * PATIENCE)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "steps went as they should" in done.stdout
    assert "FAILED" not in done.stderr
    assert not list(tmp_path.iterdir()), "the demo left files behind"

"""The example does what its README says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.supervisor.running import ROOT, is_namespace_allowed

pytestmark = pytest.mark.process
EXAMPLE = ROOT / "examples" / "supervisor"


def test_the_wrapped_program_lives_through_its_pod(executable: Path) -> None:
    if os.getuid() != 0 or not shutil.which("busybox") or not is_namespace_allowed():
        pytest.skip("needs root, namespaces and busybox-static")
    played = subprocess.run(
        [sys.executable, EXAMPLE / "demo.py", executable],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    lines = played.stdout.splitlines()
    started = next(i for i, line in enumerate(lines) if "with seed 42" in line)
    triggered = next(i for i, line in enumerate(lines) if "postStart hook" in line)
    closed = next(i for i, line in enumerate(lines) if "writer: file closed" in line)
    returned = next(i for i, line in enumerate(lines) if "the hook returned 0" in line)
    assert triggered < started < closed < returned


def test_the_manifest_names_what_there_is() -> None:
    pod = yaml.safe_load((EXAMPLE / "pod.yaml").read_text())["spec"]
    main, (init,) = pod["containers"][0], pod["initContainers"]
    target = init["command"][-1]
    assert main["command"] == [target]
    assert main["args"] == ["random-generator-runner", "--seed", "42"]
    hooks = [hook["exec"]["command"][0] for hook in main["lifecycle"].values()]
    assert hooks == [target, target]
    grace = next(each["value"] for each in main["env"] if each["name"].endswith("GRACE_PERIOD"))
    assert int(grace) == pod["terminationGracePeriodSeconds"]

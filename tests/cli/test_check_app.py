"""`lifecycle check --app`: the application is asked as it is in its container, and compared with the manifest."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lifecycle.cli import _click

pytestmark = pytest.mark.process

POD = """\
kind: Pod
metadata: {name: shop}
spec:
  containers:
  - name: web
    command: [uvicorn, "shop:app"]
    env:
    - {name: SHOP_LIMIT, value: "90"}
    - {name: LIFECYCLE_POST_START_FILE, value: /tmp/up}
    lifecycle: {postStart: {exec: {command: [lifecycle, trigger, /tmp/up]}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pod.yaml").write_text(POD)
    return tmp_path


def run(folder: Path, source: str, *words: str) -> Result:
    (folder / "shop.py").write_text(
        f"import os\nfrom lifecycle import Lifecycle, LifecycleMiddleware\n{source}\napp = LifecycleMiddleware(print, life)\n"
    )
    command = ["check", str(folder / "pod.yaml"), "--app", "shop:app", "--app-dir", str(folder)]
    # What is set where the check runs is not set in the pod.
    environment = {"LIFECYCLE_GRACE_PERIOD": "5"}
    return CliRunner().invoke(
        _click.commands, [*command, "--select", "LC6", *words], env=environment
    )


def test_what_does_not_agree_is_told_with_its_place(folder: Path) -> None:
    result = run(folder, "life = Lifecycle(grace_period=float(os.environ['SHOP_LIMIT']))")
    assert result.exit_code == 1
    assert f"{folder}/pod.yaml:4:3: error LC602" in result.stdout
    assert "shop:app plans with 90 s" in result.stdout


def test_what_agrees_is_clean_though_it_makes_sense_in_the_pod_only(folder: Path) -> None:
    # Without the file, which the manifest names, the timeout would be refused.
    result = run(folder, "life = Lifecycle(post_start_timeout=20)")
    assert (result.exit_code, result.stdout) == (0, "")


def test_an_application_that_is_nowhere_in_the_manifest_is_unusable_input(folder: Path) -> None:
    result = run(folder, "life = Lifecycle()", "--container", "proxy")
    assert result.exit_code == 2
    assert result.stderr == "Error: no container is called 'proxy': there are web\n"


def test_an_application_that_cannot_be_imported_is_unusable_input(folder: Path) -> None:
    result = run(folder, "raise OSError('no database')")
    assert result.exit_code == 2
    assert "shop could not be imported" in result.stderr
    assert "OSError: no database" in result.stderr


ROOT = Path(__file__).parents[2]


def test_the_examples_agree_with_their_manifests() -> None:
    folder = ROOT / "examples" / "random_generator"
    command = ["check", str(folder / "pod.yaml"), "--app", "app:app", "--app-dir", str(folder)]
    result = CliRunner().invoke(_click.commands, command)
    assert (result.exit_code, result.stdout) == (0, "")

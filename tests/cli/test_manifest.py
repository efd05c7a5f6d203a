"""`lifecycle manifest`: what it prints, and what it says of what it cannot print."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from lifecycle.cli import _click, main
from tests.support.kube_merge import DEPLOYMENT, merged

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
EXAMPLE = ("--app", "app:app", "--app-dir", str(ROOT / "examples" / "random_generator"))
WITH_FILE = {"LIFECYCLE_POST_START_FILE": "/tmp/up"}


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(_click.commands, ["manifest", *EXAMPLE, *words], env=environment)


def test_it_prints_what_fits_and_nothing_else() -> None:
    result = run("--port", "8080", "--container", "web", **WITH_FILE)
    assert (result.exit_code, result.stderr) == (0, "")
    spec = yaml.safe_load(result.stdout)
    assert [*spec] == ["terminationGracePeriodSeconds", "containers"]
    assert spec["containers"][0]["name"] == "web"
    assert spec["containers"][0]["lifecycle"]["postStart"]["exec"]["command"][-1] == "/tmp/up"


def test_what_has_no_place_in_the_manifest_is_told_beside_it() -> None:
    result = run()
    assert result.exit_code == 0
    assert result.stderr.startswith("lifecycle manifest: on_post_start hook 'wake_up' (")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--post-start", "'half"],
            """--post-start "'half" is no command (No closing quotation)""",
        ),
        (["--token-secret", "shop"], "--token-secret 'shop': write NAME/KEY"),
        (["--supervisor"], "the image's own command, which no manifest shows"),
        (["--", "uvicorn"], "commands are for --supervisor"),
        (["--app", "app:nobody"], "module 'app' has no 'nobody': it has"),
        (["--kind", "Job"], "'Job' is not one of"),
    ],
)
def test_what_cannot_be_used_is_2_and_told(words: list[str], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_without_the_extra_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    for name in [name for name in sys.modules if name.startswith("lifecycle.kube")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "lifecycle.cli._app_facts", raising=False)
    assert main(["manifest", *EXAMPLE]) == 2
    assert "needs yaml, which is not installed: pip install 'managed-lifecycle[kube]'" in (
        capsys.readouterr().err
    )


KUBECTL = shutil.which("kubectl")


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not at hand")
@pytest.mark.parametrize("way", ["patch", "kustomize"])
def test_kubectl_makes_of_the_patch_what_we_do(way: str, tmp_path: Path) -> None:
    patch = run("--patch", "--name", "shop", "--container", "random-generator", **WITH_FILE)
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(DEPLOYMENT))
    (tmp_path / "patch.yaml").write_text(patch.stdout)
    (tmp_path / "kustomization.yaml").write_text(
        "resources: [shop.yaml]\npatches: [{path: patch.yaml}]\n"
    )
    words = {
        "patch": [
            "patch",
            "--local",
            "-f",
            "shop.yaml",
            "--patch-file",
            "patch.yaml",
            "-o",
            "yaml",
        ],
        "kustomize": ["kustomize", "."],
    }
    done = subprocess.run(
        [KUBECTL or "kubectl", *words[way]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    expected = merged(DEPLOYMENT, yaml.safe_load(patch.stdout))
    # Which of a list's new items stands first is not said anywhere.
    found = yaml.safe_load(done.stdout)
    for document in (expected, found):
        container = document["spec"]["template"]["spec"]["containers"][0]
        container["env"].sort(key=lambda one: one["name"])
    assert found == expected

"""How a container's command, variables and paths are made from the manifest's."""

import pytest

from lifecycle.kube import Container, EnvVar, Exec, HttpGet, Pod, Probe, Volume
from lifecycle.rehearse import LocalOptions, pod_ip
from lifecycle.rehearse._recipe import Site, expand, notes, substitution


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(NAME)", "web"),
        ("a $(NAME) b $(OTHER)", "a web b $(OTHER)"),
        ("$$(NAME)", "$(NAME)"),
        ("$$$(NAME)", "$web"),
        ("echo $$", "echo $"),
        ("echo $$$$", "echo $$"),
        ("$NAME ${NAME}", "$NAME ${NAME}"),
        ("$(NAME", "$(NAME"),
        ("$", "$"),
    ],
)
def test_references_are_expanded_as_the_kubelet_does(text: str, expanded: str) -> None:
    assert expand(text, {"NAME": "web"}) == expanded


@pytest.mark.parametrize(
    ("word", "put"),
    [
        ("/work", "/x"),
        ("/work/data", "/y"),
        ("/work/other", "/x/other"),
        ("sh -c 'cat /work/data/a > /work/b'", "sh -c 'cat /y/a > /x/b'"),
        ("--file=/work/a", "--file=/x/a"),
        ("/workers", "/workers"),
        ("/home/work", "/home/work"),
        ("/work.d/a", "/work.d/a"),
    ],
)
def test_a_path_is_replaced_where_it_stands_for_itself(word: str, put: str) -> None:
    assert substitution({"/work": "/x", "/work/data": "/y"})(word) == put


def site(container: Container, **options: object) -> Site:
    return Site(
        pod=Pod(containers=(container,)),
        name="web-0",
        namespace="default",
        address="127.83.0.1",
        options=LocalOptions(**options),  # type: ignore[arg-type]  # what a test writes
    )


def test_later_variables_may_refer_to_earlier_ones_and_commands_to_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIFECYCLE_GRACE_PERIOD", "7")
    monkeypatch.setenv("DATABASE", "here")
    env = (
        EnvVar(name="A", value="1"),
        EnvVar(name="B", value="$(A)2 $(C)"),
        EnvVar(name="C", value="3"),
    )
    container = Container(name="web", command=("run", "$(B)"), args=("$(C)", "$(NO)"), env=env)
    recipe = site(container).recipe(container)
    assert recipe.argv == ("run", "12 $(C)", "3", "$(NO)")
    assert "LIFECYCLE_GRACE_PERIOD" not in recipe.env
    assert recipe.env["DATABASE"] == "here"
    assert recipe.env["HOSTNAME"] == "web-0"


def test_what_is_played_otherwise_is_said() -> None:
    container = Container(
        name="web",
        command=("sh",),
        working_dir="/no/such/folder",
        read_only_root=True,
        readiness=Probe(check=Exec(command=("true",))),
        pre_stop=HttpGet(port=1, host="localhost"),
    )
    pod = Pod(
        containers=(container,), volumes=(Volume(name="v", kind="configMap"), Volume(name="w"))
    )
    told = [sentence for _, sentence in notes(pod, LocalOptions(), isolated=False)]
    assert [sentence.split(":")[0].split(" (")[0] for sentence in told] == [
        "volume 'v'",
        "workingDir /no/such/folder is not on this machine",
        "preStop",
        "readOnlyRootFilesystem is not played without namespaces",
    ]
    assert len(notes(pod, LocalOptions(), isolated=True)) == len(told) - 1


def test_every_pod_has_an_address_of_its_own() -> None:
    assert [pod_ip(number) for number in (0, 249, 250)] == [
        "127.83.0.1",
        "127.83.0.250",
        "127.83.1.1",
    ]
    assert len({pod_ip(number) for number in range(5000)}) == 5000

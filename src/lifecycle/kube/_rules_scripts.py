"""LC12: what exec hooks run, as far as their words tell."""

import re
from collections.abc import Iterator
from typing import Final

from lifecycle.kube._commands import name_of, script_of, simple_commands, words
from lifecycle.kube._handlers import Exec
from lifecycle.kube._hooks import FAILS, HOOKS, at_command, exec_hooks
from lifecycle.kube._rule import Found, Rule, Severity, Subject

COUNTED: Final = ("$((", "-lt", "-le", "-gt", "-ge", "break", "exit", "timeout", "SECONDS")
"""In a loop they mean that somebody thought of its end."""
BOUNDS: Final = {
    "curl": ("-m", "--max-time"),
    "wget": ("-T", "--timeout", "--read-timeout"),
}
"""Programs that wait for ever unless they are told otherwise, and how they are told."""


def endless(command: tuple[str, ...], *, unconditional: bool = False) -> str:
    """What in it may never end, or nothing. `unconditional`: only what certainly does not."""
    if name_of(command[0]) == "timeout":
        return ""
    script = script_of(command) or ""
    bounded = any(word in script for word in COUNTED)
    if not bounded and (loop := re.search(r"\b(?:while|until)\s+(true|:|false|\S+)", script)):
        certain = loop[0].split() in (["while", "true"], ["while", ":"], ["until", "false"])
        if certain or not unconditional:
            return f"the loop `{loop[0]} …`"
    for one in simple_commands(command):
        program = name_of(one[0])
        if program == "sleep" and one[1:2] == ["infinity"]:
            return "`sleep infinity`"
        if program == "tail" and {"-f", "-F", "--follow"} & {*one}:
            return "`tail -f`"
        options = BOUNDS.get(program, ())
        if options and not unconditional and not any(_given(one, each) for each in options):
            return f"`{program}` without {options[-1] if program == 'curl' else options[1]}"
    return ""


def _given(command: list[str], option: str) -> bool:
    if option.startswith("--"):
        return any(word.partition("=")[0] == option for word in command)
    # Short ones may be joined: -sfm5.
    return any(re.fullmatch(rf"-[A-Za-z]*{option[1]}[0-9.]*", word) for word in command)


def _hangs(subject: Subject) -> Iterator[Found]:
    for container, name, hook in exec_hooks(subject.pod):
        what = endless(hook.command, unconditional=name == "preStop")
        if what and name == "postStart":
            yield Found(
                at_command(hook),
                f"postStart of {container.name!r} has {what}, and no hook has a timeout: while it runs the pod does not"
                " become ready, no later container starts, and it cannot even be deleted",
            )
        elif what:
            yield Found(
                at_command(hook),
                f"preStop of {container.name!r} has {what}: it lasts as long as the grace period,"
                f" {subject.pod.grace_period:g} s, and leaves the program 2 s after SIGTERM",
            )


BARE: Final = re.compile(
    r"distroless|(?:^|/)scratch(?::|$)|/static(?:[:@-]|$)|cgr\.dev/chainguard/(?!.*-dev)"
)
SHELL_AND_TOOLS: Final = frozenset(
    [
        "sh",
        "bash",
        "ash",
        "sleep",
        "curl",
        "wget",
        "cat",
        "touch",
        "echo",
        "test",
        "kill",
        "pkill",
        "killall",
        "nc",
        "ps",
        "grep",
        "sed",
        "awk",
        "tail",
    ]
)
ABSENT: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    (r"busybox(?::.*)?", frozenset(["bash", "curl", "python", "python3", "jq"])),
    # The alpine image of nginx adds curl; its slim one does not.
    (r"nginx:(?!.*slim).*alpine.*", frozenset(["bash", "jq"])),
    (r"(?:alpine(?::.*)?|\w+:.*alpine.*)", frozenset(["bash", "curl", "jq"])),
    (
        r"(?:python|node|ruby|openjdk):.*slim.*",
        frozenset(["curl", "wget", "nc", "ps", "pkill", "jq"]),
    ),
    (r"(?:debian|ubuntu)(?::.*)?", frozenset(["curl", "wget", "nc", "jq"])),
)
"""Official images, and what is not in them."""


def absent_in(image: str) -> frozenset[str]:
    """Programs that an image does not have, as far as its name tells."""
    if "debug" in image:
        return frozenset[str]()
    if BARE.search(image):
        return SHELL_AND_TOOLS
    name = image.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")
    return next((gone for known, gone in ABSENT if re.fullmatch(known, name)), frozenset[str]())


def _absent(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        missing = absent_in(container.image)
        handlers = [*container.hooks.items()]
        handlers += [
            (name, probe.check)
            for name, probe in container.probes.items()
            if isinstance(probe.check, Exec)
        ]
        for name, handler in handlers if missing else ():
            if not isinstance(handler, Exec) or not handler.command:
                continue
            programs = [
                name_of(handler.command[0]),
                *(name_of(one[0]) for one in simple_commands(handler.command)),
            ]
            gone = next((program for program in programs if program in missing), None)
            if gone is not None:
                yield Found(
                    at_command(handler),
                    f"{name} of {container.name!r} runs {gone!r}, which image {container.image} hardly has:"
                    f" {FAILS.get(name, 'the probe fails')}",
                )


def _in_background(script: str) -> bool:
    """Whether something goes on behind the script's end with the streams of the hook."""
    current: list[str] = []
    for word in words(script):
        if word == "&" and not _redirected(current):
            return True
        if word in ("&", "&&", "|", "||", "\n") or set(word) <= set(";\n"):
            current = []
        else:
            current.append(word)
    return False


def _redirected(command: list[str]) -> bool:
    streams: set[str] = set()
    for before, word in zip(["", *command], command, strict=False):
        if word.startswith("&>"):
            return True
        if word.startswith(">"):
            streams.add("2" if before == "2" else "1")
    return streams == {"1", "2"}


def _background(subject: Subject) -> Iterator[Found]:
    for container, name, hook in exec_hooks(subject.pod):
        if _in_background(script_of(hook.command) or ""):
            yield Found(
                at_command(hook),
                f"{name} of {container.name!r} leaves a process in the background that keeps its standard output:"
                " the hook lasts until that process ends",
            )


def _never_told(subject: Subject) -> Iterator[Found]:
    for container, name, hook in exec_hooks(subject.pod):
        for one in simple_commands(hook.command):
            text = " ".join(one)
            if name == "preStop" and re.fullmatch(
                r"(?:\S*/)?kill\s+(?:-9|-KILL|-s KILL|-SIGKILL)\s+1", text
            ):
                yield Found(
                    at_command(hook),
                    f"preStop of {container.name!r} sends SIGKILL to process 1 of its own container, which the kernel"
                    " ignores: the hook does nothing",
                )


RULES = (
    Rule(
        id="LC121",
        severity=Severity.WARNING,
        title="A hook may never end",
        sees="A postStart command with a loop that waits for something, `curl` or `wget` without a timeout, `tail -f` or"
        " `sleep infinity`; a preStop command that certainly does not end.",
        why="No hook has a timeout. While postStart runs, the pod is Pending, no probe is sent, containers after it"
        " are not started, and a deletion waits until it is over. A preStop hook is abandoned only when the grace period"
        " is spent; then the program has 2 seconds.",
        fix="put a limit in front of it: command: [timeout, '20', sh, -c, …], or curl --max-time",
        source="https://github.com/kubernetes/kubernetes/issues/116032",
        find=_hangs,
    ),
    Rule(
        id="LC122",
        severity=Severity.WARNING,
        title="The image hardly has the program that a hook or probe runs",
        sees="An exec hook or probe that runs a shell, `sleep`, `curl` and the like in an image that by its name has none:"
        " distroless, static, scratch, or an official slim, alpine or busybox image.",
        why="Commands run inside the container with what its image has. If the file is not there the hook fails: after"
        " postStart the container is killed, after preStop SIGTERM comes with no pause.",
        fix="use `sleep:` or `httpGet:` instead of exec, or a program that is in the image",
        source=HOOKS,
        find=_absent,
    ),
    Rule(
        id="LC123",
        severity=Severity.WARNING,
        title="A hook's child in the background keeps the hook open",
        sees="`… &` in the script of an exec hook whose output is not redirected.",
        why="The runtime waits until nobody has the hook's standard output and error open any more, containerd for ever."
        " The shell ends, its child does not, and the hook lasts as long as the child: postStart blocks the pod, preStop"
        " spends the grace period.",
        fix="redirect both streams: sh -c 'worker >/proc/1/fd/1 2>&1 &'",
        source="https://github.com/containerd/containerd/issues/7832",
        find=_background,
    ),
    Rule(
        id="LC124",
        severity=Severity.WARNING,
        title="SIGKILL to process 1 does nothing",
        sees="`kill -9 1` in a preStop hook.",
        why="The kernel does not deliver SIGKILL to the init process of a PID namespace from inside of it, nor any signal"
        " that it has no handler for.",
        fix="leave the hook out, SIGTERM comes anyway; or send the signal that the program handles",
        source="https://man7.org/linux/man-pages/man7/pid_namespaces.7.html",
        find=_never_told,
    ),
)

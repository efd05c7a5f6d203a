"""Every option, once: the parser, `--help`, the environment and the reference page are read from this table."""

from . import _options_pod, _options_program

GROUPS = {**_options_program.GROUPS, **_options_pod.GROUPS}
OPTIONS = tuple(option for group in GROUPS.values() for option in group)
BY_NAME = {f"--{option.name}": option for option in OPTIONS}
BY_SHORT = {f"-{option.short}": option for option in OPTIONS if option.short}
# tini and dumb-init know these; what they ask for is either always done here or another option.
COMPATIBLE: dict[str, tuple[tuple[str, str], ...]] = {
    "-s": (),
    "-w": (),
    "-g": (("--signal-to", "group"),),
    "-c": (("--signal-to", "main"),),
    "--single-child": (("--signal-to", "main"),),
}

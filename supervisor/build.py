"""Build the two files that can be copied into any image: `dist/supervisor.pyz` and `dist/supervisor`.

    python supervisor/build.py [--output dist] [--zipapp] [--static] [--aarch64]

Same sources, same tools, same bytes: no time stamps, no paths, no order of a directory.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE.parent / "src" / "lifecycle" / "supervisor"
PACKAGE = "supervisor"
# What the interpreter itself needs to begin, beside what Debian's library has frozen already.
STANDARD = ("encodings", "encodings.aliases", "encodings.utf_8")
STATIC_PYTHON = "python3.11"
FOREIGN_PACKAGES = ("libpython3.11-dev", "zlib1g-dev", "libexpat1-dev")
LICENCES = ("/usr/share/doc/libpython3.11-stdlib/copyright", "/usr/share/doc/python3.11/copyright")
# The first moment that a zip can tell.
EPOCH = (1980, 1, 1, 0, 0, 0)

# Run by the interpreter that will read the result. One process a module: marshal looks at reference counts.
COMPILE = """
import marshal, sys
path, name = sys.argv[1:]
with open(path, 'rb') as source:
    code = compile(source.read(), name, 'exec', dont_inherit=True, optimize=2)
sys.stdout.buffer.write(marshal.dumps(code))
"""
MAGIC = "import sys, _imp, importlib.util as u; sys.stdout.buffer.write(u.MAGIC_NUMBER)"
SOURCE_HASH = "import sys, _imp, importlib.util as u; sys.stdout.buffer.write(u.source_hash(sys.stdin.buffer.read()))"
CACHE_TAG = "import sys; sys.stdout.write(sys.implementation.cache_tag)"
WHERE = "import sys, importlib.util as u; print(u.find_spec(sys.argv[1]).origin)"
CONFIGURED = "import sysconfig as s; print(s.get_config_var('LIBPL')); print(s.get_path('include'))"


def ask(python: str, program: str, *words: str, given: bytes = b"") -> bytes:
    return subprocess.run(
        [python, "-I", "-S", "-c", program, *words],
        input=given,
        check=True,
        capture_output=True,
        env={"PYTHONHASHSEED": "0", "PATH": os.environ["PATH"]},
    ).stdout


def sources() -> list[tuple[str, Path]]:
    """Module names with their files, in an order that does not depend on the disk."""
    return [
        (PACKAGE if path.stem == "__init__" else f"{PACKAGE}.{path.stem}", path)
        for path in sorted(MODULES.glob("*.py"))
        if path.stem != "__main__"
    ]


def build_zipapp(target: Path, pythons: list[str]) -> None:
    """`source/` for any Python, and one folder of compiled modules for each that is at hand."""
    entries: dict[str, bytes] = {"__main__.py": (HERE / "zipapp_main.py").read_bytes()}
    for name, path in sources():
        inside = name.replace(".", "/") + ("/__init__" if name == PACKAGE else "")
        entries[f"source/{inside}.py"] = path.read_bytes()
    for python in pythons:
        tag = ask(python, CACHE_TAG).decode()
        magic = ask(python, MAGIC)
        for name, path in sources():
            inside = name.replace(".", "/") + ("/__init__" if name == PACKAGE else "")
            digest = ask(python, SOURCE_HASH, given=path.read_bytes())
            # Marked as checked by its hash, and not to be checked again: https://peps.python.org/pep-0552/
            header = magic + (1).to_bytes(4, "little") + digest
            entries[f"{tag}/{inside}.pyc"] = header + ask(
                python, COMPILE, str(path), inside + ".py"
            )
    with target.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(entries):
                information = zipfile.ZipInfo(name, EPOCH)
                information.external_attr = 0o644 << 16
                archive.writestr(information, entries[name])
    target.chmod(0o755)


def frozen_table(python: str) -> str:
    """The modules as C: an array each, and the table that CPython looks into before any directory."""
    modules = [(name, Path(ask(python, WHERE, name).decode().strip())) for name in STANDARD]
    modules += sources()
    arrays, rows = [], []
    for name, path in modules:
        symbol = "frozen_" + name.replace(".", "_dot_")
        code = ask(python, COMPILE, str(path), f"<{name}>")
        arrays.append(f"static const unsigned char {symbol}[] = {{{','.join(map(str, code))}}};\n")
        is_package = int(path.stem == "__init__")
        rows.append(f'    {{"{name}", {symbol}, (int)sizeof({symbol}), {is_package}, 0}},\n')
    return (
        "#include <Python.h>\n"
        + "".join(arrays)
        + "const struct _frozen supervisor_modules[] = {\n"
        + "".join(rows)
        + "    {0, 0, 0, 0, 0},\n};\n"
    )


def build_static(
    target: Path,
    *,
    python: str,
    compiler: str = "gcc",
    strip: str = "strip",
    library: str | None = None,
    include: str | None = None,
    extra: tuple[str, ...] = (),
) -> None:
    configured = ask(python, CONFIGURED).decode().split()
    library = library or f"{configured[0]}/libpython3.11.a"
    include = include or configured[1]
    with tempfile.TemporaryDirectory() as folder:
        for source in ("main.c", "spawn.c"):
            shutil.copy(HERE / source, folder)
        Path(folder, "modules.c").write_text(frozen_table(python))
        command = [
            compiler,
            "-static",
            "-Os",
            "-ffunction-sections",
            "-fdata-sections",
            "-frandom-seed=supervisor",
            # As CPython itself is compiled: an assertion has the path of its header in it.
            "-DNDEBUG",
            "-Wl,--gc-sections",
            "-Wl,--wrap=_Py_Deepfreeze_Init",
            "-Wl,--build-id=none",
            "-Wl,-z,noseparate-code",
            f"-I{include}",
            *extra,
            "main.c",
            "spawn.c",
            "modules.c",
            library,
            "-o",
            "supervisor",
            "-lexpat",
            "-lz",
            "-lm",
            "-ldl",
            "-lutil",
            "-lpthread",
        ]
        # The linker warns of getpwnam and its like, which look for libraries at run time. Nothing here calls them.
        built = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
        if built.returncode:
            sys.exit(built.stderr)
        subprocess.run([strip, "--strip-all", "supervisor"], cwd=folder, check=True)
        shutil.copy(Path(folder, "supervisor"), target)
    target.chmod(0o755)


def build_aarch64(target: Path, python: str) -> None:
    """With Debian's cross compiler, and its packages for that machine unpacked into a folder of their own.

    The frozen modules are the same bytes: marshal knows nothing of machines.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        for part in ("state/lists/partial", "cache/archives/partial"):
            Path(folder, part).mkdir(parents=True)
        Path(folder, "status").touch()
        # Its own state, so that this machine's apt does not learn of another architecture.
        options = [
            f"Dir::State={folder}/state",
            f"Dir::State::status={folder}/status",
            f"Dir::Cache={folder}/cache",
            "APT::Architecture=arm64",
            "APT::Architectures=arm64",
            "APT::Sandbox::User=root",
        ]
        apt = ["apt-get", "-qq", *(word for option in options for word in ("-o", option))]
        subprocess.run([*apt, "update"], cwd=folder, check=True)
        subprocess.run([*apt, "download", *FOREIGN_PACKAGES], cwd=folder, check=True)
        for package in sorted(Path(folder).glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, root], check=True)
        build_static(
            target,
            python=python,
            compiler="aarch64-linux-gnu-gcc",
            strip="aarch64-linux-gnu-strip",
            library=f"{root}/usr/lib/python3.11/config-3.11-aarch64-linux-gnu/libpython3.11.a",
            include=f"{root}/usr/include/python3.11",
            # No word of this run's folder in the result: another run has another.
            extra=(
                f"-ffile-prefix-map={root}=",
                f"-I{root}/usr/include",
                f"-L{root}/usr/lib/aarch64-linux-gnu",
            ),
        )


def write_checksums(folder: Path) -> None:
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.glob("supervisor*"))
        if path.suffix in ("", ".pyz", ".aarch64")
    ]
    (folder / "supervisor.sha256").write_text("".join(lines))


def write_licences(folder: Path) -> None:
    found = next((Path(path) for path in LICENCES if Path(path).exists()), None)
    python = found.read_text() if found else ""
    (folder / "supervisor.LICENSES").write_text(
        "The supervisor's own modules:\n\n"
        + (HERE.parent / "LICENSE").read_text()
        + "\n\nThe static executable contains CPython (PSF licence), the GNU C library (LGPL 2.1), zlib and Expat.\n"
        "CPython, as distributed by Debian:\n\n" + python
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("dist"))
    parser.add_argument("--zipapp", action="store_true")
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--aarch64", action="store_true", help="cross-compiled; only on request")
    parser.add_argument(
        "--python", action="append", help="an interpreter to compile the zipapp for"
    )
    given = parser.parse_args()
    everything = not (given.zipapp or given.static or given.aarch64)
    given.output.mkdir(parents=True, exist_ok=True)
    if given.zipapp or everything:
        build_zipapp(given.output / "supervisor.pyz", given.python or [sys.executable])
    if given.static or given.aarch64 or everything:
        python = next(
            (
                p
                for p in (f"/usr/bin/{STATIC_PYTHON}", shutil.which(STATIC_PYTHON))
                if p and Path(p).exists()
            ),
            None,
        )
        if python is None:
            sys.exit(f"the static executable needs {STATIC_PYTHON} and libpython3.11-dev of Debian")
        if given.static or everything:
            build_static(given.output / "supervisor", python=python)
        if given.aarch64:
            build_aarch64(given.output / "supervisor.aarch64", python)
    write_checksums(given.output)
    write_licences(given.output)


if __name__ == "__main__":
    main()

# What `supervisor.pyz` begins with. Python 2 and every Python 3 must be able to read this file,
# so that an old one can say what is wrong.
import sys

PYTHON_MISSING = 72
MASK_VARIABLE = "SUPERVISOR_ORIGINAL_MASK"


def begin():
    if sys.version_info < (3, 11):
        sys.stderr.write(
            "supervisor: needs Python 3.11 or newer, and %s is %d.%d: use the static executable\n"
            % ((sys.executable or "this one",) + tuple(sys.version_info[:2]))
        )
        return sys.exit(PYTHON_MISSING)
    archive = sys.path[0]
    if not (sys.flags.isolated and sys.flags.no_site):
        isolate(archive)
    sys.path.insert(0, archive + "/source")
    sys.path.insert(0, archive + "/" + (sys.implementation.cache_tag or "source"))
    from supervisor import main

    main()


def isolate(archive):
    """Start again as `python -I -S`: neither PYTHONPATH nor a sitecustomize is any business of PID 1."""
    import _signal
    import posix

    # Blocked first: a signal that comes now waits for the second start. The mask outlives the exec.
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    variables = dict(posix.environ)
    variables[MASK_VARIABLE.encode()] = ",".join(str(int(number)) for number in mask).encode()
    try:
        posix.execve(
            sys.executable, [sys.executable, "-I", "-S", archive] + sys.argv[1:], variables
        )
    except (OSError, ValueError):
        pass  # Then as we are: less isolated, but the program is served.


begin()

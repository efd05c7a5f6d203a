"""`python -m tests.process.apps.inheriting PORT WORDS…`: listens, as systemd does, and becomes `lifecycle WORDS…`."""

import os
import socket
import sys

DESCRIPTOR = 3

if __name__ == "__main__":
    port, *words = sys.argv[1:]
    sock = socket.create_server(("127.0.0.1", int(port)))
    if sock.fileno() != DESCRIPTOR:
        os.dup2(sock.fileno(), DESCRIPTOR)
    os.set_inheritable(DESCRIPTOR, True)
    os.execv(sys.executable, [sys.executable, "-m", "lifecycle", *words])

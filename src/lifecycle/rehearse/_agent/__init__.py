"""The node's side of a rehearsal: one process for each pod, which starts, signals and reaps what runs in it.

It is started by itself (see `_link`), with the standard library alone, and imports nothing of ours but itself: between
it and what it starts there is only fork and exec, so that nothing of it is left in a container. It has one thread, since
only such a process may enter a user namespace. Whoever told it what to do may be killed: then the socket ends, and
everything here with it.

Requests and answers are JSON, one in a packet. `{"do": "start" | "exec" | "signal" | "kill" | "socket", "id": …}`; each
has an answer with that id, and `start` and `exec` a second one when it has ended: `{"ended": id, "code": …}`.
"""

from ._serve import PACKET, main

__all__ = ["PACKET", "main"]

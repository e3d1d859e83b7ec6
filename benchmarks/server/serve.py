"""One app behind uvicorn: `python -m benchmarks.server.serve APP SOCKET CORE`.

It listens on a socket that it inherits, on one core, and ends with its standard input, so that it
does not outlive the process that started it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

import uvicorn

from benchmarks.apps import build


def main() -> None:
    name, descriptor, core = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    threading.Thread(target=end_with_input, daemon=True).start()
    # uvloop and httptools are what `uvicorn[standard]` uses when nothing is said.
    config = uvicorn.Config(
        build(name), loop="uvloop", http="httptools", log_level="warning", access_log=False
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])


def end_with_input() -> None:
    """Wait for the end of the standard input, then stop the server as a user would."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()

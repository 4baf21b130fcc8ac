"""A command beside processes that do nothing but use the processor: `python -m tests.harness.busy 20 COMMAND...`.

They end with the command, also where it is interrupted or this process is killed: each lives as long as its input.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

_BUSY = """
import sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), __import__("os")._exit(0)), daemon=True).start()
while True:
    pass
"""


def main(load: int, command: list[str]) -> int:
    """The command's exit code."""
    with ExitStack() as at_the_end:
        for _ in range(load):
            process = subprocess.Popen([sys.executable, "-c", _BUSY], stdin=subprocess.PIPE)
            at_the_end.callback(process.wait)
            at_the_end.callback(process.kill)
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))

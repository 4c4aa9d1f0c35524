"""`./run bench streams`: what streams to containers carry, and what that costs. One section a module of bench/stream/:

exec   a pipe of one GiB out of a container and into one, through `spin exec` and, in turn in the same run, through `docker exec -i`:
       throughput, their ratio, checksums, and how much memory the platform and the client have needed.
logs   a million lines through `spin logs` and, in turn in the same run, through `docker logs`: wall time, ratio, checksums; and 200
       followers of one container: memory of the platform for each, and the delay from a line's writing to its arrival.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from stage import Failure, Stage
from stream import logs, pipes

SECTIONS: dict[str, Callable[[Stage, int], int]] = {"exec": pipes.measure, "logs": logs.measure}
"""Each takes a stage whose platform is not started yet, and the number of rounds; 1 where something asked for is missed."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench streams", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="which (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    given = parser.parse_args()
    status = 0
    for name in given.sections or SECTIONS:
        stage = Stage("streams")
        stage.prepare()
        try:
            status |= SECTIONS[name](stage, given.rounds)
        except (Failure, RuntimeError, subprocess.SubprocessError) as failure:
            print(f"bench: {failure}", file=sys.stderr)
            status = 1
        finally:
            stage.stop()
            stage.sweep()
    return status


if __name__ == "__main__":
    sys.exit(main())

"""`./run bench compose_load`: how long loading and auditing a Compose file takes, warm, for 3 and for 200 services.

The yardstick beside each is Python's own `json` reading the same document twenty times, in the same run: it says how fast the machine is.
Exit status 0 only if the times are within what is promised: 20 ms and 300 ms.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import yaml

from spin.compose import load, lower
from spin.model.names import StackName
from spin.policy import audit
from spin.site import Site

ROUNDS = 15
MOST_MS = {3: 20, 200: 300}


def text(services: int) -> str:
    """A file as people write them: ports, volumes, networks, a health check, limits, variables."""
    parts = ["services:\n"]
    for number in range(services):
        parts.append(
            f"  s{number}:\n    image: nginx:1.{number}\n    environment: {{A: '1', B: 'two ${{X:-y}}', C: three}}\n"
            f"    ports: ['{8000 + number}:80']\n    volumes: ['d{number}:/data']\n    networks: [front, back]\n"
            "    healthcheck: {test: [CMD, 'true'], interval: 10s, timeout: 3s}\n    restart: always\n"
            "    labels: {team: science}\n    deploy: {resources: {limits: {cpus: '0.5', memory: 64M}}}\n"
        )
        parts += ["    depends_on: [s0]\n"] if number else []
    volumes = "".join(f"  d{number}:\n" for number in range(services))
    return "".join(parts) + "networks: {front: , back: }\nvolumes:\n" + volumes


def check(content: str) -> None:
    submission = load([("compose.yaml", content)], {}, lambda _: b"")
    spec = lower(submission, stack=StackName("stack"), registry_host="localhost:5000", project="team")
    audit(submission, spec, Site())


def milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def main() -> int:
    within = True
    for services, most in MOST_MS.items():
        content = text(services)
        document = json.dumps(yaml.safe_load(content))
        taken = milliseconds(lambda content=content: check(content))  # type: ignore[misc]  # mypy cannot infer a default's type
        yardstick = milliseconds(lambda document=document: [json.loads(document) for _ in range(20)])  # type: ignore[misc]  # the same
        within = within and taken <= most
        print(
            f"{services:3} services, {len(content) // 1024:3} KiB: loaded and audited in {taken:6.1f} ms (at most {most}); "
            f"20 x json.loads of it: {yardstick:5.1f} ms, ratio {taken / yardstick:.1f}"
        )
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())

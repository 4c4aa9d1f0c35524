"""What a case costs: processor time of this process and the growth of its memory, at the peak."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


@dataclass
class Cost:
    seconds: float = 0.0
    """Of processor time, all threads of the process."""
    mebibytes: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    cost = Cost()
    gc.collect(1)
    _RESET.write_text("5")  # the kernel forgets the peak so far (proc(5))
    before, began = _kibibytes("VmRSS"), time.process_time()
    try:
        yield cost
    finally:
        cost.seconds = time.process_time() - began
        cost.mebibytes = max(0.0, (_kibibytes("VmHWM") - before) / 1024)


def _kibibytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1])

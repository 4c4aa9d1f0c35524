"""Coverage-guided fuzzing of the two doors: `./run fuzz [SECONDS]`.

Each door (`text`: a Compose file; `document`: what a client of one's own sends) is a process of its own; both run at once. It begins
with the hostile corpus and the examples (`text`), or with noise (`document`). Found is what `fuzz.targets` calls wrong, an input
that takes longer than HANG_SECONDS, and a process that grows beyond GROWTH_MIB; libFuzzer then writes the input to
`.spin/fuzz/<door>/`. It belongs into `tests/security/corpus` once it is understood.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [] if str(ROOT / "tests") in sys.path else [str(ROOT / "tests")]

from fuzz import targets  # noqa: E402 - found by the line before
from security.cases import corpus  # noqa: E402

WORK = ROOT / ".spin" / "fuzz"
DOORS = ("text", "document")
HANG_SECONDS = 5
"""For one input, instrumented, on a machine that does other things, too; what is let through takes milliseconds."""
GROWTH_MIB = 1024
"""Of the whole process: the interpreter with instrumented modules takes some 150."""
LONGEST = 16 * 1024
"""Bytes of an input."""


def seeds(name: str, folder: Path) -> None:
    """What the fuzzer begins with, and the words that it writes into texts."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "document":
        for number in range(200):
            noise = random.Random(number)  # the same at each run
            (folder / f"seed-{number:04}").write_bytes(noise.randbytes(40 + 5 * number))
        return
    parts = [text for case in corpus() for _, text in case.parts if len(text) < LONGEST and "%" not in text]
    parts += [path.read_text() for path in (ROOT / "examples").rglob("*compose*.yaml")]
    for number, text in enumerate(parts):
        (folder / f"seed-{number:04}").write_text(text, encoding="utf-8")


def dictionary(file: Path) -> None:
    words = {
        *targets.TOP,
        *targets.SERVICE,
        *targets.INNER,
        *targets.TEXTS,
        "<<: *a",
        "&a ",
        "!reset ",
        "!override ",
        "${A:-",
        "- ",
        ": ",
    }
    lines = ["".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in w.encode()) for w in words if w]
    file.write_text("".join(f'"{line}"\n' for line in sorted(lines)))


def door(name: str, arguments: list[str]) -> None:
    """This process is the fuzzer of one door; it does not come back."""
    import atheris  # noqa: PLC0415 - it instruments what is imported after it

    for module in [m for m in sys.modules if m.partition(".")[0] in ("spin", "fuzz")]:
        del sys.modules[module]  # to be imported again, instrumented
    with atheris.instrument_imports(include=["spin.compose", "spin.policy", "spin.kit", "spin.model"]):
        from fuzz import targets as watched  # noqa: PLC0415

    def one(data: bytes) -> None:
        if name == "text":
            watched.text_target(data)
        else:
            watched.document_target(atheris.FuzzedDataProvider(data))

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def run(name: str, seconds: int, folder: Path) -> subprocess.Popen[str]:
    found, start, words = folder / "corpus", folder / "seeds", folder / "words"
    found.mkdir(parents=True, exist_ok=True)
    seeds(name, start)
    dictionary(words)
    options = [
        f"-max_total_time={seconds}", f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={GROWTH_MIB}", f"-max_len={LONGEST}",
        f"-artifact_prefix={folder}/", f"-dict={words}", "-len_control=0", "-print_final_stats=1", str(found), str(start),
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        return subprocess.Popen([sys.executable, __file__, "--door", name, *options], stdout=log, stderr=log, text=True, cwd=ROOT)


def figures(folder: Path) -> tuple[int, str]:
    """(executions, what the log says in one line)."""
    log = (folder / "log").read_text(errors="replace")
    progress = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)
    stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", log))
    covered, features, inputs = progress[-1] if progress else ("no", "no", "no")
    executions = int(stats.get("number_of_executed_units", 0))
    return executions, (
        f"{executions} executions, {covered} edges, {features} features, {inputs} inputs kept, "
        f"peak {stats.get('peak_rss_mb', '?')} MiB, slowest {stats.get('slowest_unit_time_sec', '?')} s"
    )


def campaign(seconds: int, work: Path) -> bool:
    """Whether nothing was found. Prints what was done."""
    began = time.monotonic()
    running = {name: run(name, seconds, work / name) for name in DOORS}
    good = True
    for name, process in running.items():
        ended = process.wait()
        executions, line = figures(work / name)
        good &= ended == 0 and executions > 0
        print(f"{name}: {line}")
        for artifact in sorted(p for kind in ("crash", "timeout", "oom", "slow") for p in (work / name).glob(f"{kind}-*")):
            print(f"{name}: found {artifact}")
    print(f"{'nothing found' if good else f'something was found: see the logs in {work}'}, {time.monotonic() - began:.0f} s")
    return good


if __name__ == "__main__":
    if sys.argv[1:2] == ["--door"]:
        door(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(not campaign(int(sys.argv[1]) if len(sys.argv) > 1 else 600, WORK))

"""A process that writes to a store, to be killed. Run as `python writer.py URL KEY-IN-HEX MODE`.

`commit`: adds projects p1, p2, … for ever, and prints each name once its transaction is over.
`hold`: writes in a transaction, prints `held`, and stays in it.
`add NAME`: adds the project NAME and ends.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from datetime import UTC, datetime

from spin.store import open_store


async def main(url: str, key: str, mode: str, name: str = "held") -> None:
    now = datetime.now(UTC)
    async with await open_store(url, bytes.fromhex(key)) as store:
        if mode == "commit":
            for number in itertools.count(1):
                async with store.begin(write=True) as unit:
                    await unit.add_project(f"p{number}", now)
                    await unit.add_secret(f"p{number}", "development", "s", b"v", "ann", now)
                print(f"p{number}", flush=True)
        async with store.begin(write=True) as unit:
            await unit.add_project(name, now)
            if mode == "hold":
                print("held", flush=True)
                await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))

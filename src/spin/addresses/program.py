"""The program `nft`, which Spin gives its tables to."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Final

from spin.errors import AddressesUnavailable

TIMEOUT = 30.0
"""Seconds that nft may take; 1,000 addresses take 0.2."""

_PLACES: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def program() -> str | None:
    """Where it is; None where it is not installed."""
    return shutil.which("nft", path=_PLACES)


async def nft(*arguments: str, stdin: str = "") -> str:
    """What nft prints. Raises AddressesUnavailable with its reason."""
    found = program()
    if found is None:
        raise AddressesUnavailable("The program nft (package nftables) is not installed.")
    process = await asyncio.create_subprocess_exec(
        found,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            output, errors = await process.communicate(stdin.encode())
    except TimeoutError:
        raise AddressesUnavailable(f"nft has not done its work within {TIMEOUT:g} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        reason = next(iter(errors.decode(errors="replace").strip().splitlines()), f"status {process.returncode}")
        raise AddressesUnavailable(f"nft refuses: {reason}.")
    return output.decode()

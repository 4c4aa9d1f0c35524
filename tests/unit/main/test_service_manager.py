"""What `spin serve` tells systemd."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import pytest

from spin.main.serve import tell_service_manager


@pytest.mark.parametrize("kind", ["path", "abstract name"])
def test_a_state_is_told_where_the_service_manager_listens(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(tmp_path / "notify") if kind == "path" else f"@spin-test-{secrets.token_hex(4)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name if kind == "path" else f"\0{name[1:]}")
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        tell_service_manager("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_nobody_has_to_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell_service_manager("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    tell_service_manager("READY=1")

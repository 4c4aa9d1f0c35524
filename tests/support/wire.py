"""A wire between Spin and the Docker Engine that a test can cut, since the machine's own engine must stay up."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from pathlib import Path


class Wire:
    """A Unix socket that forwards every connection to another one, until it is cut."""

    def __init__(self, path: Path, target: str = "/var/run/docker.sock") -> None:
        self.path = path
        self._target = target
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def join(self) -> None:
        """Let connections through."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """End every connection and let no new one in, as an engine does that has died."""
        with self._lock:
            listener, self._listener = self._listener, None
            ends, self._open = self._open, set()
        self.path.unlink(missing_ok=True)
        for one in [*([listener] if listener else []), *ends]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._target)
            except OSError:
                near.close()
                far.close()
                continue
            with self._lock:
                self._open |= {near, far}
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with selectors.DefaultSelector() as ready, contextlib.suppress(OSError, ValueError):
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while ready.get_map():
                for key, _ in ready.select():
                    end = key.fileobj
                    assert isinstance(end, socket.socket)
                    data = end.recv(65536)
                    if data:
                        key.data.sendall(data)
                    else:
                        ready.unregister(end)
                        key.data.shutdown(socket.SHUT_WR)
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

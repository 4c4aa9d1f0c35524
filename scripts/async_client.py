"""Makes the asynchronous client from the synchronous one: the modules MODULES of `spin.client.aio` from those of `spin.client`.

Every method that asks something becomes a coroutine and is awaited; generators, and what loops over them, become asynchronous; the
classes get their asynchronous names. Only the transports and the streams are two, written by hand. Comments and docstrings stay.
scripts/reference.py writes what is made here.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CLIENT = Path(__file__).parent.parent / "src" / "spin" / "client"
MODULES = ("api", "feed", "stack")
RENAMED = {
    "Client": "AsyncClient",
    "LogFeed": "AsyncLogFeed",
    "LogFeeds": "AsyncLogFeeds",
    "Stack": "AsyncStack",
    "Stream": "AsyncStream",
    "Transport": "AsyncTransport",
    "Iterator": "AsyncGenerator",
    "closing": "aclosing",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "spin.client.feed": "spin.client.aio.feed",
    "spin.client.streams": "spin.client.aio.streams",
    "spin.client.stack": "spin.client.aio.stack",
    "spin.client.transport": "spin.client.aio.transport",
}
WORDS = (("in a `with` statement", "in an `async with` statement"),)
SYNCHRONOUS = {"__init__", "__call__", "log_feed", "stack"}
"""Methods that ask nothing."""
TRANSPORT_ITERATORS = {"lines", "pieces"}

Edit = tuple[int, int, str]
"""From this offset to that one: this text."""


def made() -> dict[Path, str]:
    """The asynchronous modules, with their text."""
    return {CLIENT / "aio" / f"{name}.py": _module(name) for name in MODULES}


def _module(name: str) -> str:
    text = (CLIENT / f"{name}.py").read_text()
    for edit in sorted(Translation(text, name).edits(), reverse=True):
        text = text[: edit[0]] + edit[2] + text[edit[1] :]
    for old, new in RENAMED.items():
        text = re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", new, text)
    for old, new in WORDS:
        text = text.replace(old, new)
    text = f"# Made from spin/client/{name}.py: change that file, then run scripts/reference.py.\n{text}"
    where = ["--stdin-filename", str(CLIENT / "aio" / f"{name}.py"), "-"]
    text = _ruff(["check", "--quiet", "--fix", "--select", "I,F401,TC005", "--ignore", "TC001,TC002,TC003", *where], text)
    return _ruff(["format", "--quiet", *where], text)


def _ruff(arguments: list[str], text: str) -> str:
    done = subprocess.run([sys.executable, "-m", "ruff", *arguments], input=text, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(f"ruff {' '.join(arguments)}: {done.stderr}")
    return done.stdout


class Translation:
    """What has to change in one module."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._tree = ast.parse(text)
        lines = text.encode().splitlines(keepends=True)
        assert text.isascii() or all(len(line) == len(line.decode()) for line in lines), f"{name}: columns are counted in bytes"
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))
        kinds = [node for node in self._tree.body if isinstance(node, ast.ClassDef)]
        self._methods = [node for kind in kinds for node in kind.body if isinstance(node, ast.FunctionDef)]
        self._iterators = {f.name for f in self._methods if _returns(f) == "Iterator"} | TRANSPORT_ITERATORS
        self._awaited = {f.name for f in self._methods} - self._iterators - SYNCHRONOUS

    def edits(self) -> Iterator[Edit]:
        for part in ast.walk(self._tree):
            if isinstance(part, ast.Subscript) and ast.unparse(part.value) == "Iterator":
                yield self._end(part, ", None", within=1)
            if isinstance(part, ast.Constant) and str(part.value).startswith("Iterator["):  # what is cast to
                yield self._end(part, ", None", within=2)
        for method in self._methods:
            yields = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(method))
            if method.name in self._awaited or yields:
                yield self._before(method, "async ")
            yield from self._within(method)

    def _within(self, method: ast.FunctionDef) -> Iterator[Edit]:
        parents = {child: node for node in ast.walk(method) for child in ast.iter_child_nodes(node)}
        closed = {name for node in ast.walk(method) if isinstance(node, ast.With) for name in self._closed(node)}
        for node in ast.walk(method):
            if isinstance(node, ast.With) and self._closed(node):
                yield self._before(node, "async ")
            if isinstance(node, ast.For) and isinstance(node.iter, ast.Name) and node.iter.id in closed:
                yield self._before(node, "async ")
            if isinstance(node, ast.YieldFrom) and isinstance(
                parents[node], ast.Expr
            ):  # generators of coroutines know no such thing
                each = "async for" if _asked(node.value) in self._iterators else "for"
                yield self._before(node, "")[0], self._before(node.value, "")[0], f"{each} one in "
                yield self._end(node.value, f":\n{' ' * node.col_offset}    yield one")
            elif isinstance(node, ast.YieldFrom) or (isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep"):
                raise SystemExit(
                    f"{self._name}.py:{node.lineno}: no asynchronous form is known here; teach scripts/async_client.py"
                )
            if isinstance(node, ast.For | ast.comprehension) and _asked(node.iter) in self._iterators:
                yield self._before(node if isinstance(node, ast.For) else node.target, "async ")
            if isinstance(node, ast.Call) and (name := _asked(node)) is not None and name not in self._iterators | SYNCHRONOUS:
                tight = isinstance(parents[node], ast.Attribute | ast.Subscript | ast.Call) and node is not _argument(
                    parents[node], node
                )
                yield self._before(node, "(await " if tight else "await ")
                if tight:
                    yield self._end(node, ")")

    def _closed(self, node: ast.With) -> set[str]:
        """Names of what the statement closes at its end: `with closing(self.iterator()) as name`."""
        calls = [(item.context_expr, item.optional_vars) for item in node.items]
        return {
            name.id
            for call, name in calls
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "closing" and _asked(call.args[0]) in self._iterators
            if isinstance(name, ast.Name)
        }

    def _before(self, node: ast.stmt | ast.expr, text: str) -> Edit:
        at = self._starts[node.lineno - 1] + node.col_offset
        return at, at, text

    def _end(self, node: ast.expr, text: str, *, within: int = 0) -> Edit:
        at = self._starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0) - within
        return at, at, text


def _returns(function: ast.FunctionDef) -> str:
    """The outermost name of the annotation of what it returns."""
    return "" if function.returns is None else ast.unparse(function.returns).partition("[")[0]


def _asked(node: ast.AST) -> str | None:
    """The method that a call of `self.method(…)` or `self._transport.method(…)` asks; None for anything else."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    return node.func.attr if ast.unparse(node.func.value) in ("self", "self._transport") else None


def _argument(call: ast.AST, node: ast.AST) -> ast.AST | None:
    """`node`, where it is an argument or an index and not what is called or looked into."""
    inner = getattr(call, "func", getattr(call, "value", None))
    return None if inner is node else node

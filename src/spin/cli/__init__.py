"""The command line: one module a noun, loaded when it is called. Talks to the platform through `spin.client` only.

`run(extra)` is the whole program; `root(extra)` is its tree of commands, for the generated reference. `extra` maps names to
`spin.cli.Command` rows for commands that live above the CLI, such as `serve`; they are imported when they are called.
"""

from spin.cli.entry import main, root, run
from spin.cli.lazy import Command

__all__ = ["Command", "main", "root", "run"]

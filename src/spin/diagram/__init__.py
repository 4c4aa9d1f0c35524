"""A stack's picture. Pure: a StackSpec and what the site adds to it become a `Picture`, which three renderers write down.

`picture` draws the model, `mermaid`, `svg` (with `layout`) and `text` are its forms.
"""

from __future__ import annotations

from spin.diagram.mermaid import mermaid
from spin.diagram.picture import Picture, Surroundings, picture
from spin.diagram.svg import svg
from spin.diagram.text import text

__all__ = ["Picture", "Surroundings", "mermaid", "picture", "svg", "text"]

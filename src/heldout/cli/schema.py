"""heldout schema"""

from __future__ import annotations

import typer


def command() -> None:
    """The schema of the store, as Markdown.

    The schema of the store: files, columns and what they mean, as Markdown.

    Example:  heldout schema > store.md
    """
    from heldout.store.schema import document

    typer.echo(document(), nl=False)

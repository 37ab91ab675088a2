"""heldout models"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from heldout.cli.options import Format, FormatOption, OutputOption
from heldout.cli.show import entries, put


def command(
    uris: Annotated[
        list[str] | None,
        typer.Argument(help="Models to load and describe; the kinds of models without any."),
    ] = None,
    form: FormatOption = Format.table,
    output: OutputOption = None,
) -> None:
    """The kinds of models, or what one model is.

    The kinds of models that heldout runs; with URIs, what each model is: its outputs, its
    preprocessing, its parameters, the hash of its weights.

    Example:  heldout models onnx:net.onnx
    """
    from heldout.models.adapters import find, load, names
    from heldout.table import Column, Table

    if not uris:
        adapters = [find(n) for n in names()]
        table = Table(
            "Kinds of models",
            (
                Column("kind", "text", names(), "the first part of a URI"),
                Column("example", "text", [a.EXAMPLE for a in adapters], "a URI"),
                Column("about", "text", [a.ABOUT for a in adapters], "what it is"),
            ),
        )
        if form is Format.table and output is None:
            entries([(n, (a.ABOUT, a.EXAMPLE)) for n, a in zip(names(), adapters, strict=True)])
        else:
            put(table, form, output, rows=0)
        return
    abouts = [load(uri).about for uri in uris]
    facts: list[tuple[str, str, str]] = []
    for a in abouts:
        versions = ", ".join(f"{k} {v}" for k, v in a.versions.items())
        rows = {
            "outputs": f"{a.outputs}, {a.score_kind}" + (f", {a.space}" if a.space else ""),
            "preprocessing": a.preprocessing.in_words(),
            "from": a.preprocessing.origin,
            "parameters": f"{a.parameters:,}" if a.parameters else "",
            "weights": f"sha256 {a.weights}",
            "libraries": versions,
            **{k: str(v) for k, v in a.metadata.items()},
        }
        facts += [(a.name, what, value) for what, value in rows.items() if value]
        facts += [(a.name, "note", note) for note in a.notes]
    shown = Table(
        "Models",
        (
            Column("model", "text", [f[0] for f in facts], "name in the store"),
            Column("what", "text", [f[1] for f in facts], "a fact"),
            Column("value", "text", [f[2] for f in facts], "its value"),
        ),
    )
    if form is not Format.table or output is not None:
        put(shown, form, output, rows=0)
        return
    for i, about in enumerate(abouts):
        sys.stdout.write(("\n" if i else "") + f"{about.name}\n")
        entries([(f"  {what}", (value,)) for name, what, value in facts if name == about.name])

"""Importers: one published format a file, found by its name in `heldout.imports.formats`."""

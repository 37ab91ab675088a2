"""The command line: one file a command; each parses, calls one function and prints one table."""

from heldout.cli.main import main

__all__ = ["main"]

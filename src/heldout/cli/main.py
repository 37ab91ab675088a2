"""The command `heldout`: its commands, and what happens when one fails.

Exit codes: 0 done; 1 a mistake of ours; 2 a mistake of the user's, said in a sentence; 3 `doctor`
or `check` found something wrong, or `shifts write` images that cannot be read or are too small;
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from heldout import __version__
from heldout.errors import HeldoutError

app = typer.Typer(
    name="heldout",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"heldout {__version__}")
        raise typer.Exit


@app.callback()
def heldout(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Does an image classifier hold out? On new data, under shift, with honest uncertainty.

    Start with:  heldout demo

    or with published predictions:  heldout import cifar10.1 --mirror DIR

    then:  heldout gap cifar10-test cifar10.1-v6
    """


_asked_to_stop = threading.Event()


def _stopped(*_: object) -> None:
    """Ctrl-C, wherever it comes: a sentence and 130."""
    typer.echo("\nheldout: stopped; what was finished is kept.", err=True)
    # An exception can be swallowed by code that happens to run (a C library's import, say): then
    # the process ends all the same, which a store survives at any moment.
    _asked_to_stop.set()
    last = threading.Timer(2.0, os._exit, (130,))
    last.daemon = True
    last.start()
    raise SystemExit(130)


def main() -> None:
    """Run the command line; never a traceback for a user's mistake."""
    from heldout.cli import commands

    # Our matrix products are small. On a busy machine OpenBLAS's threads wait for one another in a
    # spin and make a product of 0.02 s take seconds; one thread is never much slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, _stopped)

    if not app.registered_commands:  # a process may come here several times, as tests do
        commands.add(app)
    try:
        app()
    except HeldoutError as error:
        typer.echo(f"heldout: {error}", err=True)
        raise SystemExit(2) from None
    except BrokenPipeError:
        # The reader (head, less) has gone; that is its right, and no news.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except (OSError, MemoryError, RecursionError) as error:
        # Permissions, a full disk, names too long, too little memory: the machine's answer.
        typer.echo(f"heldout: {type(error).__name__}: {error}", err=True)
        raise SystemExit(2) from None
    except Exception:
        if _asked_to_stop.is_set():
            raise SystemExit(130) from None
        typer.echo("heldout: this is a mistake in heldout, not yours. What happened:", err=True)
        raise

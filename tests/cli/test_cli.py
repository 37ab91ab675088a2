"""The command line as a person meets it: messages, widths, formats, exit codes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heldout.cli.main import main
from heldout.store.block import Block
from heldout.store.provenance import Provenance
from heldout.store.read import Store
from heldout.store.write import write_labels, write_models, write_predictions, write_settings

COMMANDS = (
    "demo", "import", "info", "doctor", "results", "gap", "line", "robustness", "compare",
    "similarity", "power", "report", "schema", "run", "check", "testsets", "models", "frames",
    "mce", "flips", "compact", "shifts",
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight models of rising skill on an original and a harder new set, 400 examples each."""
    url = str(tmp_path_factory.mktemp("cli") / "s")
    here = Store.create(url)
    rng = np.random.default_rng(0)
    origin = Provenance("a test")
    for setting, cost in (("old", 0.0), ("new", 0.1)):
        label = np.repeat(np.arange(10), 40)
        ids = [f"{setting}-{i}" for i in range(400)]
        hard = rng.random(400)
        skill = np.linspace(0.4, 0.95, 8)[:, None] - cost
        right = hard + rng.normal(0, 0.05, (8, 400)) < skill
        wrong = (label + 1 + rng.integers(0, 9, (8, 400))) % 10
        names = [f"model-{i}" for i in range(8)]
        write_labels(here, setting, ids, label, [f"c{i}" for i in range(10)], origin,
                     groups={"writer": [f"w{i // 20}" for i in range(400)]})  # fmt: skip
        write_predictions(here, Block(setting, names, ids, np.where(right, label, wrong)), origin)
    write_settings(
        here,
        [
            {"setting": "old", "label_set": "old", "n": 400, "group": "original"},
            {"setting": "new", "label_set": "new", "n": 400, "original": "old",
             "baseline": "old", "aliases": "neu"},
        ],
        origin,
    )  # fmt: skip
    write_models(here, [{"model": f"model-{i}", "family": "ab"[i % 2]} for i in range(8)], origin)
    return url


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    monkeypatch.setattr(sys, "argv", ["heldout", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


ANALYSES = (
    ("info",),
    ("results",),
    ("results", "new", "--metric", "mean-per-class"),
    ("results", "new", "--per-class", "-m", "model-7"),
    ("results", "--cluster", "writer"),
    ("gap", "old", "new"),
    ("line", "old", "neu", "--noise"),
    ("line", "old", "new", "--population", "family = 'a' AND old > 0.1", "--scale", "logit"),
    ("robustness", "old", "new"),
    ("robustness", "old", "new", "--relative", "model-7=model-3"),
    ("compare", "old", "model-1", "model-2"),
    ("compare", "old", "--pairs"),
    ("similarity", "new", "--labels"),
    ("doctor",),
)


@pytest.mark.parametrize("words", ANALYSES, ids=" ".join)
def test_tables_fit_80_columns(
    store: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Every table, verdict and note is at most 80 columns wide, and the command succeeds."""
    code, out, _ = run(capsys, monkeypatch, *words, "--store", store)
    assert code == 0
    assert max(len(line) for line in out.splitlines()) <= 80
    assert out.count("\n") > 3


@pytest.mark.parametrize("words", ANALYSES, ids=" ".join)
def test_csv_and_json_are_whole(
    store: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """CSV parses with the same columns in every row; JSON holds the same rows and the choices."""
    _, text, _ = run(capsys, monkeypatch, *words, "--store", store, "--format", "csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert len({len(r) for r in rows}) == 1
    _, text, _ = run(capsys, monkeypatch, *words, "--store", store, "--format", "json")
    table = json.loads(text)
    assert [c["name"] for c in table["columns"]] == rows[0]
    assert len(table["rows"]) == len(rows) - 1


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command's help shows an example and fits 80 columns."""
    code, out, _ = run(capsys, monkeypatch, command, "--help")
    assert code == 0
    assert "Example:  heldout " + command in out
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("gap", "old", "nwe"), "Did you mean 'new' or 'neu'?"),
        (("gap", "old", "old"), "the same"),
        (("results", "-m", "model-77"), "Did you mean 'model-7'"),
        (("compare", "old", "model-1"), "at least two models"),
        (("compare", "old", "--interval", "tnago"), "Did you mean 'tango'"),
        (("line", "old", "new", "-p", "famly = 'a'"), "family"),
        (("line", "old", "new", "-p", "old >> 'a"), "cannot be used"),
        (("line", "old", "new", "-p", "old > 2"), "No model meets"),
        (("robustness", "old", "new", "--relative", "model-1"), "MODEL=BASE"),
        (("results", "--metric", "top-5"), "top 5"),
        (("results", "--metric", "best"), "no metric 'best'"),
        (("results", "--cluster", "writr"), "Did you mean 'writer'"),
        (("results", "--level", "95"), "level"),
        (("results", "--per-class"), "exactly one setting"),
        (("power",), "--discordance"),
        (("power", "--discordance", "0.1"), "--difference"),
        (("power", "--discordance", "0.1", "--difference", "0.2"), "discordance"),
        (("power", "--accuracy", "0.5", "--gap", "0.9"), "not possible"),
        (("import",), "Say what to import"),
        (("import", "cifar10"), "Did you mean 'cifar10.1'"),
        (("import", "no-such-folder/x.csv"), "no-such-folder"),
        (("gap", "old", "new", "--output", "no/such/folder/x"), "Could not write"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else None,
)
def test_mistakes_are_answered_in_a_sentence(
    store: str, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Exit code 2, one sentence on standard error, no traceback."""
    more = () if words[0] == "power" else ("--store", store)
    code, _, err = run(capsys, monkeypatch, *words, *more)
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert err.startswith("heldout: ")


def test_no_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pointed at nothing or at an empty folder, every command says how to make a store."""
    for place in (tmp_path / "nothing", tmp_path):
        code, _, err = run(capsys, monkeypatch, "results", "--store", str(place))
        assert code == 2
        assert "heldout import" in err


def test_mistyped_command_and_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A near command or option is offered, with exit code 2."""
    code, _, err = run(capsys, monkeypatch, "reslts")
    assert code == 2
    assert "results" in err
    code, _, err = run(capsys, monkeypatch, "results", "--metrc", "top-1")
    assert code == 2
    assert "--metric" in err


def test_output_goes_to_a_file(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--output writes the file and says so; LaTeX and Markdown are whole."""
    path = tmp_path / "t.tex"
    words = ("gap", "old", "new", "--store", store, "--format", "latex", "--output", str(path))
    code, out, err = run(capsys, monkeypatch, *words)
    assert (code, out) == (0, "")
    assert str(path) in err
    text = path.read_text()
    assert text.startswith("\\begin{tabular}")
    assert "rank\\_new" in text


def test_reader_that_leaves_early(store: str) -> None:
    """`heldout results | head` ends quietly."""
    command = f"{sys.executable} -m heldout results --rows 0 --store {store} | head -2"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 2


def test_help_is_light() -> None:
    """`heldout --help` imports neither NumPy nor PyArrow, let alone torch or pandas."""
    code = (
        "import sys; sys.argv = ['heldout', '--help']\n"
        "from heldout.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pyarrow', 'scipy', 'pandas', 'torch', 'sklearn', 'duckdb', 'rich'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("HEAVY []")


def test_import_of_a_csv_from_anywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CSV of predictions and one of labels: imported, scored, known again the second time."""
    preds, labels = tmp_path / "p.csv", tmp_path / "l.csv"
    preds.write_text("id,pred\n" + "".join(f"e{i},{i % 3}\n" for i in range(30)))
    labels.write_text(
        "id,label\n" + "".join(f"e{i},{(i % 3) if i > 5 else 0}\n" for i in range(30))
    )
    url = str(tmp_path / "s")
    words = ("import", str(preds), "--setting", "mine", "--model", "net", "--labels", str(labels),
             "--store", url)  # fmt: skip
    code, out, err = run(capsys, monkeypatch, *words)
    assert code == 0, err
    assert "mine: 1 model stored" in out
    code, out, _ = run(capsys, monkeypatch, *words)
    assert "1 model there already" in out
    code, out, _ = run(capsys, monkeypatch, "results", "--store", url, "--format", "json")
    row = json.loads(out)["rows"][0]
    assert (row["k"], row["n"]) == (26, 30)
    preds.write_text(preds.read_text().replace("e9,0", "e9,1"))
    code, _, err = run(capsys, monkeypatch, *words)
    assert code == 2
    assert "--replace" in err


def _padded(folder: Path) -> tuple[str, str]:
    """A file whose last rows repeat the first, and its labels."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 10, 500)
    guess = np.where(rng.random(500) < 0.8, label, (label + 1) % 10)
    rows = [f"e{i},{g}\n" for i, g in enumerate(guess)]
    preds, labels = folder / "p.csv", folder / "l.csv"
    preds.write_text("id,pred\n" + "".join(rows + rows[:12]))
    labels.write_text("id,label\n" + "".join(f"e{i},{y}\n" for i, y in enumerate(label)))
    return str(preds), str(labels)


def test_doctor_of_a_file_and_its_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Padding is refused on import, explained by doctor (exit 3), and mended by its command."""
    preds, labels = _padded(tmp_path)
    words = ("import", preds, "--labels", labels, "--setting", "t", "--store", str(tmp_path / "s"))
    code, _, err = run(capsys, monkeypatch, *words)
    assert code == 2
    assert "heldout doctor" in err
    code, out, _ = run(capsys, monkeypatch, "doctor", preds, "--labels", labels)
    assert code == 3
    assert "rows:padded" in out
    assert "--mend drop-padding" in out
    code, out, _ = run(capsys, monkeypatch, *words, "--mend", "drop-padding")
    assert code == 0
    assert "12 repeated rows were dropped" in " ".join(out.split())


def test_doctor_in_a_store_and_its_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """String-sorted class folders: found with exit 3, mended by --mend, quiet afterwards."""
    rng = np.random.default_rng(1)
    label = rng.integers(0, 20, 2000)
    order = sorted(range(20), key=str)
    place = np.array([order.index(i) for i in range(20)])
    guess = np.where(rng.random(2000) < 0.8, place[label], rng.integers(0, 20, 2000))
    preds, labels = tmp_path / "p.csv", tmp_path / "l.csv"
    preds.write_text("id,pred\n" + "".join(f"e{i},{g}\n" for i, g in enumerate(guess)))
    labels.write_text("id,label\n" + "".join(f"e{i},{y}\n" for i, y in enumerate(label)))
    store = str(tmp_path / "s")
    words = ("import", str(preds), "--labels", str(labels), "--setting", "t", "--model", "net",
             "--store", store)  # fmt: skip
    assert run(capsys, monkeypatch, *words)[0] == 0
    code, out, _ = run(capsys, monkeypatch, "doctor", "--store", store)
    assert code == 3
    mend = next(w for w in out.split() if w.startswith("class-order="))
    assert run(capsys, monkeypatch, *words, "--mend", mend, "--replace")[0] == 0
    assert run(capsys, monkeypatch, "doctor", "--store", store)[0] == 0


def _files(folder: Path, ids: str = "e", shift: int = 0) -> tuple[str, str]:
    """Predictions of 60 examples, all right when shift is 0, and their labels."""
    preds, labels = folder / f"{ids}{shift}p.csv", folder / f"{ids}{shift}l.csv"
    rows = range(60)
    preds.write_text("id,pred\n" + "".join(f"{ids}{i},{i % 3}\n" for i in rows))
    labels.write_text("id,label\n" + "".join(f"{ids}{i},{(i + shift) % 3}\n" for i in rows))
    return str(preds), str(labels)


def test_a_refused_import_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other labels under another label set's name are refused; the accuracy stays as it was."""
    store = str(tmp_path / "s")
    (preds, labels), (_, other) = _files(tmp_path), _files(tmp_path, shift=1)
    words = ("import", preds, "--setting", "t", "--model", "m", "--store", store)
    assert run(capsys, monkeypatch, *words, "--labels", labels)[0] == 0
    code, _, err = run(capsys, monkeypatch, *words, "--labels", other, "--label-set", "o")
    assert code == 2
    assert "Nothing was written" in err
    _, out, _ = run(capsys, monkeypatch, "results", "--store", store, "--format", "json")
    assert json.loads(out)["rows"][0]["k"] == 60


def test_ids_that_fit_no_label_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids spelled in another way are an error, not a model without examples."""
    store = str(tmp_path / "s")
    preds, labels = _files(tmp_path)
    words = ("--setting", "t", "--store", store)
    assert run(capsys, monkeypatch, "import", preds, "--labels", labels, *words)[0] == 0
    other, _ = _files(tmp_path, ids="x")
    code, _, err = run(capsys, monkeypatch, "import", other, *words)
    assert code == 2
    assert "none of its 60 example ids" in err


def test_a_huge_class_number_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One class number of four thousand million does not become that many classes."""
    preds = tmp_path / "p.csv"
    preds.write_text("id,pred\na,1\nb,4000000000\n")
    code, _, err = run(capsys, monkeypatch, "import", str(preds), "--setting", "t", "--store",
                       str(tmp_path / "s"))  # fmt: skip
    assert code == 2
    assert "--classes" in err
    assert not (tmp_path / "s").exists()


def test_positions_are_no_identities(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sets whose ids are merely 0, 1, 2 … share no examples."""
    store = str(tmp_path / "s")
    for name in ("one", "two"):
        np.save(tmp_path / f"{name}.npy", np.arange(60) % 3)
        np.save(tmp_path / f"{name}-labels.npy", (np.arange(60) // 2) % 3)
        for model in ("a", "b"):
            words = ("import", str(tmp_path / f"{name}.npy"), "--labels",
                     str(tmp_path / f"{name}-labels.npy"), "--setting", name, "--model", model,
                     "--store", store)  # fmt: skip
            code, _, err = run(capsys, monkeypatch, *words)
            assert code == 0, err
    _, out, _ = run(capsys, monkeypatch, "gap", "one", "two", "--store", store, "--format", "json")
    assert json.loads(out)["facts"]["shared_examples"] == 0


def test_ctrl_c_ends_it_even_where_it_is_swallowed() -> None:
    """Code that swallows the exception does not keep the process alive; exit 130, a sentence."""
    code = (
        "import importlib, os, signal, time\n"
        "m = importlib.import_module('heldout.cli.main')\n"
        "signal.signal(signal.SIGINT, m._stopped)\n"
        "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(1)\n"
        "except BaseException: time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50,
                          check=False)  # fmt: skip
    assert done.returncode == 130
    assert "stopped; what was finished is kept" in done.stderr

"""Stores small enough to see through, one as large as the testbed, and Node for the scripts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from heldout.store import write
from heldout.store.block import Block
from heldout.store.provenance import Provenance
from heldout.store.read import Store

HOSTILE = '</script><img src=x onerror="document.title=1">&amp;\u2028'
CLASSES = ["ant", "bee", 'c<b>"d"', "dog"]
ORIGIN = Provenance("made/up.csv", "test", ("one row was mended </script>",))


def _predictions(
    rng: np.random.Generator, label: np.ndarray[Any, Any], skill: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Predicted classes of models with the given chances of being right."""
    right = rng.random((len(skill), len(label))) < skill[:, None]
    wrong = (label + rng.integers(1, len(CLASSES), right.shape)) % len(CLASSES)
    return np.where(right, label, wrong)


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """12 models: predictions on 'old' and 'new', published accuracies on 'table' without counts."""
    store = Store.create(str(tmp_path_factory.mktemp("report") / "small"))
    rng = np.random.default_rng(7)
    models = [f"m{i:02d}" for i in range(11)] + [HOSTILE]
    skill = np.linspace(0.5, 0.93, len(models))
    for setting, n, drop in (("old", 400, 0.0), ("new", 200, 0.1)):
        label = rng.integers(0, len(CLASSES), n)
        ids = [f"{setting}-{i}" for i in range(n)]
        write.write_labels(store, setting, ids, label, CLASSES, ORIGIN)
        predicted = _predictions(rng, label, skill - drop)
        write.write_predictions(store, Block(setting, models, ids, predicted), ORIGIN)
    write.write_settings(
        store,
        [
            {"setting": "old", "label_set": "old", "n": 400, "group": "original"},
            {"setting": "new", "label_set": "new", "n": 200, "group": "replicate",
             "original": "old", "baseline": "old", "aliases": "neu"},
            {"setting": "table", "group": "natural", "baseline": "old"},
        ],
        ORIGIN,
    )  # fmt: skip
    some = models[:10]
    write.write_results(
        store,
        pa.table(
            {
                "model": some,
                "setting": ["table"] * len(some),
                "metric": ["top-1"] * len(some),
                "value": [0.0, *(skill[1:10] - 0.21234567)],
                "k": pa.array([None] * len(some), pa.int64()),
                "n": pa.array([None] * len(some), pa.int64()),
            }
        ),
        ORIGIN,
    )
    write.write_models(
        store,
        [{"model": m, "family": ("<i>cnn</i>", "vit")[i % 2], "size": 1.5 * i}
         for i, m in enumerate(models)],
        ORIGIN,
    )  # fmt: skip
    return store


@pytest.fixture(scope="session")
def wide_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """As large as the testbed: 338 models in 213 settings, accuracies with counts."""
    store = Store.create(str(tmp_path_factory.mktemp("report") / "wide"))
    rng = np.random.default_rng(11)
    m, s, n = 338, 213, 50_000
    models = [f"some-architecture_with_long_name_{i:03d}" for i in range(m)]
    settings = [f"shift-number-{j:03d}-at-severity-{j % 5}" for j in range(s)]
    z = (
        np.sort(rng.normal(0.6, 0.5, m))[:, None]
        - np.linspace(0, 1.5, s)
        + rng.normal(0, 0.05, (m, s))
    )
    k = np.rint(n / (1 + np.exp(-1.7 * z))).astype(np.int64).ravel()
    write.write_results(
        store,
        pa.table(
            {
                "model": np.repeat(np.array(models, object), s).tolist(),
                "setting": settings * m,
                "metric": ["top-1"] * (m * s),
                "value": k / n,
                "k": k,
                "n": np.full(m * s, n),
            }
        ),
        ORIGIN,
    )
    rows: list[dict[str, Any]] = [
        {"setting": name, "baseline": settings[0], "group": "natural" if j < 13 else "corruption"}
        | ({"original": settings[0]} if j < 9 else {})
        for j, name in enumerate(settings)
        if j
    ]
    write.write_settings(store, [{"setting": settings[0], "group": "original"}, *rows], ORIGIN)
    families = ["standard", "more_data", "robust", "low"]
    write.write_models(
        store, [{"model": name, "family": families[i % 4]} for i, name in enumerate(models)], ORIGIN
    )
    return store


def asset(name: str) -> str:
    return files("heldout.report").joinpath("assets", name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Any], Any]:
    """Run JavaScript with the page's scripts for numbers: `node("return …", input)`."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs Node.js (`node`) to run the page's scripts")
    folder = tmp_path_factory.mktemp("node")

    def run(body: str, given: Any) -> Any:
        scripts = "\n".join(asset(n) for n in ("stats.js", "format.js", "ticks.js"))
        script: Path = folder / "run.js"
        script.write_text(
            f"{scripts}\nconst given = {json.dumps(given)};\n"
            f"const main = () => {{ {body} }};\n"
            "console.log(JSON.stringify(main()));\n"
        )
        done = subprocess.run([program, str(script)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def corrupted_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """4 models under 15 corruptions of 'cifar10-test', in memory and (two of them) on disk; a table
    of 12 models, half of them a baseline, on two natural shifts and one corruption."""
    from corrupted import answers, labels, run, tabled

    store = Store.create(str(tmp_path_factory.mktemp("report") / "corrupted"))
    n = 120
    labels(store, "cifar10-test", n)
    rng = np.random.default_rng(13)
    wrong = {f"net{i}": answers(i, n, 0.2 + 0.06 * i) for i in range(3)}
    wrong[HOSTILE] = answers(3, n, 0.5)
    clean = {m: rng.random(n) < 0.1 for m in wrong}
    run(store, "cifar10-test", wrong, clean=clean)
    run(store, "cifar10-test", {m: wrong[m] for m in ("net0", "net1")}, suffix="+jpeg:85")
    run(store, "cifar10-test", {"net0": answers(9, n, 0.3, 1)}, ["spatter"])
    fogs = [f"c.fog.{s}" for s in range(1, 6)]
    x = np.linspace(0.6, 0.8, 12)
    er = rng.normal(0, 0.03, 12)
    names = [f"t{i:02d}" for i in range(12)]
    values = {"val": x, "sketch": x - 0.3 + er + rng.normal(0, 0.01, 12), "objects": x - 0.2 + er}
    values |= {s: x - 0.05 * (j + 1) + er for j, s in enumerate(fogs)}
    cells = [
        (m, s, float(v[i]), round(1000 * float(v[i])), 1000)
        for s, v in values.items()
        for i, m in enumerate(names)
    ]
    tabled(store, [(m, s, k / n, k, n) for m, s, _, k, n in cells])
    rows = [{"setting": "val"}] + [
        {"setting": s, "group": "natural", "baseline": "val"} for s in ("sketch", "objects")
    ]
    rows += [
        {"setting": s, "group": "corruption", "baseline": "val", "corruption": "fog",
         "severity": j + 1, "medium": "on-disk"}
        for j, s in enumerate(fogs)
    ]  # fmt: skip
    write.write_settings(store, rows, ORIGIN)
    write.write_models(
        store,
        [{"model": m, "family": "standard" if i % 2 else "robust"} for i, m in enumerate(names)],
        ORIGIN,
    )
    return Store.open(store.files.url)

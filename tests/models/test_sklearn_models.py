"""scikit-learn's classifiers from skops files: real digits, every way to answer, and refusals."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heldout.errors import BadInput
from heldout.images.decode import decode
from heldout.images.geometry import Geometry, fit
from heldout.models import adapters
from heldout.models.classifier import Placement

pytest.importorskip("sklearn", reason="needs scikit-learn")
skops = pytest.importorskip("skops.io", reason="needs skops")

CPU = Placement(device="cpu", threads=1)


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8]]:
    """1,797 real digits: rows of 64 numbers from 0 to 16, labels, and 8 x 8 pictures (15 times)."""
    from sklearn.datasets import load_digits

    rows, labels = load_digits(return_X_y=True)
    grey = (rows * 15).astype(np.uint8).reshape(-1, 8, 8)
    return rows, labels, np.repeat(grey[..., None], 3, axis=3)


def fitted(digits: Any, kind: str, classes: int = 10) -> Any:
    from sklearn.ensemble import RandomForestClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.svm import SVC

    made = {
        "logistic": lambda: make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=300)),
        "bayes": lambda: GaussianNB(var_smoothing=1e-2),
        "forest": lambda: RandomForestClassifier(8, random_state=0),
        "ridge": RidgeClassifier,
        "pairs": lambda: SVC(decision_function_shape="ovo"),
        "vote": lambda: VotingClassifier([("r", RidgeClassifier()), ("g", GaussianNB())]),
    }[kind]()
    rows, labels, _ = digits
    keep = (labels < classes) & (np.arange(len(labels)) % 3 > 0)
    return made.fit(rows[keep], labels[keep])


def saved(model: Any, path: Path) -> Path:
    skops.dump(model, path)
    return path


def test_probabilities_are_those_of_the_estimator(tmp_path: Path, digits: Any) -> None:
    model = fitted(digits, "logistic")
    file = saved(model, tmp_path / "digits.skops")
    loaded = adapters.load(f"sklearn:{file}?size=8&channels=L&scale=1/15", CPU)
    rows, labels, images = digits
    found = loaded.scores(images)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, model.predict_proba(rows).astype(np.float32))
    test = np.arange(len(labels)) % 3 == 0
    accuracy = (found.argmax(1) == labels)[test].mean()
    assert accuracy == model.score(rows[test], labels[test])
    assert accuracy > 0.9
    about = loaded.about
    assert about.name == "digits"
    assert about.classes == tuple("0123456789")
    assert about.score_kind == "probabilities"
    assert about.notes == ()
    assert about.metadata["estimator"] == "Pipeline ending in LogisticRegression"
    assert len(about.weights) == 64


def test_pictures_from_files_give_the_same(tmp_path: Path, digits: Any) -> None:
    from PIL import Image

    model = fitted(digits, "bayes")
    uri = f"sklearn:{saved(model, tmp_path / 'm.skops')}?size=8&channels=L&scale=1/15"
    loaded = adapters.load(uri, CPU)
    geometry = loaded.about.preprocessing.geometry
    assert geometry is not None
    rows, _, images = digits
    for i in range(20):
        file = io.BytesIO()
        Image.fromarray(images[i, :, :, 0]).save(file, "PNG")
        picture = fit(decode(file.getvalue()), geometry)
        expected = model.predict_proba(rows[i : i + 1]).astype(np.float32)
        np.testing.assert_array_equal(loaded.scores(picture[None]), expected)


def test_numbers_are_those_of_training_code(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3), np.uint8)
    rows = images.reshape(60, -1) / 255.0
    model = LogisticRegression().fit(rows, np.arange(60) % 3)
    loaded = adapters.load(f"sklearn:{saved(model, tmp_path / 'm.skops')}?size=4", CPU)
    assert loaded.about.preprocessing.channels == "RGB"
    expected = model.predict_proba(rows).astype(np.float32)
    np.testing.assert_array_equal(loaded.scores(images), expected)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
    shifted = ((images / 255.0 - mean) / std).reshape(60, -1)
    other = LogisticRegression().fit(shifted, np.arange(60) % 3)
    uri = f"sklearn:{saved(other, tmp_path / 'o.skops')}?size=4&mean=0.5,0.4,0.3&std=0.2,0.25,0.5"
    np.testing.assert_allclose(
        adapters.load(uri, CPU).scores(images), other.predict_proba(shifted), rtol=1e-6
    )


def test_rows_are_divided_as_in_training_code() -> None:
    from heldout.models.preprocessing import Preprocessing
    from heldout.models.sklearn_models import rows_of

    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    found = rows_of(Preprocessing(None), every)
    np.testing.assert_array_equal(found, every.reshape(1, -1) / 255.0)
    grey = rows_of(Preprocessing(None, (0.5,), (0.25,), 0.3, "L"), every)
    np.testing.assert_allclose(grey, (np.arange(256)[None] * 0.3 - 0.5) / 0.25)


def test_scores_of_an_estimator_without_probabilities(tmp_path: Path, digits: Any) -> None:
    model = fitted(digits, "ridge")
    loaded = adapters.load(f"sklearn:{saved(model, tmp_path / 'm.skops')}?scale=1/15", CPU)
    rows, _, images = digits
    assert loaded.about.score_kind == "scores"
    np.testing.assert_allclose(loaded.scores(images), model.decision_function(rows), rtol=1e-5)


def test_two_classes_give_two_columns(tmp_path: Path, digits: Any) -> None:
    model = fitted(digits, "ridge", classes=2)
    loaded = adapters.load(f"sklearn:{saved(model, tmp_path / 'm.skops')}?scale=1/15", CPU)
    rows, _, images = digits
    found = loaded.scores(images)
    assert found.shape == (1797, 2)
    assert (found.argmax(1) == model.predict(rows)).all()
    np.testing.assert_allclose(found[:, 1], model.decision_function(rows), rtol=1e-5)


@pytest.mark.parametrize(("kind", "classes"), [("pairs", 10), ("pairs", 3), ("vote", 10)])
def test_votes_where_there_is_no_score_a_class(
    tmp_path: Path, digits: Any, kind: str, classes: int
) -> None:
    model = fitted(digits, kind, classes)
    file = saved(model, tmp_path / "m.skops")
    trusted = "sklearn.utils._bunch.Bunch"  # how the vote keeps its members
    loaded = adapters.load(f"sklearn:{file}?scale=1/15&trusted={trusted}", CPU)
    rows, _, images = digits
    found = loaded.scores(images[:300])
    assert (model.classes_[found.argmax(1)] == model.predict(rows[:300])).all()
    assert loaded.about.score_kind == "scores"
    assert set(np.unique(found)) == {0.0, 1.0}
    assert any("only says a class" in note for note in loaded.about.notes)


def test_types_that_are_not_known_have_to_be_trusted(tmp_path: Path, digits: Any) -> None:
    file = saved(fitted(digits, "forest"), tmp_path / "forest.skops")
    unknown = skops.get_untrusted_types(file=file)
    if not unknown:
        pytest.skip("this skops knows the trees of a forest as harmless")
    with pytest.raises(BadInput, match=rf"trusted={unknown[0]}"):
        adapters.load(f"sklearn:{file}?scale=1/15", CPU)
    with pytest.raises(BadInput, match=r"trusted=some\.Type,"):
        adapters.load(f"sklearn:{file}?scale=1/15&trusted=some.Type", CPU)
    loaded = adapters.load(f"sklearn:{file}?scale=1/15&trusted={','.join(unknown)}", CPU)
    _, labels, images = digits
    assert (loaded.scores(images).argmax(1) == labels).mean() > 0.9


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["m.pkl", "m.joblib", "m.skops", "m"])
def test_pickles_are_never_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(BadInput, match=r"is a pickle.*skops\.io\.dump"):
        adapters.load(f"sklearn:{tmp_path / name}", CPU)
    assert not (tmp_path / "sprung").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.skops").write_text("hello", encoding="utf-8")
    with pytest.raises(BadInput, match="not a file that skops wrote"):
        adapters.load(f"sklearn:{tmp_path / 'text.skops'}", CPU)
    with zipfile.ZipFile(tmp_path / "zip.skops", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(BadInput, match="cannot be opened with skops"):
        adapters.load(f"sklearn:{tmp_path / 'zip.skops'}", CPU)
    with pytest.raises(BadInput, match="There is no file"):
        adapters.load(f"sklearn:{tmp_path / 'none.skops'}", CPU)


def test_what_is_no_classifier_is_refused(tmp_path: Path, digits: Any) -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.neighbors import KNeighborsClassifier

    rows, labels, _ = digits
    regression = saved(LinearRegression().fit(rows, labels), tmp_path / "r.skops")
    with pytest.raises(BadInput, match="LinearRegression, which has no classes_"):
        adapters.load(f"sklearn:{regression}", CPU)
    both = np.stack([labels, labels % 2], axis=1)
    several = saved(KNeighborsClassifier().fit(rows, both), tmp_path / "s.skops")
    with pytest.raises(BadInput, match="does not answer with one of several classes"):
        adapters.load(f"sklearn:{several}", CPU)


def test_a_size_that_does_not_fit_names_those_that_do(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    def model(features: int) -> Path:
        rows = np.random.default_rng(0).random((20, features))
        made = LogisticRegression().fit(rows, np.arange(20) % 2)
        return saved(made, tmp_path / f"{features}.skops")

    with pytest.raises(BadInput, match=r"64 numbers.*3 channels are 192.*resize=8x8&channels=L"):
        adapters.load(f"sklearn:{model(64)}?size=8&channels=RGB", CPU)
    with pytest.raises(BadInput, match=r"Nothing says.*resize=50x37&channels=L, resize=37x50"):
        adapters.load(f"sklearn:{model(1850)}", CPU)
    with pytest.raises(BadInput, match="was it trained on pixels"):
        adapters.load(f"sklearn:{model(61)}?size=8", CPU)
    faces = adapters.load(f"sklearn:{model(1850)}?resize=50x37&channels=L", CPU)
    assert faces.about.preprocessing.geometry == Geometry((50, 37))
    guessed = adapters.load(f"sklearn:{model(48)}", CPU).about
    assert guessed.preprocessing.geometry == Geometry(4, (4, 4))
    assert any("4 x 4 pixels, RGB" in note for note in guessed.notes)


def test_the_cpu_only(tmp_path: Path, digits: Any) -> None:
    file = saved(fitted(digits, "bayes"), tmp_path / "m.skops")
    with pytest.raises(BadInput, match="CPU only"):
        adapters.load(f"sklearn:{file}", Placement(device="cuda"))
    with pytest.raises(BadInput, match="Leave the precision out"):
        adapters.load(f"sklearn:{file}", Placement(precision="bfloat16"))
    assert adapters.load(f"sklearn:{file}", CPU).scores(digits[2][:0]).shape == (0, 10)


WITHOUT_TORCH = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name == "torch" or name.startswith("torch."):
            raise ImportError("torch is not to be had")
sys.meta_path.insert(0, Forbidden())
import numpy as np
from heldout.models import adapters
scores = adapters.load(sys.argv[1]).scores(np.zeros((2, 8, 8, 3), np.uint8))
print(scores.shape)
"""


def test_torch_is_not_needed(tmp_path: Path, digits: Any) -> None:
    file = saved(fitted(digits, "bayes"), tmp_path / "m.skops")
    command = [sys.executable, "-c", WITHOUT_TORCH, f"sklearn:{file}?scale=1/15"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "(2, 10)\n"), done.stderr


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saved(fitted(digits, "bayes"), tmp_path / "m.skops")
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(BadInput, match=r"package skops.*pip install 'heldout\[sklearn\]'"):
        adapters.load(f"sklearn:{file}", CPU)

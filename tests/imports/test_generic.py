"""Anybody's files of predictions: every form that is read, every mistake that is explained."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heldout.errors import BadInput, HeldoutError, ImportFailed, NotFound
from heldout.imports.bundle import Bundle, Choices, put
from heldout.imports.generic import GenericSpec, read_models, read_table
from heldout.imports.scores import best, confidence, kind_of
from heldout.store.block import Block
from heldout.store.read import Store

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Make a file: text, bytes, an array, or arrays by name."""

    def make(name: str, content: Any = "", **arrays: Any) -> Path:
        path = tmp_path / name
        if arrays:
            np.savez(path, **arrays)
        elif isinstance(content, np.ndarray):
            np.save(path, content, allow_pickle=True)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_text(content, encoding="utf-8")
        return path

    return make


def _read(path: Path, **spec: Any) -> Bundle:
    return read_table(path, GenericSpec(**({"setting": "set", "model": "net"} | spec)))


def _one(path: Path, **spec: Any) -> Block:
    (found,) = _read(path, **spec).blocks
    return found.block


def _labels(bundle: Bundle, at: int = 0) -> dict[str, int]:
    found = bundle.labels[at]
    return dict(zip(found.examples, np.asarray(found.label).tolist(), strict=True))


def _fails(path: Path, kind: type[HeldoutError] = ImportFailed, **spec: Any) -> str:
    with pytest.raises(kind) as caught:
        _read(path, **spec)
    return str(caught.value)


# Tables of classes


@pytest.mark.parametrize(
    "header", ["example,predicted,label", "ID,Pred,Target", "filename,y_pred,y_true",
               "image_path,Predicted Class,ground_truth"],
)  # fmt: skip
def test_usual_column_names(write: Write, header: str) -> None:
    bundle = _read(write("a.csv", f"{header}\n1.png,3,3\n2.png,1,2\n"))
    (found,) = bundle.blocks
    assert found.block.models == ["net"]
    assert found.block.examples == ["1.png", "2.png"]
    assert found.block.predicted.tolist() == [[3, 1]]
    assert _labels(bundle) == {"1.png": 3, "2.png": 2}
    assert bundle.labels[0].name == "set"
    assert bundle.settings == [{"setting": "set", "label_set": "set", "n": 2}]
    assert bundle.models == [{"model": "net"}]
    assert bundle.hashes["a.csv"].startswith("sha256:")


def test_columns_named_by_flags(write: Write) -> None:
    path = write("a.csv", "foo,bar,baz\n1,0,1\n2,1,1\n")
    block = _one(path, example="foo", predicted="bar", label="baz")
    assert block.examples == ["1", "2"]
    assert block.predicted.tolist() == [[0, 1]]
    assert "Did you mean 'bar'" in _fails(path, NotFound, predicted="baar")


def test_no_column_is_recognised(write: Write) -> None:
    said = _fails(write("a.csv", "foo,bar\n1,2\n"))
    assert "Columns: foo, bar." in said
    assert "--predicted" in said
    assert "--wide" in said


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(write: Write, delimiter: str) -> None:
    text = "id,pred\na,1\nb,2\n".replace(",", delimiter)
    assert _one(write("a.csv", text)).predicted.tolist() == [[1, 2]]


def test_a_delimiter_that_must_be_said(write: Write) -> None:
    path = write("a.csv", "id~pred\na~1\nb~0\n")
    assert "is the delimiter another one (--delimiter)?" in _fails(path)
    assert _one(path, delimiter="~").predicted.tolist() == [[1, 0]]


def test_bom_gzip_and_utf16(write: Write) -> None:
    text = "id,pred\né,1\nb,0\n"
    assert _one(write("a.csv", b"\xef\xbb\xbf" + text.encode())).examples == ["é", "b"]
    assert _one(write("a.csv.gz", gzip.compress(text.encode()))).predicted.tolist() == [[1, 0]]
    assert "is UTF-16; save it as UTF-8" in _fails(write("b.csv", text.encode("utf-16")))
    assert "invalid UTF8" in _fails(write("c.csv", text.encode("latin1")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("id,pred\n", "has a header but no rows"),
        ("1,3\n2,4\n", "the first line looks like data"),
        ("a.png,3\nb.png,4\n", "Is the line with the column names missing?"),
        ("id,pred,pred\na,1,2\n", "the column 'pred' occurs twice"),
        ("id,pred\na,1\nb,2,3\n", "Expected 2 columns, got 3"),
        ("id,pred\n,1\n", "row 1: the example id is empty"),
        ("id,pred\na,1.5\n", "column 'pred': it holds numbers that are not whole"),
        ("id,pred,conf\na,1,87\n", "column 'conf': a confidence lies in"),
        ("id,logit_0,logit_1\na,x,1\n", "column 'logit_0': CSV conversion error"),
    ],
)
def test_malformed_tables(write: Write, text: str, message: str) -> None:
    assert message in _fails(write("a.csv", text))


def test_an_unknown_ending(write: Write) -> None:
    assert "none of CSV, TSV, Parquet" in _fails(write("a.xlsx", "x"), BadInput)


def test_ids_keep_their_zeros(write: Write) -> None:
    assert _one(write("a.csv", "id,pred\n007,1\n08,0\n")).examples == ["007", "08"]


def test_repeated_examples(write: Write) -> None:
    said = _fails(write("a.csv", "id,pred\na,1\nb,1\na,2\nb,2\n"))
    assert "'a' occurs 2 times for model 'net' (rows 1 and 3), and 1 other examples repeat" in said
    assert "--model-column" in said


def test_missing_ids_are_positions_and_the_note_warns(write: Write) -> None:
    bundle = _read(write("a.csv", "pred\n4\n\n2\n"), classes=5)
    (found,) = bundle.blocks
    assert found.block.examples == ["0", "1", "2"]
    assert found.block.predicted.tolist() == [[4, -1, 2]]
    assert found.block.error is not None
    assert found.block.error.tolist() == [[None, "no prediction in the file", None]]
    assert any("joined by position are wrong" in n for n in bundle.notes)
    assert any("1 of 3 rows" in n for n in bundle.notes)


def test_setting_must_be_said(write: Write) -> None:
    path = write("a.csv", "id,pred\na,1\n")
    assert "--setting" in _fails(path, BadInput, setting="")


def test_model_is_called_after_the_file(write: Write) -> None:
    bundle = _read(write("resnet50.v1.csv", "id,pred\na,1\n"), model="")
    assert bundle.models == [{"model": "resnet50"}]
    assert "after the file; --model names it" in bundle.notes[0]


def test_unused_columns_are_mentioned(write: Write) -> None:
    bundle = _read(write("a.csv", "id,pred,width,height\na,1,3,4\n"))
    assert "left out: width, height." in bundle.notes[0]


# Long and wide


def test_long_form(write: Write) -> None:
    """One block for models with the same examples, others apart; labels once for a setting."""
    text = (
        "id,model,setting,pred,label\n"
        "a,m1,s,1,0\nb,m1,s,0,1\na,m2,s,0,0\nb,m2,s,1,1\nb,m3,s,1,1\na,m1,t,1,1\n"
    )
    bundle = _read(write("a.csv", text))
    blocks = [f.block for f in bundle.blocks]
    assert [(b.setting, b.models, b.examples) for b in blocks] == [
        ("s", ["m1", "m2"], ["a", "b"]),
        ("s", ["m3"], ["b"]),
        ("t", ["m1"], ["a"]),
    ]
    assert blocks[0].predicted.tolist() == [[1, 0], [0, 1]]
    assert _labels(bundle, 0) == {"a": 0, "b": 1}
    assert _labels(bundle, 1) == {"a": 1}
    assert [labels.name for labels in bundle.labels] == ["s", "t"]
    assert "no example ids; name their column" in _fails(write("b.csv", "model,pred\nm1,1\nm2,1\n"))


def test_long_form_with_contradicting_labels(write: Write) -> None:
    said = _fails(write("a.csv", "id,model,pred,label\na,m1,1,0\na,m2,1,1\n"))
    assert "row 2: the example 'a' has another label than in row 1" in said


def test_wide_form(write: Write) -> None:
    path = write("a.csv", "id,resnet,vgg,label\na,1,0,1\nb,0,0,1\n")
    bundle = _read(path, wide=("*",))
    (found,) = bundle.blocks
    assert found.block.models == ["resnet", "vgg"]
    assert found.block.predicted.tolist() == [[1, 0], [0, 0]]
    assert _labels(bundle) == {"a": 1, "b": 1}
    assert "2 columns were taken for models" in bundle.notes[0]
    assert _one(path, wide=("vgg",)).models == ["vgg"]
    assert "no column 'vg'" in _fails(path, NotFound, wide=("vg",))


def test_wide_form_of_names_without_ids(write: Write) -> None:
    block = _one(
        write("a.tsv", "m1\tm2\ncat\tdog\ndog\tdog\n"), wide=("*",), classes=["dog", "cat"]
    )
    assert block.predicted.tolist() == [[1, 0], [0, 0]]
    assert block.examples == ["0", "1"]


# Classes


def test_class_names_in_sorted_order(write: Write) -> None:
    bundle = _read(write("a.csv", "id,pred,label\n1,dog,cat\n2,cat,cat\n3,ant,dog\n"))
    assert bundle.labels[0].classes == ["ant", "cat", "dog"]
    (found,) = bundle.blocks
    assert found.block.predicted.tolist() == [[2, 1, 0]]
    assert any("3 classes, sorted by name" in n for n in bundle.notes)


def test_class_names_need_labels_or_a_list(write: Write) -> None:
    path = write("a.csv", "id,pred\n1,dog\n2,cat\n")
    assert "--classes FILE" in _fails(path)
    assert _one(path, classes=["dog", "cat"]).predicted.tolist() == [[0, 1]]


def test_an_unknown_class_name(write: Write) -> None:
    said = _fails(write("a.csv", "id,pred\n1,dgo\n2,cow\n"), classes=["dog", "cat"])
    assert "predicted class 'dgo' is not a class (nor are 1 other values)" in said
    assert "Did you mean dog?" in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.txt", "n01\nn02\nn03\n"),
        ("c.csv", "class,name\nn01,tench\nn02,goldfish\nn03,crane\n"),
        ("c.json", '{"0": ["n01", "tench"], "1": ["n02", "goldfish"], "2": ["n03", "crane"]}'),
        ("d.json", '["n01", "n02", "n03"]'),
    ],
)
def test_class_files(write: Write, name: str, text: str) -> None:
    classes = str(write(name, text))
    path = write("a.csv", "id,pred,label\n1,n03,n01\n2,n01,n01\n")
    bundle = _read(path, classes=classes)
    (found,) = bundle.blocks
    assert found.block.predicted.tolist() == [[2, 0]]
    assert bundle.labels[0].classes == ["n01", "n02", "n03"]
    if name in ("c.csv", "c.json"):
        assert bundle.labels[0].class_names == ["tench", "goldfish", "crane"]
        named = write("b.csv", "id,pred\n1,crane\n2,tench\n")
        assert _one(named, classes=classes).predicted.tolist() == [[2, 0]]


def test_a_class_name_that_two_classes_share_is_no_name(write: Write) -> None:
    """ImageNet has two cranes."""
    classes = str(write("c.csv", "class,name\nn1,crane\nn2,crane\n"))
    assert "'crane' is not a class" in _fails(write("a.csv", "id,pred\n1,crane\n"), classes=classes)


def test_classes_called_by_numbers_in_another_order(write: Write) -> None:
    """Folders 0, 1, 10, 2 sorted as texts: 10 may be a place or a name, so it has to be said."""
    classes = ["0", "1", "10", "2"]
    path = write("a.csv", "id,pred\na,2\nb,1\n")
    assert "--class-numbers" in _fails(path, classes=classes)
    assert _one(path, classes=classes, class_numbers="name").predicted.tolist() == [[3, 1]]
    assert _one(path, classes=classes, class_numbers="position").predicted.tolist() == [[2, 1]]
    assert "neither" in _fails(path, BadInput, classes=classes, class_numbers="both")


@pytest.mark.parametrize(
    ("pred", "label", "message"),
    [
        ("1", "10", "label runs from 1 to 10, but there are 10 classes (0 to 9). Do they count"),
        ("12", "1", "predicted class runs from 1 to 12"),
        ("-3", "1", "predicted class runs from -3 to 1"),
    ],
)
def test_numbers_out_of_range(write: Write, pred: str, label: str, message: str) -> None:
    path = write("a.csv", f"id,pred,label\na,{pred},{label}\nb,1,1\n")
    assert message in _fails(path, classes=10)


@pytest.mark.parametrize(
    ("classes", "kind", "message"),
    [
        (1, BadInput, "at least two"),
        (["a", "a"], ImportFailed, "'a' occurs twice"),
        ("nowhere.txt", BadInput, "neither a number nor a file"),
    ],
)
def test_bad_class_lists(
    write: Write, classes: Any, kind: type[HeldoutError], message: str
) -> None:
    assert message in _fails(write("a.csv", "id,pred\na,1\n"), kind, classes=classes)


# Scores


def test_logits_in_columns(write: Write) -> None:
    """Column 10 comes after column 9; the confidence is the softmax of the best."""
    head = ",".join(f"logit_{i}" for i in (10, *range(10)))
    bundle = _read(
        write("a.csv", f"id,{head}\na,9,{','.join('0' * 10)}\nb,0,5,{','.join('0' * 9)}\n")
    )
    (found,) = bundle.blocks
    assert found.block.predicted.tolist() == [[10, 0]]
    assert found.block.runners_up is not None
    assert found.block.runners_up.tolist() == [[[0, 1, 2, 3], [1, 2, 3, 4]]]
    assert found.block.confidence is not None
    expected = [np.exp(9) / (np.exp(9) + 10), np.exp(5) / (np.exp(5) + 10)]
    assert found.block.confidence[0] == pytest.approx(expected)
    assert found.block.scores is None
    assert any("taken for logits" in n for n in bundle.notes)


def test_probabilities_are_told_from_logits(write: Write) -> None:
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    for array, kind in ((probs, "probabilities"), (np.log(probs), "log-probabilities"),
                        (probs * 2, "logits")):  # fmt: skip
        bundle = _read(write("a.npy", array))
        assert any(f"taken for {kind} " in n for n in bundle.notes)
    block = _one(write("a.npy", probs), keep_scores=True)
    assert block.score_kind == "probabilities"
    assert block.scores is not None
    assert np.array_equal(block.scores[0], probs)
    assert block.confidence is not None
    assert block.confidence[0] == pytest.approx([0.7, 0.8])
    assert _one(write("a.npy", probs), score_kind="logits", keep_scores=True).score_kind == "logits"


def test_probabilities_that_are_none(write: Write) -> None:
    path = write("a.csv", "id,prob_0,prob_1\na,2,8\nb,6,4\n")
    assert "should be probabilities" in _fails(path)
    assert "rows sum to 10 … 10" in _fails(path)
    assert _one(path, score_kind="scores").confidence is None
    assert "is not one of" in _fails(path, BadInput, score_kind="percent")


def test_nan_scores_are_no_answer(write: Write) -> None:
    array = np.array([[1.0, 2.0], [np.nan, 3.0], [np.inf, 0.0], [-np.inf, 1.0]])
    bundle = _read(write("a.npy", array))
    (found,) = bundle.blocks
    assert found.block.predicted.tolist() == [[1, -1, -1, 1]]
    assert found.block.error is not None
    assert found.block.error.tolist() == [[None, "NaN score", "NaN score", None]]
    assert found.block.confidence is not None
    assert np.isnan(found.block.confidence[0, 1])
    assert any("2 of 4 rows: NaN score" in n for n in bundle.notes)


def test_predicted_and_scores_that_disagree(write: Write) -> None:
    text = "id,predicted,score_0,score_1,score_2\na,2,.1,.7,.2\nb,1,.1,.7,.2\n"
    bundle = _read(write("a.csv", text))
    (found,) = bundle.blocks
    assert found.block.predicted.tolist() == [[2, 1]]
    assert found.block.runners_up is not None
    assert found.block.runners_up.tolist() == [[[1, 0], [2, 0]]]
    assert any("in 1 of 2 rows the predicted class is not the one" in n for n in bundle.notes)


def test_scores_by_prefix_and_by_list(write: Write) -> None:
    path = write("a.csv", "id,x0,x1,cat,dog\na,1,2,5,6\nb,4,3,8,7\n")
    assert _one(path, scores="x").predicted.tolist() == [[1, 0]]
    assert _one(path, scores=("dog", "cat")).predicted.tolist() == [[0, 1]]
    assert "fewer than two columns start with 'z'" in _fails(path, scores="z")
    assert "There is no column 'cow'" in _fails(path, NotFound, scores=("cow", "cat"))
    assert "scores for 2 classes, but there are 3" in _fails(path, scores="x", classes=3)


def test_top(write: Write) -> None:
    path = write("a.npy", np.eye(4, 7) * 3)
    assert _one(path).k == 5
    assert _one(path, top=2).k == 2
    assert _one(path, top=1).runners_up is None
    assert "at least the first place" in _fails(path, BadInput, top=0)


def test_places_in_columns(write: Write) -> None:
    for head in ("top1,top2,top3", "pred_1,pred_2,pred_3", "pred,pred_2,pred_3"):
        block = _one(write("a.csv", f"id,{head}\na,4,2,1\nb,0,1,2\n"))
        assert block.predicted.tolist() == [[4, 0]]
        assert block.runners_up is not None
        assert block.runners_up.tolist() == [[[2, 1], [1, 2]]]


# Arrays


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float64"])
def test_npy_of_classes(write: Write, dtype: str) -> None:
    assert _one(write("a.npy", np.array([3, 1, 2]).astype(dtype))).predicted.tolist() == [[3, 1, 2]]


def test_npy_of_top_five(write: Write) -> None:
    block = _one(write("a.npy", np.arange(10).reshape(2, 5)))
    assert block.predicted.tolist() == [[0, 5]]
    assert block.runners_up is not None
    assert block.runners_up[0].tolist() == [[1, 2, 3, 4], [6, 7, 8, 9]]


def test_npz(write: Write) -> None:
    path = write("a.npz", probs=np.array([[0.1, 0.9], [0.5, 0.5]], np.float16),
                 labels=np.array([1, 1]), ids=np.array(["x", "y"]), seed=np.zeros(3))  # fmt: skip
    bundle = _read(path)
    (found,) = bundle.blocks
    assert found.block.examples == ["x", "y"]
    assert found.block.predicted.tolist() == [[1, 0]]  # a tie goes to the lower index
    assert _labels(bundle) == {"x": 1, "y": 1}
    assert "left out: seed" in bundle.notes[0]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"foo": np.zeros(3)}, "holds foo float64(3,); none is called logits"),
        ({"preds": np.zeros(3, int), "labels": np.zeros(2, int)}, "of unequal length"),
        ({"preds": np.zeros((2, 2, 2), int)}, "classes must have shape"),
        ({"logits": np.zeros(3)}, "scores must have shape (examples, classes)"),
        ({"logits": np.array([["a", "b"]])}, "scores must be numbers"),
        ({"preds": np.zeros(0, int)}, "are empty"),
        ({"preds": np.array([1.5, 2])}, "numbers that are not whole"),
    ],
)
def test_bad_npz(write: Write, made: dict[str, Any], message: str) -> None:
    assert message in _fails(write("a.npz", **made))


def test_arrays_that_are_none(write: Write) -> None:
    assert "no NPY or NPZ file" in _fails(write("a.npy", b"junk"))
    assert "Python objects" in _fails(write("b.npy", np.array([{}, 1], dtype=object)))
    whole = write("c.npy", np.arange(1000)).read_bytes()
    assert "cannot be read" in _fails(write("d.npy", whole[:500]))


# JSON and Parquet


@pytest.mark.parametrize(
    ("name", "content", "examples", "predicted"),
    [
        ("a.json", [3, 1], ["0", "1"], [3, 1]),
        ("a.json", {"x": 3, "y": 1}, ["x", "y"], [3, 1]),
        ("a.json", {"id": ["x", "y"], "pred": [3, 1]}, ["x", "y"], [3, 1]),
        ("a.json", {"x": {"pred": 3}, "y": {"pred": 1}}, ["x", "y"], [3, 1]),
        ("a.json", [{"id": 7, "pred": 3}, {"pred": None, "id": 8}], ["7", "8"], [3, -1]),
        ("a.json", [{"id": "x", "logits": [0, 2]}, {"id": "y", "logits": [5, 2]}], ["x", "y"],
         [1, 0]),
        ("a.json", [{"id": "x", "top5": [4, 2]}, {"id": "y", "top5": [1, 2]}], ["x", "y"], [4, 1]),
    ],
)  # fmt: skip
def test_json(
    write: Write, name: str, content: Any, examples: list[str], predicted: list[int]
) -> None:
    block = _one(write(name, json.dumps(content)))
    assert block.examples == examples
    assert block.predicted.tolist() == [predicted]


def test_json_lines(write: Write) -> None:
    text = '{"id": "x", "pred": 3}\n\n{"id": "y", "pred": 1}\n'
    assert _one(write("a.jsonl", text)).predicted.tolist() == [[3, 1]]
    assert "line 2: not JSON" in _fails(write("b.jsonl", '{"id": "x", "pred": 3}\n{bad\n'))
    assert "is not JSON" in _fails(write("c.json", "{bad"))
    assert "Give a list of objects" in _fails(write("d.json", "[]"))
    assert "unequal length" in _fails(write("e.json", '[{"logits": [1, 2]}, {"logits": [1]}]'))


def test_parquet_of_another_program(write: Write, tmp_path: Path) -> None:
    """Categorical and large strings as Polars writes them; lists of half-precision scores."""
    frame = pl.DataFrame({"image": ["x", "y"], "model": ["m", "m"], "pred": ["cat", "dog"]})
    frame = frame.with_columns(pl.col("pred").cast(pl.Categorical))
    frame.write_parquet(tmp_path / "a.parquet")
    block = _one(tmp_path / "a.parquet", classes=["dog", "cat"])
    assert block.predicted.tolist() == [[1, 0]]
    lists = pa.array([[0.25, 0.75], [0.5, 0.5]], pa.list_(pa.float16()))
    path = write("b.parquet", pa.table({"id": [1, 2], "probs": lists}))
    assert _one(path).predicted.tolist() == [[1, 0]]
    assert "cannot be read" in _fails(write("c.parquet", b"PAR1junk"))


# Labels in a file of their own


LABELS = "id,label,writer,video\na,0,7,x\nb,1,8,y\nc,1,7,\n"


def test_label_file_by_id(write: Write) -> None:
    """The whole label set is stored with its groups, in the label file's order."""
    labels = str(write("labels.csv", LABELS))
    bundle = _read(write("p.csv", "id,pred\nc,1\na,1\nb,0\n"), labels=labels, label_set="truth")
    assert _labels(bundle) == {"a": 0, "b": 1, "c": 1}
    assert bundle.labels[0].name == "truth"
    assert bundle.labels[0].groups == {"writer": [7, 8, 7], "video": ["x", "y", None]}
    assert bundle.settings == [{"setting": "set", "label_set": "truth", "n": 3}]
    assert set(bundle.hashes) == {"p.csv", "labels.csv"}


def test_label_file_that_covers_a_part(write: Write) -> None:
    labels = str(write("labels.csv", LABELS))
    bundle = _read(write("p.csv", "id,pred\na,1\nz,0\n"), labels=labels)
    assert len(_labels(bundle)) == 3
    assert any("1 of 2 predicted examples of 'set' have no label (such as z)" in n
               for n in bundle.notes)  # fmt: skip


def test_label_file_with_other_ids(write: Write) -> None:
    labels = str(write("labels.csv", LABELS))
    said = _fails(write("p.csv", "id,pred\ndir/a.png,1\n"), labels=labels)
    assert "none of the 1 examples" in said
    assert "Ids there: a, b, c; in the predictions: dir/a.png" in said


def test_labels_by_position(write: Write) -> None:
    """An array of labels, or predictions without ids: joined by position, with a warning."""
    by_array = str(write("labels.npy", np.array([0, 1])))
    bundle = _read(write("p.csv", "id,pred\na,1\nb,1\n"), labels=by_array)
    assert _labels(bundle) == {"a": 0, "b": 1}
    assert any("joined to 'set' by position" in n for n in bundle.notes)
    said = _fails(write("q.csv", "id,pred\na,1\n"), labels=by_array)
    assert "holds 2 labels without ids, but setting 'set' has 1 examples" in said
    with_ids = str(write("labels.csv", LABELS))
    bundle = _read(write("p.npy", np.array([1, 1, 1])), labels=with_ids)
    (found,) = bundle.blocks
    assert found.block.examples == ["a", "b", "c"]
    assert any("taken to be in the label file's order" in n for n in bundle.notes)
    assert "3 examples: they cannot be joined" in _fails(
        write("q.npy", np.array([1, 1])), labels=with_ids
    )


def test_empty_labels_are_left_out(write: Write) -> None:
    bundle = _read(write("a.csv", "id,pred,label\na,1,\nb,1,1\n"))
    assert _labels(bundle) == {"b": 1}
    assert any("1 examples have an empty label" in n for n in bundle.notes)
    assert "every label is empty" in _fails(write("b.csv", "id,pred,label\na,1,\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,foo\na,1\n", "no column says the label. Columns: id, foo"),
        ("id,label\na,1\na,2\n", "'a' has more than one label row"),
        ("id,label\na,1\nb,7\n", "label runs from 1 to 7"),
    ],
)
def test_bad_label_files(write: Write, text: str, message: str) -> None:
    labels = str(write("labels.csv", text))
    path = write("p.csv", "id,pred\na,1\nb,0\n")
    assert message in _fails(path, labels=labels, classes=3)
    assert "is not a file" in _fails(path, BadInput, labels="nowhere.csv")


def test_several_settings_with_one_label_file(write: Write) -> None:
    """Each setting gets the labels of its own examples."""
    labels = str(write("labels.csv", LABELS))
    path = write("p.csv", "id,dataset,pred\na,s,1\nb,s,1\nc,t,1\n")
    bundle = _read(path, labels=labels)
    assert [_labels(bundle, i) for i in (0, 1)] == [{"a": 0, "b": 1}, {"c": 1}]


# Model metadata


def test_models(write: Write, tmp_path: Path) -> None:
    text = 'model,family,params,depth,note\nm1,cnn,"1,014.5",50,\nm2, vit ,86,12,ok\n'
    rows = read_models(write("m.csv", text))
    assert rows == [
        {"model": "m1", "family": "cnn", "params": 1014.5, "depth": 50},
        {"model": "m2", "family": "vit", "params": 86.0, "depth": 12, "note": "ok"},
    ]
    pl.DataFrame({"model": ["a"], "depth": [3], "x": [None]}).write_parquet(tmp_path / "m.parquet")
    assert read_models(tmp_path / "m.parquet") == [{"model": "a", "depth": 3}]


def test_bad_models(write: Write) -> None:
    with pytest.raises(ImportFailed, match="no column 'model'; it has name, family"):
        read_models(write("m.csv", "name,family\na,b\n"))
    with pytest.raises(ImportFailed, match="'a' has more than one row"):
        read_models(write("n.csv", "model,family\na,b\na,c\n"))
    with pytest.raises(BadInput, match="is not a file"):
        read_models("nowhere.csv")


# Properties


@given(
    arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 9)),
           elements=st.sampled_from([-np.inf, -2.0, 0.0, 0.5, 1.0, 3.0])),
    st.integers(1, 6),
)  # fmt: skip
def test_best_is_a_stable_sort(scores: np.ndarray[Any, Any], k: int) -> None:
    """Ties, also of minus infinity, go to the lower index."""
    ranked = best(scores, k)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    good = np.isfinite(scores.max(axis=1))
    assert np.array_equal(ranked[good], expected[good])
    assert (ranked[~good, 0] == -1).all()


@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(2, 9)),
           elements=st.floats(-30, 30, width=32)),
)  # fmt: skip
def test_kinds_and_confidences_agree(logits: np.ndarray[Any, Any]) -> None:
    """Logits, their softmax and its logarithm say the same confidence, and are told apart."""
    wide = logits.astype(np.float64)
    probs = np.exp(wide) / np.exp(wide).sum(axis=1, keepdims=True)
    predicted = best(logits, 1)[:, 0]
    expected = confidence(logits, "logits", predicted)
    for scores, kind in ((probs, "probabilities"), (np.log(probs), "log-probabilities")):
        assert kind_of(scores, "", "", "x")[0] == kind
        assert confidence(scores, kind, predicted) == pytest.approx(expected, rel=1e-5)


@settings(max_examples=25)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(2, 4)),
           elements=st.floats(-5, 5).map(lambda x: round(x, 3))),
)  # fmt: skip
def test_every_format_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, logits: np.ndarray[Any, Any]
) -> None:
    folder = tmp_path_factory.mktemp("formats")
    ids = [f"e{i}" for i in range(len(logits))]
    columns = {"id": ids} | {f"logit_{j}": logits[:, j] for j in range(logits.shape[1])}
    pl.DataFrame(columns).write_csv(folder / "a.csv")
    pl.DataFrame(columns).write_csv(folder / "a.tsv", separator="\t")
    pl.DataFrame(columns).write_parquet(folder / "a.parquet")
    records = [{"id": e, "logits": row.tolist()} for e, row in zip(ids, logits, strict=True)]
    (folder / "a.json").write_text(json.dumps(records))
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    np.savez(folder / "a.npz", logits=logits, ids=np.array(ids))
    blocks = [_one(p, keep_scores=True, score_kind="logits") for p in sorted(folder.iterdir())]
    assert len(blocks) == 6
    for block in blocks:
        assert block.examples == ids
        assert block.scores is not None
        assert np.array_equal(block.scores[0], logits)
        assert block.predicted[0].tolist() == logits.argmax(axis=1).tolist()
        assert np.array_equal(block.runners_up, blocks[0].runners_up)


def test_round_trip_through_a_store(write: Write, tmp_path: Path) -> None:
    """What was read can be stored and read again, missing answers and all."""
    text = "id,model,logit_0,logit_1,logit_2,label\na,m,1,3,2,1\nb,m,nan,0,0,2\n"
    text += "a,k,5,3,2,1\nb,k,0,0,4,2\n"
    bundle = _read(write("a.csv", text), keep_scores=True)
    store = Store.create(str(tmp_path / "store"))
    done = put(store, bundle, Choices(source="a.csv", prefix="my/"))
    assert done.rows == 4
    block = store.predictions("set", columns=("runners_up", "confidence", "scores", "error"))
    assert block.models == ["my/k", "my/m"]
    assert block.predicted.tolist() == [[0, 2], [1, -1]]
    assert block.error is not None
    assert block.error[1].tolist() == [None, "NaN score"]
    assert block.score_kind == "logits"
    labels = store.label_set_of("set")
    assert labels is not None
    assert labels.label.tolist() == [1, 2]

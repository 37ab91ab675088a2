"""Which output stands for which class: by label space, name, order with a note, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from heldout.engine.matching import outputs_map
from heldout.engine.scale import OUTSIDE, list_name, scale_of
from heldout.errors import BadInput, HeldoutError
from heldout.models.classifier import About
from heldout.testsets.reader import Listing
from heldout.testsets.spaces import space


def listing(classes: Sequence[str], labels: Sequence[int] | None = None) -> Listing:
    label = np.array(range(len(classes)) if labels is None else labels, np.int32)
    ids = [f"e{i}" for i in range(len(label))]
    return Listing(ids, label, list(classes), list(classes))


def about(outputs: int, **facts: object) -> About:
    return About("net", "python:x", outputs, **facts)  # type: ignore[arg-type]


def matched(
    name: str, chosen: str, there: Listing, model: About
) -> tuple[list[str], list[tuple[int, ...]], list[int], tuple[str, ...]]:
    scale = scale_of(name, chosen, there, [model])
    found, notes = outputs_map(scale, model, name)
    return list(found.classes), list(found.members), scale.label.tolist(), notes


CIFAR = list(space("cifar10").classes)


def test_folders_of_other_spelling_and_order_find_their_outputs() -> None:
    classes, members, label, notes = matched(
        "mine", "", listing(["dog", "car", "cat"]), about(10, space="cifar10")
    )
    assert classes == CIFAR
    assert members == [(i,) for i in range(10)]
    assert label == [5, 1, 3]
    assert notes == ()


def test_present_restricts_to_classes_with_examples() -> None:
    classes, members, label, _ = matched(
        "mine", "present", listing(["dog", "car", "cat"], [0, 1, -1]), about(10, space="cifar10")
    )
    assert classes == ["automobile", "dog"]
    assert members == [(1,), (5,)]
    assert label == [1, 0, -1]


def test_a_list_leaves_other_examples_outside() -> None:
    _, _, label, _ = matched(
        "mine", "cat,dog", listing(["dog", "car", "cat"]), about(10, space="cifar10")
    )
    assert label == [1, OUTSIDE, 0]


@pytest.mark.parametrize("names", [[str(i) for i in range(12)], [f"{i:02d}" for i in range(12)]])
def test_numbered_folders_are_positions_never_texts(names: list[str]) -> None:
    """0 … 11 and 00 … 11 are the same; '10' does not come after '1'."""
    _, members, label, notes = matched("mine", "", listing(names), about(12))
    assert members == [(i,) for i in range(12)]
    assert label == list(range(12))
    assert "output i was taken for class i" in notes[0]


def test_numbered_folders_of_a_known_label_space() -> None:
    classes, _, label, notes = matched("mine", "", listing(["3", "9"]), about(10, space="cifar10"))
    assert classes == CIFAR
    assert label == [3, 9]
    assert "numbers" in " ".join(notes) or notes == ()


def test_a_models_own_names_decide_over_order() -> None:
    model = about(3, classes=("Zebra", "ant", "bee"))
    classes, members, label, notes = matched("mine", "", listing(["ant", "zebra"]), model)
    assert classes == ["ant", "bee", "Zebra"]  # by name, whichever model comes first
    assert members == [(1,), (2,), (0,)]
    assert label == [0, 2]
    assert notes == ()


def test_a_models_names_in_another_order_than_the_space() -> None:
    names = tuple(reversed(CIFAR))
    classes, members, _, _ = matched("cifar10-test", "", listing(CIFAR), about(10, classes=names))
    assert classes == CIFAR
    assert members == [(9 - i,) for i in range(10)]


def test_a_background_class_is_seen_by_the_number_of_outputs() -> None:
    wnids = space("imagenet-1k").classes
    _, members, _, notes = matched("mine", "", listing(wnids[:5]), about(1001))
    assert members[:2] == [(1,), (2,)]
    assert "background" in notes[0]


@pytest.mark.parametrize(
    ("classes", "model", "says"),
    [
        (["cat", "dgo"], {"classes": ("cat", "dog")}, r"dgo.*near .dog."),
        (["left", "right", "up"], {}, "gives 10 scores.*has 3 classes"),
        (CIFAR, {"space": "imagenet-1k"}, "made for imagenet-1k"),
        (CIFAR, {"outputs": 7}, "gives 7 scores"),
        (CIFAR, {"classes": ("cat", "dog"), "outputs": 2}, r"which model .net. does\s+not know"),
    ],
)
def test_what_does_not_fit_is_refused(
    classes: list[str], model: dict[str, object], says: str
) -> None:
    facts = {"outputs": 10, **model}
    with pytest.raises(BadInput, match=says):
        matched("mine", "", listing(classes), about(**facts))  # type: ignore[arg-type]


def test_one_unknown_folder_is_named_with_near_ones() -> None:
    with pytest.raises(HeldoutError, match=r"frgo.*frog"):
        matched("cifar10-test", "", listing(["cat", "frgo"]), about(10, space="cifar10"))


def test_imagenet_a_is_scored_among_its_200_classes() -> None:
    from heldout.testsets.catalogue import known

    entry = known("imagenet-a")
    assert entry is not None
    assert entry.classes is not None
    wnids = list(entry.classes.classes)
    scale = scale_of("imagenet-a", "", listing(wnids), [about(1000)])
    assert len(scale.map.classes) == 200
    assert scale.label.tolist() == list(range(200))
    clean = scale_of("imagenet-val", "imagenet-a", listing(space("imagenet-1k").classes), [])
    assert clean.map.classes == scale.map.classes
    assert int((clean.label >= 0).sum()) == 200


def test_objectnets_other_folders_do_not_count() -> None:
    from heldout.testsets.catalogue import known

    entry = known("objectnet-1.0-beta")
    assert entry is not None
    assert entry.classes is not None
    some = [*entry.classes.classes[:3], sorted(entry.ignored)[0]]
    scale = scale_of("objectnet-1.0-beta", "", listing(some), [about(1000)])
    assert scale.label.tolist() == [0, 1, 2, OUTSIDE]
    assert len(scale.map.classes) == 113


def test_a_map_of_super_classes(tmp_path: Path) -> None:
    """Folders dog and cat for a model of 1,000 classes: by a file; the sum is another setting."""
    file = tmp_path / "pets.json"
    file.write_text('{"dog": ["n02085620", 152], "cat": ["tabby", "n02123159"]}')
    there = listing(["cat", "dog"])
    model = about(1000, space="imagenet-1k")
    classes, members, label, _ = matched("pets", str(file), there, model)
    assert classes == ["dog", "cat"]
    assert members == [(151, 152), (281, 282)]
    assert label == [1, 0]
    total = scale_of("pets", f"{file}+sum", there, [model])
    assert total.map.reduction == "sum"
    assert total.map.members == ((151, 152), (281, 282))
    assert list_name(f"{file}+sum") == "pets+sum"
    part = scale_of("pets", str(file), listing(["cat", "horse"]), [model])
    assert part.label.tolist() == [1, OUTSIDE]
    with pytest.raises(HeldoutError, match="horse"):
        scale_of("pets", str(file), listing(["horse"]), [model])
    with pytest.raises(BadInput, match=r"@map\.json"):
        matched("pets", "", there, model)


def test_the_sum_over_video_classes_is_a_setting_of_its_own() -> None:
    from heldout.testsets.catalogue import known

    entry = known("imagenet-vid-robust")
    assert entry is not None
    assert entry.classes is not None
    there = listing(list(entry.classes.classes))
    for chosen, reduction in (("", "max"), ("sum", "sum")):
        scale = scale_of("imagenet-vid-robust", chosen, there, [about(1000)])
        assert scale.map.reduction == reduction
        assert scale.label.tolist() == list(range(30))


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"dog": 3}', "{}", "{"])
def test_a_map_that_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pets.json"
    file.write_text(text)
    with pytest.raises(BadInput, match="map of super-classes"):
        scale_of("pets", str(file), listing(["dog"]), [about(1000)])


def test_the_classes_do_not_depend_on_which_models_run_together() -> None:
    there = listing(["ant", "zebra"])
    first = about(3, classes=("zebra", "ant", "bee"))
    second = about(3, classes=("bee", "zebra", "ant"))
    alone = scale_of("mine", "", there, [first]).map.classes
    assert alone == scale_of("mine", "", there, [second, first]).map.classes
    assert alone == scale_of("mine", "", there, [second]).map.classes
    with pytest.raises(BadInput, match="name different classes"):
        scale_of("mine", "", there, [first, about(2, classes=("ant", "zebra"))])
    with pytest.raises(BadInput, match=r"names\s+none"):
        scale_of("mine", "", listing(["bee", "foo"]), [first, about(2)])


def test_images_without_labels_have_the_models_classes() -> None:
    nothing = Listing(["a", "b"], np.array([-1, -1], np.int32), [], [])
    for model, wanted in (
        (about(10, space="cifar10"), CIFAR),
        (about(2, classes=("cat", "dog")), ["cat", "dog"]),
        (about(3), ["0", "1", "2"]),
    ):
        classes, _, label, _ = matched("mine", "", nothing, model)
        assert classes == wanted
        assert label == [-1, -1]


def test_models_of_different_classes_on_classes_that_all_know() -> None:
    there = listing(["ant", "bee", "cow"])
    models = [about(4, classes=("cow", "ant", "bee", "dog")), about(2, classes=("bee", "ant"))]
    scale = scale_of("mine", "ant,bee", there, models)
    assert scale.map.classes == ("ant", "bee")
    assert [outputs_map(scale, m, "mine")[0].members for m in models] == [
        ((1,), (2,)), ((1,), (0,)),
    ]  # fmt: skip
    assert scale.label.tolist() == [0, 1, OUTSIDE]

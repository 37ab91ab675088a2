"""Label spaces: order, other spellings, and names that two classes share."""

from __future__ import annotations

import json

import pytest

from heldout.errors import BadInput, NotFound
from heldout.testsets.spaces import find, recognise, space, spaces
from realdata import published


def test_imagenets_classes_are_the_sorted_wordnet_ids() -> None:
    here = space("imagenet-1k")
    assert len(here.classes) == len(here.class_names) == 1000
    assert list(here.classes) == sorted(here.classes)
    assert (here.classes[0], here.class_names[0]) == ("n01440764", "tench")
    assert (here.classes[305], here.class_names[305]) == ("n02172182", "dung beetle")


@pytest.mark.data
def test_the_ids_and_names_are_the_published_ones() -> None:
    here = space("imagenet-1k")
    info = json.loads(
        (published("imagenetv2-predictions") / "ImageNetV2/data/metadata/class_info.json")
        .read_text()
    )  # fmt: skip
    assert [c["wnid"] for c in info] == list(here.classes)
    assert [c["synset"][0] for c in info] == list(here.class_names)
    timm = published("timm-results") / "timm-results/timm/data/_info/imagenet_synsets.txt"
    assert timm.read_text().split() == list(here.classes)


@pytest.mark.parametrize("shared", ["crane", "maillot", "Crane", "cardigan"])
def test_a_name_of_two_classes_is_never_a_key(shared: str) -> None:
    here = space("imagenet-1k")
    assert here.index(shared) is None
    assert shared.lower() not in here.aliases
    with pytest.raises(BadInput, match=r"is the name of 2 classes of imagenet-1k: n\d+, n\d+"):
        find(shared, here)


def test_every_other_name_leads_to_its_class_whatever_its_case_and_blanks() -> None:
    here = space("imagenet-1k")
    assert here.index("great_white_shark") == here.index("Great White  Shark") == 2
    assert here.index("Carcharodon carcharias") == 2
    by_name = [here.index(n) for n in here.class_names]
    wrong = [i for i, found in enumerate(by_name) if found != i]
    # Two cranes, two maillots, and a jacket that shares its name with a dog.
    assert [here.class_names[i] for i in wrong] == [
        "crane", "Cardigan", "cardigan", "crane", "maillot", "maillot",
    ]  # fmt: skip
    assert all(by_name[i] is None for i in wrong)
    # A further name of another class does not stand in the way.
    assert here.class_names[here.index("partridge") or 0] == "partridge"


def test_cifar_in_the_order_of_its_labels() -> None:
    here = space("cifar10")
    assert here.classes[3] == "cat"
    assert len(here.classes) == 10
    assert here.index("car") == here.index("Automobile") == 1
    assert here.index("plane") == 0


def test_folder_names_are_recognised() -> None:
    cifar = recognise(["airplane", "car", "cat", "dog"])
    assert cifar is not None
    assert cifar.name == "cifar10"
    wnids = recognise(["n01440764"])
    assert wnids is not None
    assert wnids.name == "imagenet-1k"
    by_name = recognise(["goldfish", "hen", "ostrich"])
    assert by_name is not None
    assert by_name.name == "imagenet-1k"


@pytest.mark.parametrize(
    "ids",
    [
        [],
        ["cat"],  # one common word says nothing
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],  # MNIST as well
        ["car", "automobile", "cat"],  # the same class twice
        ["cat", "dog", "unicorn"],
        ["crane", "hen"],  # which crane?
        ["n01440764", "cat"],
    ],
)
def test_what_is_not_recognised(ids: list[str]) -> None:
    assert recognise(ids) is None


def test_a_class_by_number_and_an_unknown_one() -> None:
    here = space("cifar10")
    assert find("9", here) == 9
    with pytest.raises(NotFound, match="There is no class '10'"):
        find("10", here)
    with pytest.raises(NotFound, match="Did you mean 'automobile'"):
        find("automobil", here)
    with pytest.raises(NotFound, match="imagenet-1k"):
        space("imagenet-1000")
    assert spaces() == ["imagenet-1k", "cifar10"]

"""Settings of the ImageNet family as several published tables have them, under one name each.

The names are the column names of the ImageNet testbed (Taori et al. 2020), but its `val` is
`imagenet-val`. Groups: original; clean-subset (the original restricted to a set's class list before
the argmax); replicate (ImageNetV2); natural, with subgroup dataset, video or
adversarially-filtered; corruption, with subgroup imagenet-c or image-wide; adversarial.

Sizes are the numbers of images that the published accuracies are multiples of: Sketch has 50,889
images though the testbed's code says 50,000, and 2,030 of YTBB's anchors were scored, not 2,530.
"""

from __future__ import annotations

import re
from typing import Any

from heldout.imports.imagenetv2 import SETS as V2_SETS

VAL = "imagenet-val"
ON_A, ON_R = "val-on-imagenet-a-classes", "val-on-imagenet-r-classes"
_OBJECTNET, _ON_OBJECTNET = "objectnet-1.0-beta", "val-on-objectnet-classes"
_ON_VID, _ON_YTBB = "val-on-vid-robust-classes", "val-on-ytbb-robust-classes"
_EIGHTH, _V2_EIGHTH = "val_subsampled_class_1_8", "_subsampled_class_1_8"
_MF = "imagenetv2-matched-frequency"

# Name: size, baseline, group, subgroup, further aliases, what it is.
_SETS: dict[str, tuple[int, str | None, str, str | None, str, str]] = {
    VAL: (50_000, None, "original", None, "", "the ImageNet (ILSVRC 2012) validation set"),
    _EIGHTH: (6_250, None, "clean-subset", None, "",
              "the validation set on one class in eight, scores restricted to them"),
    ON_A: (10_000, None, "clean-subset", None, "imagenet-val@imagenet-a imagenet-a-clean",
           "the validation set on the 200 classes of ImageNet-A, scores restricted to them"),
    ON_R: (10_000, None, "clean-subset", None, "imagenet-val@imagenet-r imagenet-r-clean",
           "the validation set on the 200 classes of ImageNet-R, scores restricted to them"),
    _ON_OBJECTNET: (6_250, None, "clean-subset", None, "imagenet-val@objectnet",
                    "the validation set on the 125 classes of ObjectNet's 113 folders"),
    _ON_VID: (14_400, None, "clean-subset", None, "imagenet-val@imagenet-vid-robust",
              "the validation set on the 288 classes that make up ImageNet-Vid's 30"),
    _ON_YTBB: (11_550, None, "clean-subset", None, "imagenet-val@ytbb-robust",
               "the validation set on the 231 classes that make up YouTube-BB's"),
    _MF: (10_000, VAL, "replicate", None, "",
          "ImageNetV2, sampled to match the selection frequencies of the original"),
    "imagenetv2-threshold0.7": (10_000, VAL, "replicate", None, "",
                                "ImageNetV2, selection frequency at least 0.7"),
    "imagenetv2-topimages": (10_000, VAL, "replicate", None, "",
                             "ImageNetV2, the images with the highest selection frequency of each"
                             " class"),
    _MF + "-format-val": (10_000, VAL, "replicate", None, "",
                          "ImageNetV2 matched frequency, encoded as the validation set was"),
    "imagenetv2-threshold-0.7-format-val": (10_000, VAL, "replicate", None, "",
                                            "ImageNetV2 threshold 0.7, encoded as the validation"
                                            " set was"),
    "imagenetv2-top-images-format-val": (10_000, VAL, "replicate", None, "",
                                         "ImageNetV2 top images, encoded as the validation set"
                                         " was"),
    _MF + "-format-val" + _V2_EIGHTH: (1_250, _EIGHTH, "replicate", None, "",
                                       "ImageNetV2 matched frequency on one class in eight"),
    _OBJECTNET: (18_514, _ON_OBJECTNET, "natural", "dataset", "objectnet",
                 "ObjectNet: household objects from odd angles, 113 classes"),
    "imagenet-r": (30_000, ON_R, "natural", "dataset", "",
                   "ImageNet-R: renditions of 200 classes, scores restricted to them"),
    "imagenet-sketch": (50_889, VAL, "natural", "dataset", "",
                        "ImageNet-Sketch: black and white sketches of all classes"),
    "imagenet-a": (7_500, ON_A, "natural", "adversarially-filtered", "",
                   "ImageNet-A: photographs of 200 classes that a ResNet-50 gets wrong, scores"
                   " restricted to them"),
    "imagenet-vid-robust_pm0": (1_109, _ON_VID, "natural", "video", "",
                                "ImageNet-Vid-Robust: anchor frames alone"),
    "imagenet-vid-robust_pm10": (1_109, "imagenet-vid-robust_pm0", "natural", "video", "",
                                 "ImageNet-Vid-Robust: anchor and all frames up to 10 before and"
                                 " after it right"),
    "ytbb-robust_pm0": (2_030, _ON_YTBB, "natural", "video", "",
                        "YTBB-Robust: anchor frames alone"),
    "ytbb-robust_pm10": (2_030, "ytbb-robust_pm0", "natural", "video", "",
                         "YTBB-Robust: anchor and all frames up to 10 before and after it right"),
    "greyscale": (50_000, VAL, "corruption", "image-wide", "",
                  "the validation set without colour"),
    "stylized_imagenet": (50_000, VAL, "corruption", "image-wide", "",
                          "the validation set in the textures of paintings (Stylized ImageNet)"),
    "imagenet-real": (46_837, VAL, "relabelled", None, "",
                      "the validation set with the ReaL labels (Beyer et al. 2020); images with no"
                      " label left out"),
}  # fmt: skip

_CORRUPTED = re.compile(r"imagenet-c\.(?P<corruption>\w+)\.(?P<severity>[1-5])_(?P<medium>\S+)")
_PGD = re.compile(r"pgd\.(?P<norm>l2|linf)\.eps(?P<size>[\d.]+)")
_MEDIA = {
    "on-disk": "the published JPEG files, 224 pixels, resized and cropped again",
    "in-memory": "corrupted after decoding, without JPEG compression",
}


def setting(name: str) -> dict[str, Any] | None:
    """The settings row of a name (see the schema of `settings`), or None for an unknown name.

    Further columns: subgroup, corruption, severity, medium.
    """
    if name in _SETS:
        n, baseline, group, subgroup, aliases, about = _SETS[name]
        published = {kept: more for kept, more, _ in V2_SETS.values()}
        row: dict[str, Any] = {
            "setting": name,
            "n": n,
            "baseline": baseline,
            "group": group,
            "subgroup": subgroup,
            "aliases": published.get(name) or aliases or None,
            "description": about,
        }
        if group == "replicate":
            row["original"] = baseline
        return row
    return _corrupted(name) or _attacked(name)


def _corrupted(name: str) -> dict[str, Any] | None:
    parts = _CORRUPTED.fullmatch(name)
    if parts is None or parts["medium"] not in _MEDIA:
        return None
    what = parts["corruption"].replace("_", " ")
    return {
        "setting": name,
        "n": 50_000,
        "baseline": VAL,
        "group": "corruption",
        "subgroup": "imagenet-c",
        "corruption": parts["corruption"],
        "severity": int(parts["severity"]),
        "medium": parts["medium"],
        "description": f"ImageNet-C: {what}, severity {parts['severity']}"
        f" ({_MEDIA[parts['medium']]})",
    }


def _attacked(name: str) -> dict[str, Any] | None:
    parts = _PGD.fullmatch(name)
    if parts is None:
        return None
    norm = {"l2": "L2", "linf": "L-infinity"}[parts["norm"]]
    return {
        "setting": name,
        "n": 50_000,
        "baseline": VAL,
        "group": "adversarial",
        "subgroup": "pgd",
        "description": f"projected gradient descent, {norm} norm, epsilon {parts['size']}"
        + (" / 255" if parts["norm"] == "linf" else ""),
    }

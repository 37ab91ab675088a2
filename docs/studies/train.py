"""A small scikit-learn classifier of 8 x 8 colour pictures, saved with skops."""

from pathlib import Path

import numpy as np
import skops.io
from PIL import Image
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

CLASSES = {"airplane": "airplane", "automobile": "car", "cat": "cat", "dog": "dog"}

pictures, classes = [], []
for folder, name in CLASSES.items():
    for path in sorted(Path("downloads/cifar10-test-jpeg", folder).glob("*.jpg")):
        pictures.append(np.asarray(Image.open(path).resize((8, 8), Image.Resampling.BICUBIC)))
        classes.append(name)
rows = np.stack(pictures).reshape(len(pictures), -1) / 255
skops.io.dump(LinearDiscriminantAnalysis().fit(rows, classes), "small.skops")

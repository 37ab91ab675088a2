"""Models that answer: one adapter a file, each giving a `Classifier` from pictures to scores.

`heldout.models.adapters.load("timm:resnet50")` is the way in. Nothing heavy is imported until then.
"""

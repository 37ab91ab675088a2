"""A model of one's own: any function from pixels to one score a class."""


def sky(pictures):
    """(n, h, w, 3) pixels, 0 to 255, to (n, 2) scores: is there more blue than red?"""
    mean = pictures.mean(axis=(1, 2))
    return mean[:, [2, 0]]


sky.classes = ("airplane", "cat")
sky.score_kind = "scores"

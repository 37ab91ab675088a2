"""heldout: does an image classifier hold out, on new data, under shift, with honest uncertainty?"""

__version__ = "0.1.0"

"""Pixels: from a file's bytes to an RGB picture, and from that to a model's input size."""

"""Analyses: a store in, a typed table out."""

"""Test sets: one reader a layout, the catalogue of the field's sets, and their label spaces."""

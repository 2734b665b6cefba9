"""Data: one file per data set, decoded once into tiles, split, planned, yielded by grain."""

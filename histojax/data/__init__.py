"""Data: one file per data set, decoded once, split, planned, yielded by grain."""

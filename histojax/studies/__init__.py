"""Studies: variants x folds x seeds of a config, each a run, and what they come to."""

"""histojax: train, compare and apply attention CNNs on histology and cytology images.

The package reads from top to bottom as the data flows: `experiment.run` is the table of
contents. Importing it is free: heavy libraries are imported where they are used.
"""

__version__ = "0.1.0"

"""The papers' own tables with their sources, and their audit."""

import functools

from histojax.errors import InputError, nearest
from histojax.published import accuracies, liver

PAPERS = {"liver": liver.row} | {
  name: functools.partial(accuracies.row, name) for name in accuracies.PAPERS
}


def find(key: str) -> dict:
  """The published row of 'paper/model', such as 'liver/SENet'; unknown: InputError."""
  paper, _, model = key.partition("/")
  if paper not in PAPERS:
    raise InputError(f"published={key!r}: {nearest(paper, PAPERS)}")
  return PAPERS[paper](model)


def held(paper: str) -> dict:
  """What a paper prints, as `audit.findings` reads it."""
  return liver.HELD if paper == "liver" else accuracies.held(paper)


def check(key: str, classes) -> None:
  """InputError where the row 'paper/model' tells of other classes than these."""
  told = find(key)["classes"]
  if set(told) != set(classes):
    raise InputError(
      f"published={key!r} tells of {', '.join(told)}, but the images are of"
      f" {', '.join(classes)}: set --config.published= to compare with no paper"
    )

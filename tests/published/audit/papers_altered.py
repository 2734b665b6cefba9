"""Audits of the stored papers, and of papers with something altered."""

import copy

from histojax import published
from histojax.evaluation.wilson import wilson
from histojax.published import audit


def lines(held):
  """'gravity | place | text' of every finding."""
  found = audit.findings(held, wilson)
  return [f"{each.gravity} | {each.place} | {each.text}" for each in found]


def altered(paper, table, row, at, new):
  """The paper with one cell of one table printed otherwise."""
  held = copy.deepcopy(published.held(paper))
  held["tables"][table]["rows"][row][at] = new
  return held

"""What an audit says: a sentence, where it applies, and how grave it is."""

from typing import NamedTuple

# in order of gravity, with what each word promises
GRAVITIES = {
  "impossible": "no counts of the stated size give what is printed, however rounded",
  "inconsistent": "two printed numbers, or one and the text, contradict each other",
  "leak": "the counts show that test and training share something",
  "only if": "consistent under a reading that the paper does not state",
  "within one photograph": "a lead of one independent image at most",
  "within chance": "a lead whose 95 % interval holds 0, every image independent",
  "follows": "what else the printed numbers determine",
  "holds": "recomputed, and it agrees",
  "note": "a slip of words, found by reading and not by arithmetic",
}


class Finding(NamedTuple):
  """One sentence of an audit.

  Attributes:
    gravity: a key of GRAVITIES.
    place: the table or the passage.
    text: one sentence or two, made from printed numbers.
    rule: the module that found it; "" of a note.
    model: the row it speaks of, "" where it speaks of more than one.
    numbers: what was computed, JSON-ready.
  """

  gravity: str
  place: str
  text: str
  rule: str
  model: str = ""
  numbers: dict = {}


def ordered(found) -> list[Finding]:
  """By gravity; within one as found."""
  rank = {gravity: i for i, gravity in enumerate(GRAVITIES)}
  return sorted(found, key=lambda finding: rank[finding.gravity])


def listed(words) -> str:
  """'a, b and c'."""
  words = [str(word) for word in words]
  return " and ".join([", ".join(words[:-1])] * bool(words[:-1]) + words[-1:])

"""What a study's tables lack of the paper's is found."""

import copy
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
import study_runs  # noqa: E402


@pytest.fixture
def content():
  """study.json of a cervix study, as far as it is looked at."""
  rows = [[name, "ours", "61.0 ± 2.0", "60.0 ± 1.0"] for name in study_runs.CERVIX]
  head = ["method", "source", "accuracy", "balanced accuracy"]
  member = {"name": "SE", "state": "finished", "error": ""}
  return {
    "rows": [
      {"name": "SE", "members": [member], "epochs": 2.0, "epochs_on": "validation"}
    ],
    "tables": [
      {"title": "own", "head": ["variant", "mean"], "rows": []},
      {"title": "Table I", "head": head, "rows": rows},
    ],
    "figures": {"matrices": "", "curves": "", "pareto": "", "differences": ""},
  }


def test_a_whole_study_lacks_nothing(content):
  assert study_runs.lacks("cervix", content) == []


@pytest.mark.parametrize(
  "change,says",
  [
    (lambda c: c["tables"][1]["rows"].pop(2), "rows "),
    (lambda c: c["tables"][1]["rows"].reverse(), "rows "),
    (lambda c: c["tables"][1]["head"].remove("accuracy"), "columns ['accuracy']"),
    (lambda c: c["tables"].pop(), "table 1 of the paper's"),
    (lambda c: c["tables"][1]["rows"][0].__setitem__(2, "–"), "no number in row Pliss"),
    (lambda c: c["figures"].pop("matrices"), "picture matrices"),
    (lambda c: c["rows"][0].update(epochs=None), "epochs to within 1 %"),
    (lambda c: c["rows"][0]["members"][0].update(state="failed"), "SE failed"),
  ],
)
def test_what_lacks_is_named(content, change, says):
  changed = copy.deepcopy(content)
  change(changed)
  (found,) = study_runs.lacks("cervix", changed)
  assert says in found

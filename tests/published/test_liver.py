"""The audit of the liver paper: its tables follow from whole images, bar one typo."""

import numpy as np
import pytest

from histojax import published
from histojax.errors import InputError
from histojax.published import liver

MODELS = list(liver.TABLE5)
TEST = np.array(liver.TABLE3["test"])


def test_table_3_is_36_rotations_of_whole_images():
  raw = np.array(liver.TABLE3["raw"])
  np.testing.assert_array_equal(raw, np.array(liver.SLIDES) * liver.FIELDS_PER_SLIDE)
  np.testing.assert_array_equal(liver.TABLE3["augmented"], raw * liver.ROTATIONS)
  np.testing.assert_array_equal(TEST, raw // 5 * liver.ROTATIONS)  # floor(0.2 n)
  np.testing.assert_array_equal(liver.TABLE3["train"], (raw - raw // 5) * 36)
  assert (raw // 5 % liver.FIELDS_PER_SLIDE != 0).all(), "slides could be whole"
  assert TEST.sum() == 3132


@pytest.mark.parametrize("model", MODELS)
def test_table_5_follows_from_counts(model):
  hit = np.array(liver.TRUE_POSITIVES[model])
  expected = [*(100 * hit / TEST), 100 * hit.sum() / TEST.sum()]
  np.testing.assert_array_equal(np.round(expected, 2), liver.TABLE5[model])


@pytest.mark.parametrize("model", MODELS)
def test_table_6_follows_from_counts(model):
  hit, said = np.array(liver.TRUE_POSITIVES[model]), np.array(liver.PREDICTED[model])
  assert said.sum() == TEST.sum()
  found = {
    "precision": 100 * hit / said,
    "recall": 100 * hit / TEST,
    "f1": 200 * hit / (said + TEST),
  }
  for metric, values in found.items():
    right = [liver.corrected(model, metric, i) for i in range(3)]
    np.testing.assert_allclose(values, right, rtol=0, atol=0.00501, err_msg=metric)


def test_f1_follows_from_precision_and_recall_but_for_the_typo():
  wrong = []
  for model in MODELS:
    p, r, f1 = (np.array(liver.TABLE6[model][m]) for m in ("precision", "recall", "f1"))
    far = np.abs(2 * p * r / (p + r) - f1) > 0.006
    wrong += [(model, "recall", liver.CLASSES[i]) for i in np.flatnonzero(far)]
  assert wrong == list(liver.TYPOS)
  p, r = 92.02, liver.corrected("SENet", "recall", 0)
  assert abs(2 * p * r / (p + r) - 95.11) < 0.006


def test_row_is_corrected_and_says_what_to_doubt():
  row = published.find("liver/SENet")
  assert row["accuracy"] == 0.9527 and row["balanced_accuracy"] == 0.9543
  assert row["per_class"][0] == {
    "class": "poor",
    "precision": 0.9202,
    "recall": 0.9841,
    "f1": 0.9511,
  }
  said = " ".join(row["caveats"])
  assert "99.41" in said and "both sides" in said and row["doi"] == liver.DOI
  assert "99.41" not in " ".join(published.find("liver/VGG16")["caveats"])


@pytest.mark.parametrize("key", ["liver/SEnet", "lever/SENet", "liver", ""])
def test_unknown_rows_are_refused(key):
  with pytest.raises(InputError):
    published.find(key)

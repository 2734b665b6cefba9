"""At which images a run looks, besides those that train: to choose, and to report."""

import numpy as np

from histojax.data import handout, splits
from histojax.errors import InputError, nearest
from histojax.milestones import SELECT_ON


def test_rotations(augment) -> int:
  """At how many angles a test image is looked at: all of training's, or as told."""
  return augment.get("test_rotations", augment.rotations)


def check_selection(config, split) -> None:
  """Raises InputError where `select_on` names nothing that this split has."""
  if config.select_on not in SELECT_ON:
    known = nearest(config.select_on, SELECT_ON)
    raise InputError(f"select_on={config.select_on!r}: {known}")
  if config.select_on == "validation" and not len(split.validation):
    raise InputError(
      "select_on=validation, but the split has no validation part: set"
      " split.validation_fraction, split.protocol=grouped, or select_on=last"
    )


def curve(config, plan, split, test, predict):
  """(step, state) -> the views that draw the learning curve and choose a checkpoint.

  Validation images are looked at upright. `select_on=test` is the papers' habit: the
  whole rotated test set chooses, which is written down each time. `last` looks at
  nothing: None.
  """

  def on_validation(step, state):
    return predict(state, split.validation, 1)

  def on_test(step, state):
    why = handout.CHOOSING.format(step / plan.steps_per_epoch)
    with test.handed_out(why, step) as whole:
      return predict(state, whole.test, test_rotations(config.augment))

  return {"validation": on_validation, "test": on_test}.get(config.select_on)


def parts_beside_test(config, split) -> dict[str, np.ndarray]:
  """The rows of `evaluate_parts` ('train|validation|test') other than the test part.

  The reported state is scored on them too, each image upright and as it is.
  """
  rows, found = split.parts(), {}
  for part in filter(None, config.get("evaluate_parts", "test").split("|")):
    if part not in splits.PARTS:
      raise InputError(f"evaluate_parts names {part!r}: {nearest(part, splits.PARTS)}")
    if part == "test":
      continue
    if not len(rows[part]):
      raise InputError(
        f"evaluate_parts names {part}, but the split has no such part: set"
        " split.validation_fraction, or leave it out"
      )
    found[part] = rows[part]
  return found

"""What a synthetic slide is made of: its grade, and its habits whatever the grade.

The grades follow the descriptions of Edmondson and Steiner (1954) and of the WHO:
well = plates of one to three cells with small round even nuclei; moderate = broader
trabeculae with pseudoglandular spaces and larger nuclei; poor = solid sheets of large
uneven nuclei that fill much of their cells, with mitoses and giant cells.

Lengths are micrometres. The sizes are exaggerated a little, so that the grades remain
visible to a network that sees a field at 64 pixels.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Grade:
  """What sets one grade apart; lengths in um."""

  plate: tuple[float, float]  # distance from sinusoid to sinusoid, low and high
  sinusoids: float  # share of the sinusoid network that is open
  glands: tuple[int, int]  # pseudoglandular spaces per field, low and high
  radius: float  # mean nuclear radius
  spread: float  # log-scale spread of the radius within a slide
  spacing: float  # distance between the centres of neighbouring nuclei
  giants: float  # share of giant nuclei
  irregular: float  # departure of the nuclear outline from an ellipse
  aspect: float  # mean excess of the long axis over the short one
  chromatin: float  # mean density: paler where nuclei crowd, see `synthesis`
  unevenness: float  # log-scale spread of the density between nuclei
  clumps: float  # coarseness of the chromatin
  nucleolus: float  # radius of the nucleolus
  mitoses: float  # mitotic figures per field
  cytoplasm: float  # haematoxylin in the cytoplasm


GRADES = {
  "poor": Grade(
    plate=(150, 190), sinusoids=0.35, glands=(0, 0), radius=7.1, spread=0.20,
    spacing=19.2, giants=0.04, irregular=0.10, aspect=0.30, chromatin=0.68,
    unevenness=0.28, clumps=0.32, nucleolus=1.25, mitoses=1.4, cytoplasm=0.09,
  ),
  "moderate": Grade(
    plate=(54, 70), sinusoids=0.95, glands=(5, 8), radius=4.75, spread=0.10,
    spacing=14.0, giants=0.0, irregular=0.05, aspect=0.16, chromatin=0.77,
    unevenness=0.24, clumps=0.24, nucleolus=0.9, mitoses=0.25, cytoplasm=0.115,
  ),
  "well": Grade(
    plate=(20, 25), sinusoids=1.0, glands=(0, 0), radius=3.2, spread=0.06,
    spacing=11.3, giants=0.0, irregular=0.025, aspect=0.07, chromatin=0.80,
    unevenness=0.22, clumps=0.18, nucleolus=0.6, mitoses=0.0, cytoplasm=0.125,
  ),
}  # fmt: skip


def spread(rng: np.random.Generator, scale, shape=None):
  """A factor around 1, log-normal, without the tails no laboratory would release."""
  return np.exp(scale * np.clip(rng.standard_normal(shape), -1.6, 1.6))


@dataclasses.dataclass(frozen=True)
class Habit:
  """What varies from slide to slide whatever the grade."""

  plate: float  # place between the grade's low and high plate width, 0..1
  size: float  # factor on every nuclear radius
  spacing: float  # factor on the distance between nuclei
  density: float  # factor on the chromatin
  basophilia: float  # factor on the haematoxylin of the cytoplasm
  patchiness: float  # how much that differs from cell to cell and place to place
  borders: float  # how well the borders between hepatocytes show
  clearing: float  # pale, glycogen-rich patches of cytoplasm, 0..1
  plasma: float  # eosin of what fills sinusoids and glands
  blood: float  # share of the sinusoids packed with red cells
  opening: float  # half width of a sinusoid, um
  spaces: float  # share of the field taken by sinusoids, glands and vessels together
  fat: float  # vacuoles per field
  clefts: float  # extent of the shrinkage clefts
  stroma: float  # probability of a fibrous band in a field
  inflammation: float  # lymphocytes per field

  @classmethod
  def draw(cls, rng: np.random.Generator) -> "Habit":
    return cls(
      plate=rng.uniform(),
      size=spread(rng, 0.04),
      spacing=spread(rng, 0.15),
      density=spread(rng, 0.29),
      basophilia=spread(rng, 0.45),
      patchiness=rng.uniform(0.2, 0.65),
      borders=rng.uniform(0.05, 0.30),
      clearing=rng.beta(0.8, 1.6),
      plasma=rng.uniform(0.02, 0.26),
      blood=rng.beta(0.8, 1.8),
      opening=rng.uniform(1.2, 1.9),
      spaces=rng.uniform(0.10, 0.16),
      fat=float(rng.choice([0.0, 2.0, 6.0, 14.0]) * rng.uniform(0.6, 1.4)),
      clefts=rng.choice([0.0, 0.3, 0.7, 1.5]),
      stroma=rng.uniform(0.0, 0.7),
      inflammation=5.0 * spread(rng, 1.0),
    )

"""A map of test images by what the network makes of them: alike lie near each other."""

import numpy as np

from histojax.evaluation import canvas
from histojax.evaluation.canvas import FAINT, WIDTH, colour, short

MOST = 1000  # images on a map; more are a blot on a phone, and take a minute
_KEPT = 50  # components from which neighbours are found
_STEPS = 500


def coordinates(features, seed: int = 0) -> np.ndarray:
  """A place float64 [N, 2] for each of `features` [N, C], N >= 2: the same each time.

  Principal components, then t-SNE of the first 50 of them (van der Maaten & Hinton,
  "Visualizing Data using t-SNE", JMLR 2008), begun from the first two. Fewer than ten
  images have no neighbourhoods: their place is the two components themselves.
  """
  from sklearn.decomposition import PCA
  from sklearn.manifold import TSNE
  from threadpoolctl import threadpool_limits

  x = np.asarray(features, np.float64)
  if not np.ptp(x, axis=0).any():
    return np.zeros((len(x), 2))
  with threadpool_limits(1):  # threads would add in any order: other bits
    components = PCA(min(_KEPT, *x.shape), svd_solver="randomized", random_state=seed)
    kept = components.fit_transform(x)
    kept = np.pad(kept, ((0, 0), (0, max(0, 2 - kept.shape[1]))))
    if len(x) < 10:
      return kept[:, :2]
    look = {"init": kept[:, :2] / kept[:, 0].std() * 1e-4, "max_iter": _STEPS}
    look |= {"perplexity": min(30, (len(x) - 1) / 3), "random_state": seed}
    return TSNE(**look).fit_transform(kept).astype(np.float64)


@canvas.style()
def embedding(path, place, label, prediction, classes, *, synthetic: bool):
  """Images at `place` [N, 2] in the colours of label [N]; around errors, a ring in the
  colour of what they were taken for."""
  from matplotlib.lines import Line2D

  place, label, prediction = map(np.asarray, (place, label, prediction))
  wrong = label != prediction
  wide, high = np.maximum(np.ptp(place, axis=0), 1e-9)
  rows = -(-(len(classes) + 1) // 2)
  tall = np.clip((WIDTH - 0.2) * high / wide, 2.4, 4.8)
  figure = canvas.figure(WIDTH, tall + 0.19 * rows + 0.15)
  axes = figure.add_subplot()
  size = 26 if len(label) <= 300 else 12 if len(label) <= 1000 else 7
  tints = np.array([colour(k)[0] for k in range(len(classes))])
  axes.scatter(*place.T, size, tints[label], alpha=0.8, lw=0)
  ring = {"facecolors": "none", "lw": 1.3, "zorder": 3}
  axes.scatter(*place[wrong].T, 4 * size, edgecolors=tints[prediction[wrong]], **ring)
  axes.set(xticks=(), yticks=())
  axes.spines[:].set_color("#e3e7ea")
  axes.spines[:].set_visible(True)
  axes.margins(0.06)
  axes.set_aspect("equal", "datalim")
  look = {"ls": "", "marker": "o", "ms": 6}
  held = [
    Line2D([], [], color=tint, label=short(name, 24), **look)
    for name, tint in zip(classes, tints, strict=True)
  ]
  told = f"errors ({wrong.sum():,}): ring, the answer"
  look |= {"mfc": "none", "mec": FAINT, "mew": 1.3, "ms": 8}
  held.append(Line2D([], [], label=told, **look))
  look = {"loc": "outside lower left", "ncols": 2, "handletextpad": 0.1}
  figure.legend(handles=held, **look)
  return canvas.save(figure, path, synthetic)

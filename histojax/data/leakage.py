"""The leakage audit: what stands on both sides of a split, before anything trains.

Groups, images with the same pixels, near-duplicates (`copies`), and beside them what
else makes a score mean less than it seems: classes and groups of very unequal size, and
parts that are stained differently. Sides are what is tested and what is not: what
chooses an epoch is trained on, in a way.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np

from histojax.data import copies, stains
from histojax.data.discs import SIDE, small
from histojax.data.splits import Split
from histojax.data.tiles import Tiles

FORMAT = 1  # changes with what is found
NAMED = 10  # pairs and groups given by name
_TURNED = 5.0  # degrees; below it a copy counts as upright


def audit(
  tiles: Tiles,
  split: Split | None = None,
  files: Callable = lambda image_ids: {},
  advance: Callable = lambda count: None,
) -> dict:
  """Audits the images, and a split of them where there is one.

  Args:
    files: {image_id: digest of its file} of the images named, those with the same
      pixels as another.
    advance: called with how many images are done, 2 N in all.

  Returns:
    images; groups; classes [{class, images, groups}]; imbalance (the largest class over
    the smallest); images_per_group {least, median, most}; shared_groups {count, first};
    identical and near: clusters, images (in them), across (clusters on both sides),
    test_images (with a copy on the other side), labels_differ (clusters of several
    classes); of identical `same_files` (images whose file is another's, byte by byte);
    of near, whose clusters hold the identical too, `blank` (too empty to tell),
    `across_turned` (pairs on both sides turned, mirrored or zoomed: augmented copies)
    and `pairs`, the surest of the first clusters; stain (`stains.compare`).
  """
  tested = np.zeros(len(tiles), bool)
  if split is not None:
    tested[split.test] = True
  pictures = np.empty((len(tiles), SIDE, SIDE, 3), np.uint8)
  colour = np.empty((len(tiles), len(stains.CHANNELS)))
  for row, (height, width) in enumerate(tiles.extent):
    image = tiles.image[row, :height, :width]
    pictures[row], colour[row] = small(image), stains.measure(image)
    advance(1)

  number = {}  # of each different image, in the order of the rows
  same = np.array([number.setdefault(d, len(number)) for d in tiles.digest], int)
  _, first = np.unique(same, return_index=True)
  sides = tested[first] if split is not None else None
  pairs, blank = copies.find(pictures[first], sides, advance)
  pairs = [_with_rows(pair, first) for pair in pairs]
  advance(len(tiles) - len(first))
  joined = [*enumerate(first[same]), *pairs]
  near = clusters(len(tiles), joined)
  across = [pair for pair in pairs if tested[pair.a] != tested[pair.b]]
  within = [pair for pair in pairs if tested[pair.a] == tested[pair.b]]
  best = {}  # of each cluster the surest pair, those on both sides first
  for pair in across + within:
    best.setdefault(int(near[pair.a]), pair)

  parts = {"all": np.arange(len(tiles))}
  if split is not None:
    parts = {part: rows for part, rows in split.parts().items() if len(rows)}
  return {
    **_sizes(tiles),
    "shared_groups": _shared_groups(tiles, tested),
    "identical": _clustered(tiles, same, tested)
    | {"same_files": _same_files(tiles, same, files)},
    "near": _clustered(tiles, near, tested)
    | {
      "blank": int(blank[same].sum()),
      "across_turned": sum(map(_turned, across)),
      "pairs": [_named(tiles, tested, pair) for pair in [*best.values()][:NAMED]],
    },
    "stain": stains.compare(colour, tiles.label, tiles.classes, parts),
  }


def leaks(found: dict, unit: str = "group") -> list[str]:
  """What stands on both sides, one phrase each: '3 slides'; none where nothing does."""
  near, same = found["near"], found["identical"]
  rows = (
    (found["shared_groups"]["count"], unit),
    (same["across"], "image", "with the same pixels"),
    (near["across"], "cluster", "of near-duplicates"),
  )
  return [counted(*row) for row in rows if row[0]]


def clusters(n: int, pairs) -> np.ndarray:
  """int [n]: a number for each of n images, the same for all that pairs connect."""
  parent = list(range(n))

  def root(i):
    while parent[i] != i:
      parent[i] = parent[parent[i]]
      i = parent[i]
    return i

  for a, b, *_ in pairs:
    a, b = sorted((root(int(a)), root(int(b))))
    parent[b] = a
  return np.array([root(i) for i in range(n)], int)


def counted(count: int, noun: str, rest: str = "") -> str:
  """'1 cluster of copies', '2 clusters of copies'."""
  return f"{count:,} {noun}{'s' * (count != 1)} {rest}".rstrip()


def _with_rows(pair: copies.Pair, rows: np.ndarray) -> copies.Pair:
  return pair._replace(a=int(rows[pair.a]), b=int(rows[pair.b]))


def _turned(pair: copies.Pair) -> bool:
  upright = min(pair.angle, 360 - pair.angle) < _TURNED
  return not upright or pair.mirrored or pair.zoom > 1


def _sizes(tiles: Tiles) -> dict:
  counts = np.bincount(tiles.label, minlength=len(tiles.classes))
  groups = sorted(Counter(tiles.group).values())
  return {
    "images": len(tiles),
    "groups": len(groups),
    "classes": [
      {
        "class": name,
        "images": int(counts[k]),
        "groups": len(set(tiles.group[tiles.label == k])),
      }
      for k, name in enumerate(tiles.classes)
    ],
    "imbalance": float(counts.max() / counts.min()) if counts.min() else None,
    "images_per_group": {
      "least": groups[0],
      "median": float(np.median(groups)),
      "most": groups[-1],
    },
  }


def _shared_groups(tiles: Tiles, tested: np.ndarray) -> dict:
  shared = sorted(set(tiles.group[tested]) & set(tiles.group[~tested]))
  return {"count": len(shared), "first": shared[:NAMED]}


def _clustered(tiles: Tiles, cluster: np.ndarray, tested: np.ndarray) -> dict:
  """Of `cluster` [N], only those of several images."""
  size = np.bincount(cluster)
  both = np.bincount(cluster, tested) * (size - np.bincount(cluster, tested)) > 0
  classes = np.unique(np.stack([cluster, tiles.label]), axis=1)[0]
  return {
    "clusters": int((size > 1).sum()),
    "images": int(size[size > 1].sum()),
    "across": int(both.sum()),
    "test_images": int((both[cluster] & tested).sum()),
    "labels_differ": int((np.bincount(classes) > 1).sum()),
  }


def _same_files(tiles: Tiles, same: np.ndarray, files: Callable) -> int:
  several = np.bincount(same)[same] > 1
  counts = Counter(files(tiles.image_id[several].tolist()).values())
  return sum(count for count in counts.values() if count > 1)


def _named(tiles: Tiles, tested: np.ndarray, pair: copies.Pair) -> dict:
  ids, label = tiles.image_id, tiles.label
  return {
    "images": [str(ids[pair.a]), str(ids[pair.b])],
    "classes": [tiles.classes[label[pair.a]], tiles.classes[label[pair.b]]],
    "tested": [bool(tested[pair.a]), bool(tested[pair.b])],
    "angle": round(pair.angle, 2),
    "mirrored": pair.mirrored,
    "zoom": round(pair.zoom, 2),
    "score": round(pair.score, 1),
  }

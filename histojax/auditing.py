"""The leakage audit of a run: made once for a split, kept, shown, and acted upon."""

import hashlib
import json
from pathlib import Path

import numpy as np

from histojax import atomic, console, processes
from histojax.data import cache, leakage
from histojax.data import tiles as tile_cache
from histojax.errors import InputError, nearest

ON_LEAK = ("refuse", "warn")
PICTURE = "near_duplicates.png"
CLEAR, FEW = 0.8, 10  # Cohen's d and test images from which a shift of stain is said
_SHOWN = 128  # pixels, of an image in the picture of pairs


def audit(dataset, tiles, split) -> tuple[dict, Path]:
  """`leakage.audit`, made before or now, and the folder that keeps it.

  The folder holds audit.json and, where there are near-duplicates, near_duplicates.png:
  the pairs that audit.json names, one below the other.
  """
  parts = {part: rows.tolist() for part, rows in split.parts().items()}
  known = [leakage.FORMAT, parts, tiles.label.tolist(), tiles.extent.tolist()]
  known += [tiles.classes, *(getattr(tiles, k).tolist() for k in tile_cache.TEXTS)]
  key = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]

  def build(folder):
    def files(image_ids):
      return tile_cache.file_digests(dataset, image_ids)

    with console.Progress(2 * len(tiles), "looking for copies", "image") as progress:
      found = leakage.audit(tiles, split, files, progress.advance)
    _draw(tiles, found["near"]["pairs"], folder / PICTURE)
    atomic.write(folder / "audit.json", (json.dumps(found, indent=1) + "\n").encode())

  folder = cache.kept(cache.cache_root() / "audits" / key, build)
  return json.loads((folder / "audit.json").read_text()), folder


def check(config, dataset, tiles, designs) -> None:
  """Audits the split, or the folds, that a run is about to use, and says what leaks.

  Raises:
    InputError: something does, and `config.split` says on_leak=refuse.
  """
  on_leak = config.split.get("on_leak", "warn")
  if on_leak not in ON_LEAK:
    raise InputError(f"split.on_leak={on_leak!r}: {nearest(on_leak, ON_LEAK)}")
  for i, split in enumerate(designs):
    fold = f"fold {i}: " if len(designs) > 1 else ""
    with processes.first_then_others():
      found, folder = audit(dataset, tiles, split)
    say_copies(found, folder, fold)
    if on_leak == "refuse":
      refuse(found, dataset.group_name, fold)


def refuse(found: dict, unit: str, fold: str = "") -> None:
  """InputError where anything stands on both sides."""
  if told := sentence(found, unit):
    raise InputError(
      f"split.on_leak=refuse, but {fold}{told}: take the copies out, keep groups"
      " together with --config.split.protocol=grouped, or set"
      " --config.split.on_leak=warn"
    )


def show(config, dataset, tiles, designs) -> None:
  """What --mode=audit_data prints: everything the audit finds, of each split.

  Raises:
    InputError: as `check`.
  """
  from rich.table import Table

  for i, split in enumerate(designs):
    found, folder = audit(dataset, tiles, split)
    if len(designs) > 1:
      console.say(f"fold {i}", "bold")
    if found["groups"] < len(tiles):
      per = found["images_per_group"]
      console.say(
        f"images per {dataset.group_name}: {per['least']:,} to {per['most']:,}, median"
        f" {per['median']:g}"
      )
    ratio = found["imbalance"]
    console.say(f"the largest class is {ratio:.1f} times the smallest" if ratio else "")
    same = found["identical"]
    console.say(
      f"{same['images']:,} images have the pixels of another, {same['same_files']:,} of"
      f" them its very bytes ({same['across']:,} on both sides of train | test)"
    )
    say_copies(found, folder)
    pairs = found["near"]["pairs"]
    table = Table("image", "", "and image", "", "turned", "zoom", "odds", box=None)
    for name in (table.columns[0], table.columns[2]):
      name.overflow = "fold"  # a name cut short is no name
    for pair in pairs:
      sides = ["test" if tested else "train" for tested in pair["tested"]]
      turned = f"{pair['angle']:g}°" + ", mirrored" * pair["mirrored"]
      cells = [f for row in zip(pair["images"], sides, strict=True) for f in row]
      table.add_row(*cells, turned, f"{pair['zoom']:g}", f"e^{pair['score']:g}")
    if pairs:
      console.show(table)
    _show_stain(found["stain"])
    what = sentence(found, dataset.group_name)
    console.say(what or "nothing stands on both sides of train | test", "bold")
    console.say(f"all of it: {folder / 'audit.json'}")
    if config.split.get("on_leak", "warn") == "refuse":
      refuse(found, dataset.group_name)


def sentence(found: dict, unit: str) -> str:
  """'37 slides and 2 clusters ... stand on both sides, as a.png and b.png'; or ''."""
  leaks = leakage.leaks(found, unit)
  if not leaks:
    return ""
  pairs = [pair for pair in found["near"]["pairs"] if len(set(pair["tested"])) == 2]
  named = f", as {' and '.join(pairs[0]['images'])}" if pairs else ""
  verb = "stands" if len(leaks) == 1 and leaks[0].startswith("1 ") else "stand"
  return f"{' and '.join(leaks)} {verb} on both sides of train | test{named}"


def notes(found: dict) -> list[str]:
  """What a report must say of it; groups that are shared, it says already."""
  told, near = [], found["near"]
  if near["across"]:
    told.append(
      f"{leakage.counted(near['test_images'], 'test image')}"
      f" {'has' if near['test_images'] == 1 else 'have'} a copy or near-duplicate among"
      f" those that train or choose ({leakage.counted(near['across'], 'cluster')},"
      f" {leakage.counted(near['across_turned'], 'pair')}"
      " turned, mirrored or zoomed): the score is too good."
    )
  if differ := near["labels_differ"]:
    clusters = leakage.counted(differ, "cluster", "of copies")
    told.append(f"{clusters} {'carries' if differ == 1 else 'carry'} several classes.")
  if blank := near["blank"]:
    verb = "is" if blank == 1 else "are"
    told.append(
      f"{leakage.counted(blank, 'image')} {verb} too blank to be told from copies."
    )
  shift = found["stain"]["largest_shift"]
  if shift and abs(shift["d"]) >= CLEAR and _tested(found, shift) >= FEW:
    told.append(
      f"The test images of {shift['class']} differ in {shift['channel']} from the"
      f" others by {abs(shift['d']):.1f} standard deviations: the parts are not"
      " stained alike."
    )
  return told


def _tested(found: dict, shift: dict) -> int:
  return found["stain"]["parts"]["test"][shift["class"]]["images"]


def picture(kept: Path, folder) -> Path | None:
  """Puts the picture of the pairs into a run folder; None where there are none."""
  drawn = kept / PICTURE
  if not drawn.exists():
    return None
  target = folder.figures / PICTURE
  atomic.write(target, drawn.read_bytes())
  return target


def say_copies(found: dict, folder: Path, fold: str = "") -> None:
  """One line on near-duplicates, in red where they are on both sides."""
  near = found["near"]
  text = (
    f"{fold}{leakage.counted(near['clusters'], 'cluster', 'of near-duplicates')}"
    f" ({near['images']:,} images), {near['across']:,} of them on both sides of"
    " train | test"
  )
  if near["across"]:
    text += f" ({leakage.counted(near['test_images'], 'test image')}; see {folder})"
  console.say(text, "bold red" if near["across"] else "")
  if near["labels_differ"]:
    console.warn(f"clusters that carry several classes: {near['labels_differ']:,}")


def _show_stain(stain: dict) -> None:
  from rich.table import Table

  table = Table("part", "class", "images", *stain["channels"], box=None)
  for part, classes in stain["parts"].items():
    for name, row in classes.items():
      if row["sd"]:
        cells = [f"{mean:.3g}" for mean in row["mean"]]
        table.add_row(part, name, f"{row['images']:,}", *cells)
  console.show(table)
  for key, what in (
    ("between_classes", "colour alone sets apart most"),
    ("largest_shift", "the test part is stained otherwise most in"),
  ):
    if row := stain[key]:
      names = row.get("class") or " and ".join(row["classes"])
      console.say(f"{what}: {names}, {row['channel']}, d = {row['d']:.2f}")


def _draw(tiles, pairs, path: Path) -> None:
  """A PNG of the named pairs, the two images of one beside each other."""
  from PIL import Image

  if not pairs:
    return
  row_of = {name: i for i, name in enumerate(tiles.image_id)}
  sheet = np.full((len(pairs) * (_SHOWN + 4), 2 * _SHOWN + 4, 3), 255, np.uint8)
  for i, pair in enumerate(pairs):
    for j, name in enumerate(pair["images"]):
      row = row_of[name]
      height, width = tiles.extent[row]
      picture = Image.fromarray(np.asarray(tiles.image[row, :height, :width]))
      picture = picture.resize((_SHOWN, _SHOWN), Image.Resampling.BILINEAR)
      top, left = i * (_SHOWN + 4), j * (_SHOWN + 4)
      sheet[top : top + _SHOWN, left : left + _SHOWN] = picture
  Image.fromarray(sheet).save(path)

"""The official trials of BreakHis: lists that say of each image whether it tests.

`mkfold.tar.gz` of the data set's page holds `dsfold1.txt` to `dsfold5.txt`, with rows
`SOB_B_A-14-22549AB-40-001.png|40|1|train`: name, magnification, trial, part. About 70 %
of the slides train and 30 % test; the copy of slide 13412 stands on both sides.
"""

from pathlib import Path, PurePosixPath

from histojax.data.listing import Item
from histojax.data.names import shown
from histojax.errors import InputError

TRIALS = 5


def mark(
  items: list[Item], path: str, trial: int, magnification: str
) -> tuple[list[Item], str]:
  """The items with `split` set to train or test, and a sentence about it.

  Raises:
    InputError: no such list, a row that is none, or an image that it does not name.
  """
  file = _file(path, trial)
  parts = _read(file)
  missing = [item.image_id for item in items if _stem(item.image_id) not in parts]
  if missing:
    raise InputError(
      f"{file} does not name {shown(missing[0])}"
      + f", nor {len(missing) - 1:,} others" * (len(missing) > 1)
      + ": take the list of these images, or leave data.fold_list empty"
    )
  here = {_stem(item.image_id) for item in items}
  listed = [k for k, (size, _) in parts.items() if magnification in ("all", size)]
  absent = len(set(listed) - here)
  marked = [item._replace(split=parts[_stem(item.image_id)][1]) for item in items]
  tests = sum(item.split == "test" for item in marked)
  note = (
    f"Parts as {file.name} says: {len(marked) - tests:,} images train, {tests:,} test"
  )
  return marked, note + f" ({absent:,} that it names are not here)." * bool(absent) + (
    "." * (not absent)
  )


def _stem(name: str) -> str:
  return PurePosixPath(name).stem


def _file(path: str, trial: int) -> Path:
  file = Path(path).expanduser()
  if file.is_dir():
    if not 1 <= trial <= TRIALS:
      raise InputError(f"data.trial={trial}: must be 1 to {TRIALS}, of {file}")
    file = file / f"dsfold{trial}.txt"
  if not file.is_file():
    raise InputError(
      f"data.fold_list: no such file: {file}; expected one of dsfold1.txt to"
      f" dsfold{TRIALS}.txt of mkfold.tar.gz, or the folder of them"
    )
  return file


def _read(file: Path) -> dict[str, tuple[str, str]]:
  """{stem: (magnification, train or test)}."""
  try:
    text = file.read_text()
  except (OSError, UnicodeDecodeError) as error:
    raise InputError(f"data.fold_list: cannot read {file}: {error}") from error
  found = {}
  for number, line in enumerate(text.splitlines(), 1):
    if not line.strip():
      continue
    cells = [cell.strip() for cell in line.split("|")]
    if len(cells) != 4 or cells[3] not in ("train", "test"):
      raise InputError(
        f"{file}, line {number}: expected <file>|<magnification>|<trial>|train or test,"
        f" not {shown(line)}"
      )
    row = cells[1].removesuffix("X"), cells[3]
    if found.setdefault(_stem(cells[0]), row) != row:
      raise InputError(f"{file}, line {number}: {shown(cells[0])} is listed twice")
  return found

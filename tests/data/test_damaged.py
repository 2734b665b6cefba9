"""A seeded campaign of mutated files through the pipeline that every run takes."""

import collections
import io
import json
import os
import subprocess
import sys
import threading

import encoded
import mutate
import numpy as np
import pytest
from conftest import ROOT, SHARED_DATA
from PIL import Image
from test_tiles import prepare

from histojax.errors import InputError

REAL = {  # class: what is taken; the formats differ, as do the sizes
  "polyp": "crc_polyp5_flagy/images/**/*.jpg",
  "tissue": "nct_crc_partial/**/*.tif",
  "cell": "malaria_nih_patients/**/*.png",
}
KINDS = {
  "empty", "not an image", "bad header", "truncated", "corrupt", "bad checksum",
  "animated", "several pages", "not 8 or 16 bit", "dark 16 bit", "too large",
}  # fmt: skip
SECONDS = 10  # no file may take longer


def originals() -> dict[str, list[bytes]]:
  """{class: encoded images}, real ones where they are."""
  found = {}
  for seed, (name, pattern) in enumerate(REAL.items()):
    paths = sorted(SHARED_DATA.glob(pattern))[:12]
    kind = ("JPEG", "TIFF", "PNG")[seed]
    drawn = (encoded.save(encoded.picture(64, 60, seed + i), kind) for i in range(12))
    found[name] = [path.read_bytes() for path in paths] or list(drawn)
  return found


def write(root, count: int, seed: int = 0) -> dict[str, dict]:
  """Writes untouched images and `count` mutants. {image_id: what was done to what}."""
  images, done = originals(), {}
  every = [data for found in images.values() for data in found]
  owner = [name for name, found in images.items() for _ in found]
  pixels = [np.asarray(Image.open(io.BytesIO(d)).convert("RGB")) for d in every]
  for i, (name, data) in enumerate(zip(owner, every, strict=True)):
    (root / name).mkdir(parents=True, exist_ok=True)
    image_id = f"{name}/whole{i}.{mutate.suffix(data)}"
    (root / image_id).write_bytes(data)
    done[image_id] = {"mutation": "untouched", "of": pixels[i]}
  for i in range(count):
    mutation, chosen, suffix, data = mutate.mutant(i, every, pixels, seed)
    image_id = f"{owner[chosen]}/{i:04d}.{suffix}"
    (root / image_id).write_bytes(data)
    done[image_id] = {"mutation": mutation, "of": pixels[chosen]}
  return done


def check(found, done) -> collections.Counter:
  """Checks every file's fate; counts them as (mutation, outcome)."""
  left_out = {row.image_id: row for row in found.skipped}
  assert set(left_out) | set(found.image_id) == set(done)
  assert not set(left_out) & set(found.image_id)
  table = collections.Counter()
  for image_id, row in left_out.items():
    mutation = done[image_id]["mutation"]
    assert row.kind in KINDS and row.why and "\n" not in row.why, row
    assert mutation not in ("untouched", "other extension", *mutate.SAME), row
    table[mutation, row.kind] += 1
  for i, image_id in enumerate(found.image_id):
    mutation, original = done[image_id]["mutation"], done[image_id]["of"]
    assert found.classes[found.label[i]] == image_id.split("/")[0]
    height, width = found.extent[i]
    seen = found.image[i, :height, :width]
    same = seen.shape == original.shape and (seen == original).all()
    if mutation in ("untouched", "other extension", "concatenate", *mutate.SAME):
      assert same, (image_id, mutation)
    assert mutation not in mutate.REFUSED and mutation not in mutate.NONSENSE, image_id
    table[mutation, "read, same pixels" if same else "read, other pixels"] += 1
    assert not found.image[i, height:].any() and not found.image[i, :, width:].any()
  return table


def refuse(root, image_id, cache) -> None:
  """That file alone among whole ones: one sentence with its name, and no cache."""
  for path in (root / "refuse").glob("*/bad*"):
    path.unlink()
  name, file = image_id.split("/")
  bad = root / "refuse" / name / f"bad{file}"
  for path in root.glob("images/*/whole*"):
    target = root / "refuse" / path.parent.name / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.exists() or target.write_bytes(path.read_bytes())
  bad.write_bytes((root / "images" / image_id).read_bytes())
  before = set(cache.glob("tiles/*"))
  with pytest.raises(
    InputError, match=f"cannot read image {name}/bad{file}: "
  ) as caught:
    prepare(root / "refuse")
  assert "\n" not in str(caught.value)
  assert set(cache.glob("tiles/*")) == before


def test_sixty_mutants(tmp_path, cache, capfd):
  done = write(tmp_path / "images", count=60)
  found = prepare(tmp_path / "images", on_error="skip")
  table = check(found, done)
  assert sum(table.values()) == len(done)
  outcomes = {outcome for _, outcome in table}
  assert outcomes >= {"read, same pixels", "read, other pixels", "truncated", "empty"}
  for row in found.skipped[::8]:
    refuse(tmp_path, row.image_id, cache)
  said = capfd.readouterr()
  assert not said.err and not said.out, "Pillow or a C library spoke"


ALONE = """
import resource, sys, time
from pathlib import Path
from histojax.data import decode
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
with decode.quiet():
  for path in sorted(Path(sys.argv[1]).glob("*/*")):
    print(path, end=" ", flush=True)
    begun = time.perf_counter()
    try:
      decode.rgb(path.read_bytes())
    except decode.Unreadable:
      pass
    print(time.perf_counter() - begun, flush=True)
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_thousand_mutants(tmp_path, cache, capsys):
  """Prints the table of outcomes: run with -s."""
  images = tmp_path / "images"
  done = write(images, count=1000)

  # each alone, in a process of little memory: no hang, no crash, no blow-up
  child = subprocess.Popen(
    [sys.executable, "-c", ALONE, str(images)],
    env=os.environ | {"PYTHONPATH": str(ROOT)},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  timer = threading.Timer(300, child.kill)
  timer.start()
  said, complaints = child.communicate()
  timer.cancel()
  *lines, peak = said.splitlines()
  assert child.returncode == 0 and not complaints, (lines[-1:], complaints)
  seconds = [float(line.split()[-1]) for line in lines]
  assert len(seconds) == len(done) and max(seconds) < SECONDS
  assert int(peak.split()[1]) < 2**20  # KiB: the largest image has 0.2 MB of pixels

  # the command that a user types
  command = [
    sys.executable, str(ROOT / "launch.py"), "--mode=prepare",
    f"--config={ROOT / 'configs' / 'folder.py'}:quick",
    f"--config.data.source={images}", "--config.data.on_error=skip",
  ]  # fmt: skip
  ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
  assert ended.returncode == 0, ended.stderr
  assert "Traceback" not in ended.stdout + ended.stderr
  assert f" of {len(done):,} images cannot be read and are left out" in ended.stdout
  ended = subprocess.run(command[:-1], capture_output=True, text=True, cwd=tmp_path)
  assert ended.returncode == 2 and ended.stderr.count("\n") == 1, ended.stderr
  assert ended.stderr.startswith("error: cannot read image cell/")

  # every fate, with the pixels at full size
  found = prepare(images, on_error="skip")
  table = check(found, done)
  assert sum(table.values()) == len(done)
  for row in found.skipped[::15]:
    refuse(tmp_path, row.image_id, cache)
  with capsys.disabled():
    show(table, seconds, peak)


def show(table, seconds, peak):
  outcomes = collections.Counter()
  mutations = collections.defaultdict(collections.Counter)
  for (mutation, outcome), count in table.items():
    outcomes[outcome] += count
    mutations[mutation][outcome] += count
  print(f"\nslowest file {max(seconds):.3f} s, {peak} KiB")
  print(json.dumps(outcomes.most_common()))
  for mutation, counts in mutations.items():
    print(f"  {mutation:28}", ", ".join(f"{n} {o}" for o, n in counts.most_common()))

"""Archives: what is read of them, and that nothing is ever written anywhere else."""

import gzip
import io
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from unittest import mock

import pytest
from conftest import ROOT
from hypothesis import example, given, settings
from hypothesis import strategies as st

from histojax.data import archive, listing
from histojax.errors import InputError

KINDS = (".zip", ".tar", ".tar.gz", ".tgz")


def pack(path, members):
  """An archive of [(name, bytes)], by whatever names, in the order given."""
  if path.name.endswith(".zip"):
    with zipfile.ZipFile(path, "w") as file:
      for name, content in members:
        file.NameToInfo.clear()  # it warns of names that it knows
        info = zipfile.ZipInfo("x")
        info.filename = info.orig_filename = name
        info.compress_type = zipfile.ZIP_DEFLATED
        file.writestr(info, content)
  else:
    mode = "w" if path.name.endswith(".tar") else "w:gz"
    with tarfile.open(path, mode) as file:
      for name, content in members:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        file.addfile(info, io.BytesIO(content))
  return path


def members_of(root, prefix=""):
  files = sorted(p for p in root.rglob("*") if p.is_file())
  return [(prefix + p.relative_to(root).as_posix(), p.read_bytes()) for p in files]


def below(folder):
  return sorted(p for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_lists_as_its_folder_does(cache, image_folder, tmp_path, kind):
  root = image_folder()
  extra = [
    ("__MACOSX/set/a/._0_0.png", b"no image"),
    ("set/.git/x.png", b"no image"),
    ("set/README.txt", b"text"),
  ]
  path = pack(tmp_path / f"set{kind}", members_of(root, "set/") + extra)
  items, expected = listing.scan(str(path)), listing.scan(str(root))
  for item, original in zip(items, expected, strict=True):
    assert item._replace(path="") == original._replace(path="")
    assert Path(item.path).read_bytes() == Path(original.path).read_bytes()
  assert not list(cache.rglob("*README*"))


def test_the_manifest_of_an_archive_is_used(cache, image_folder, tmp_path):
  root = image_folder()
  rows = ["path,label,group", "a/0_0.png,x,p1", "b/0_0.png,y,p2"]
  (root / "manifest.csv").write_text("\n".join(rows))
  items = listing.scan(str(pack(tmp_path / "set.zip", members_of(root, "top/set/"))))
  assert [(i.image_id, i.label, i.group) for i in items] == [
    ("a/0_0.png", "x", "p1"), ("b/0_0.png", "y", "p2")
  ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
  ("names", "sentence"),
  [
    (["/etc/a.png"], "'/etc/a.png' is an absolute path"),
    (["a/../../b.png"], "climbs out of its folder"),
    ([".."], "climbs out"),
    (["C:/a.png"], "has a drive letter"),
    (["a\\..\\b.png"], "has a backslash"),
    (["a/x.png", "a/x.png"], "'a/x.png' is there twice"),
    (["a/x.png", "a/./x.png"], "'a/x.png' is there twice"),
    (["a/x.png", "A/y.png"], "'A' is there twice, also as 'a'"),
    (["a/\u00e9.png", "a/e\u0301.png"], "is there twice, also as"),
    (["a.png", "a.png/x.png"], "'a.png' is there twice"),
    (["a/" + "n" * 300 + ".png"], "is 306 characters long"),
    (["a/" * 5000 + "x.png"], "is 10,005 characters long"),
  ],
)
def test_hostile_names_are_refused(cache, tmp_path, kind, names, sentence):
  path = pack(tmp_path / f"set{kind}", [(name, b"x") for name in names])
  with pytest.raises(InputError, match=".*") as caught:
    listing.scan(str(path))
  assert sentence in str(caught.value) and str(path) in str(caught.value)
  assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)
  assert not [p for p in below(cache) if p.parent.name != "locks"]


@pytest.mark.parametrize(
  ("kind", "sentence"),
  [
    (tarfile.SYMTYPE, "'a/x.png' is a link"),
    (tarfile.LNKTYPE, "'a/x.png' is a link"),
    (tarfile.CHRTYPE, "'a/x.png' is a device"),
    (tarfile.FIFOTYPE, "'a/x.png' is a device"),
  ],
)
def test_links_and_devices_are_refused(cache, tmp_path, kind, sentence):
  with tarfile.open(tmp_path / "set.tar", "w") as file:
    info = tarfile.TarInfo("a/x.png")
    info.type, info.linkname = kind, "/etc/passwd"
    file.addfile(info)
  with pytest.raises(InputError, match=sentence):
    listing.scan(str(tmp_path / "set.tar"))


@pytest.mark.parametrize(
  ("mode", "what"), [(stat.S_IFLNK, "link"), (stat.S_IFIFO, "device")]
)
def test_links_and_devices_in_a_zip_are_refused(cache, tmp_path, mode, what):
  with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
    info = zipfile.ZipInfo("a/x.png")
    info.external_attr = (mode | 0o777) << 16
    file.writestr(info, "/etc/passwd")
  with pytest.raises(InputError, match=f"'a/x.png' is a {what}"):
    listing.scan(str(tmp_path / "set.zip"))


def patched(path, **fields):
  """Overwrites fields of every member in a zip's central directory."""
  raw = bytearray(path.read_bytes())
  offsets, at = {"flags": (8, 2), "size": (24, 4)}, raw.find(b"PK\1\2")
  while at >= 0:
    for name, value in fields.items():
      where, length = offsets[name]
      raw[at + where : at + where + length] = value.to_bytes(length, "little")
    at = raw.find(b"PK\1\2", at + 1)
  path.write_bytes(raw)
  return path


def test_an_encrypted_zip_is_one_sentence(cache, tmp_path):
  path = patched(pack(tmp_path / "set.zip", [("a/x.png", b"x")]), flags=1)
  with pytest.raises(InputError, match="'a/x.png' is encrypted; unpack it yourself"):
    listing.scan(str(path))


def test_what_does_not_fit_is_refused_before_it_is_written(cache, tmp_path):
  largest = 2**32 - 2  # that a zip without extensions can declare
  count = shutil.disk_usage(tmp_path).free // largest + 1
  members = [(f"a/{i}.png", b"x") for i in range(count)]
  bombs = [patched(pack(tmp_path / "set.zip", members), size=largest)]
  with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as file:
    info = tarfile.TarInfo("a/x.png")
    info.size = 2**60
    file.addfile(info)  # and no data
  for path in (*bombs, tmp_path / "set.tar.gz"):
    with pytest.raises(InputError, match="take more than the [0-9.,]+ GiB that"):
      listing.scan(str(path))
    assert not [p for p in below(cache) if p.parent.name != "locks"]


def test_a_member_longer_than_declared_is_refused(cache, tmp_path):
  path = pack(tmp_path / "set.zip", [("a/x.png", b"x" * 5000)])
  with pytest.raises(InputError, match="unpack"):
    listing.scan(str(patched(path, size=10)))

  liar = archive.Member("a/x.png", "file", 10, lambda: io.BytesIO(b"x" * 5000))
  with pytest.raises(InputError, match="not as long as the archive declares"):
    archive._copy(liar, tmp_path / "a" / "x.png", 0)
  assert (tmp_path / "a" / "x.png").stat().st_size <= 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_archive_is_one_sentence(cache, image_folder, tmp_path, kind):
  root = image_folder(groups=2)
  whole = pack(tmp_path / f"set{kind}", members_of(root))
  raw = whole.read_bytes()
  listing.scan(str(whole))
  # a tar is whole up to its end mark; zeros may follow
  end = len(raw.rstrip(b"\0")) if kind == ".tar" else len(raw)
  for cut in (0, 1, 100, 512, 513, 1536, end // 3, end // 2, end - 20, end - 1):
    whole.write_bytes(raw[:cut])
    with pytest.raises(InputError, match="unpack"):
      listing.scan(str(whole))


@pytest.mark.parametrize("kind", [".tar", ".tar.gz"])
def test_a_tar_that_only_seems_to_end_is_refused(cache, tmp_path, kind):
  path = pack(tmp_path / "set.tar", [("a/1.png", b"x" * 512), ("b/2.png", b"x" * 512)])
  raw = path.read_bytes()
  for torn in (raw[:1024], raw[:1024] + b"?" + raw[1025:]):  # before, in the 2nd header
    path = tmp_path / f"set{kind}"
    path.write_bytes(torn if kind == ".tar" else gzip.compress(torn))
    with pytest.raises(InputError, match="it has no end|unexpected end of data"):
      listing.scan(str(path))


def test_another_kind_of_file_is_named(cache, tmp_path):
  (tmp_path / "set.zip").write_bytes(b"hello")
  with pytest.raises(InputError, match="set.zip cannot be unpacked .File is not a zip"):
    listing.scan(str(tmp_path / "set.zip"))
  (tmp_path / "set.7z").write_bytes(b"hello")
  with pytest.raises(InputError, match="neither a folder, an archive .*tar.gz.*csv"):
    listing.scan(str(tmp_path / "set.7z"))


PARTS = st.sampled_from(
  ["a", "b", "A", "..", ".", "", "x.png", "y.png", "C:", "~", "\\", "..\\..", "\u00e9"]
) | st.text(min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(
  names=st.lists(
    st.lists(PARTS, min_size=1, max_size=5).map("/".join), min_size=1, max_size=4
  ),
  kind=st.sampled_from(KINDS),
)
@example(names=["../../outside.png"], kind=".zip")
@example(names=["a/\udc80.png"], kind=".tar")
def test_nothing_is_ever_written_outside(names, kind):
  with tempfile.TemporaryDirectory() as name:
    root = Path(name)
    path = root / "here" / f"set{kind}"
    path.parent.mkdir()
    try:
      pack(path, [(name, b"content") for name in names])
    except (ValueError, UnicodeError):
      return  # no such archive can be made
    before = below(root)
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(root / "cache")):
      inside = root / "cache" / "histojax" / "archives"
      try:
        folder = archive.unpack(path, (".png",))
        written = below(folder)
        assert all(p.read_bytes() == b"content" for p in written)
        assert len(written) <= len(names)
      except InputError:
        assert not below(inside)
    outside = [p for p in below(root) if p not in before and inside not in p.parents]
    assert all(p.parent.name == "locks" for p in outside)


def test_a_replaced_archive_is_seen_and_a_lost_file_restored(
  cache, image_folder, tmp_path
):
  root = image_folder()
  path = pack(tmp_path / "set.zip", members_of(root))
  first = listing.scan(str(path))
  key = listing.fingerprint(first)
  os.unlink(first[0].path)
  assert listing.fingerprint(listing.scan(str(path))) == key
  Path(first[1].path).write_bytes(b"cut")
  assert listing.fingerprint(listing.scan(str(path))) == key
  kept = os.stat(path).st_mtime_ns
  pack(path, members_of(root)[1:])
  os.utime(path, ns=(kept, kept))
  assert len(listing.scan(str(path))) == len(first) - 1


def test_equal_size_and_time_do_not_hide_another_content(cache, tmp_path):
  path, seen = tmp_path / "set.tar", set()
  for content in (b"x" * 512, b"y" * 512):
    pack(path, [("a/1.png", b"0" * 200_000), ("b/2.png", content)])
    os.utime(path, ns=(1, 1))
    seen.add(Path(listing.scan(str(path))[1].path).read_bytes())
  assert len(seen) == 2


def test_a_kill_leaves_nothing_that_is_used(image_folder, tmp_path):
  cache = tmp_path / "cache" / "histojax" / "archives"
  path = tmp_path / "set.zip"
  pack(path, [(f"{c}/{i}.png", os.urandom(5000)) for c in "ab" for i in range(1500)])
  code = f"from histojax.data import listing; print(len(listing.scan({str(path)!r})))"
  command = [sys.executable, "-c", code]
  environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
  options = dict(cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
  process = subprocess.Popen(command, **options)
  deadline = time.monotonic() + 60
  while not list(cache.glob("*/files/a/9*.png")) and time.monotonic() < deadline:
    time.sleep(0.001)
  process.send_signal(signal.SIGKILL)
  process.communicate()
  assert process.returncode == -signal.SIGKILL, "it was done before it was killed"
  torn = below(cache)
  assert 0 < len(torn) < 3000
  assert subprocess.run(command, check=True, **options).stdout == "3000\n"
  (folder,) = cache.iterdir()  # what the kill left is gone
  assert len(below(folder / "files")) == 3000


@pytest.mark.slow
def test_mutated_archives_are_read_or_refused(cache, image_folder, tmp_path):
  root = image_folder(groups=2)
  rng, outcomes = random.Random(0), {"read": 0, "refused": 0}
  for number in range(1000):
    path, members = tmp_path / f"set{KINDS[number % 4]}", members_of(root)
    raw = bytearray(pack(path, members).read_bytes())
    for _ in range(rng.randint(1, 8)):
      raw[rng.randrange(len(raw))] = rng.randrange(256)
    path.write_bytes(raw[: rng.randrange(len(raw))] if number % 5 == 0 else raw)
    try:
      found = below(archive.unpack(path, listing.EXTENSIONS))
      outcomes["read"] += 1
      if not path.name.endswith(".tar"):  # which has no checksum
        assert {p.read_bytes() for p in found} <= {content for _, content in members}
    except InputError as error:
      assert "\n" not in str(error)
      outcomes["refused"] += 1
  print(outcomes)
  assert min(outcomes.values()) > 30

"""Files of weights: every format read, every damage one sentence, no code run."""

import json
import os
import pickle
import struct
import zipfile

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save, save_file
from torch_writer import WRITERS, Call, Ordered, View, archive, older

from histojax.errors import InputError
from histojax.models.pretrained import files

FLAT = np.arange(24, dtype=np.float32)
BOTH = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def read(path):
  return files.read(path)[0]


def refused(path, says):
  with pytest.raises(InputError, match=says) as caught:
    files.read(path)
  assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_safetensors(tmp_path):
  path = tmp_path / "a.bin"  # its name says nothing
  arrays = {
    "a": FLAT.reshape(2, 12),
    "b": FLAT.astype(ml_dtypes.bfloat16),
    "c": FLAT.astype(np.float16),
    "n": np.array(3),
  }
  save_file(arrays, path)
  found = read(path)
  assert found.keys() == arrays.keys()
  for key, array in arrays.items():
    assert found[key].dtype == array.dtype
    np.testing.assert_array_equal(found[key], array)


@BOTH
def test_torch(tmp_path, write):
  path = tmp_path / "a.pth"
  arrays = {
    "a": FLAT.reshape(2, 3, 4),
    "turned": FLAT.reshape(4, 6).T,
    "half": FLAT.astype(np.float16),
    "brain": FLAT.astype(ml_dtypes.bfloat16),
    "wide": FLAT.astype(np.float64),
    "count": np.array(7),
    "none": np.zeros((0, 3), np.float32),
  }
  write(path, Ordered(arrays))
  found = read(path)
  assert found.keys() == arrays.keys()
  for key, array in arrays.items():
    assert found[key].dtype == array.dtype and found[key].shape == array.shape
    np.testing.assert_array_equal(found[key], array)


@BOTH
def test_tensors_that_share_a_storage_share_it_here(tmp_path, write):
  part = View(FLAT, 5, (2, 3), (6, 2))
  write(tmp_path / "a", {"whole": View(FLAT, 0, (24,), (1,)), "part": part})
  found = read(tmp_path / "a")
  np.testing.assert_array_equal(found["part"], [[5, 7, 9], [11, 13, 15]])
  assert np.shares_memory(found["whole"], found["part"])


@BOTH
@pytest.mark.parametrize("keys", [["state_dict"], ["model"], ["teacher", "model"]])
def test_the_state_dict_is_found_in_what_trainers_save(tmp_path, write, keys):
  value = Ordered(a=FLAT)
  for key in keys:
    value = {"epoch": 3, key: value, "optimizer": [{"momentum": FLAT * 2}, 0]}
  write(tmp_path / "a", value)
  arrays, said = files.read(tmp_path / "a")
  assert list(arrays) == ["a"] and (arrays["a"] == FLAT).all()
  assert said == [f"the arrays under {key!r}" for key in reversed(keys)]


@BOTH
@pytest.mark.parametrize(
  ("value", "says"),
  [
    ({"a": 3}, "'a' is int, not a tensor"),
    ({}, "holds dict, not a state dict"),
    ([FLAT], "holds list, not a state dict"),
    ({"model": {"lr": 1}}, "'lr' is int, not a tensor"),
    (Call("os system", "touch /tmp/never"), "asks for os.system, which"),
    (Call("builtins eval", "1"), "asks for builtins.eval"),
    ({"args": Call("argparse Namespace")}, "asks for argparse.Namespace"),
    (Call("torch._utils _rebuild_tensor_v2", 1, 2, (), ()), "without a storage"),
    ({"a": b"ctorch\nSize\n"}, "asks for torch.Size"),
    (b"X\x01\x00\x00\x00a)R", "a change of str"),
    ({(1, 2): 3}, "keys are not words"),
    (b"N" + b"}b", "a change of NoneType"),
    ((), "holds tuple"),
    (b"}\x8c\x02os\x8c\x06system\x93", "asks for os.system"),
    (b"(ios\nsystem\n", "the instruction INST"),
    (b")\x81", "the instruction NEWOBJ"),
    (b"\x97", "the instruction NEXT_BUFFER"),
    (b"Pid\n", "the instruction PERSID"),
    (b"(X\x06\x00\x00\x00modulectQ", "damaged|asks for"),
  ],
)
def test_what_is_no_state_dict_is_refused(tmp_path, write, value, says):
  write(tmp_path / "a", value)
  refused(tmp_path / "a", says)


@BOTH
@pytest.mark.parametrize(
  "view",
  [
    View(FLAT, 0, (10**9, 10**9), (0, 0)),  # one number, seen 10^18 times
    View(FLAT, 0, (25,), (1,)),
    View(FLAT, 0, (25,), (0,)),
    View(FLAT, 23, (2,), (1,)),
    View(FLAT, 99, (0,), (1,)),
    View(FLAT, -1, (2,), (1,)),
    View(FLAT, 0, (2,), (-1,)),
    View(FLAT, 0, (-2,), (1,)),
    View(FLAT, 0, (2, 2), (1,)),
    View(FLAT, 0, (24,), (1,), count=10**9),
    View(FLAT, 0, (1,) * 70, (1,) * 70),
  ],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path, write, view):
  write(tmp_path / "a", {"a": view})
  refused(tmp_path / "a", "is damaged")


def test_pickles_that_run_code_run_none(tmp_path):
  class Touch:
    def __reduce__(self):
      return os.mkdir, (str(tmp_path / "made"),)

  for protocol in (0, 1, 2, 3, 4, 5):
    path = tmp_path / f"{protocol}.pth"
    with zipfile.ZipFile(path, "w") as file:
      file.writestr("archive/data.pkl", pickle.dumps({"a": Touch()}, protocol))
    refused(path, "posix.mkdir|posix|instruction")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Touch(), protocol))
    with pytest.raises(InputError):
      read(tmp_path / "bare.pth")
  assert not (tmp_path / "made").exists()


def test_bombs_are_bounded_by_the_file(tmp_path):
  path = tmp_path / "a.pth"
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
    file.writestr("archive/data.pkl", bytes(10**7))
  refused(path, "a compressed archive")
  doubled = b")" + b"q\x00h\x00\x86" * 60  # nested tuples of 2^60 leaves
  archive(path, {"a": doubled})
  refused(path, "'a' is tuple")
  archive(path, b"}" + doubled + b"Ns")  # hashing such a key would not end
  refused(path, "keys are not words")
  for huge in (b"\x8e", b"\x8d", b"\x96"):  # 2^62 bytes to come
    archive(path, huge + struct.pack("<Q", 2**62))
    refused(path, "damaged|instruction")
  archive(path, b"Nr\xff\xff\xff\xff")  # place 2^32 of the memo
  refused(path, "holds NoneType")
  archive(path, {"a": b"N0" * 4 + b"N"})
  refused(path, "the instruction POP")


def test_an_archive_of_something_else(tmp_path):
  path = tmp_path / "a.pth"
  with zipfile.ZipFile(path, "w") as file:
    file.writestr("a/image.png", b"")
  refused(path, "damaged, or no PyTorch checkpoint")
  archive(path, {"a": FLAT})
  with zipfile.ZipFile(path) as file:
    held = {name: file.read(name) for name in file.namelist()}
  for changes, says in (
    ({"archive/byteorder": b"big"}, "big-endian"),
    ({"archive/data/0": b"1234"}, "damaged"),
    ({"archive/data/0": None}, "damaged"),
    ({"archive/data.pkl": None}, "damaged"),
    ({"archive/data.pkl": b""}, "damaged"),
    ({"other/data.pkl": b""}, "damaged"),
  ):
    with zipfile.ZipFile(path, "w") as file:
      for name, content in (held | changes).items():
        if content is not None:
          file.writestr(name, content)
    refused(path, says)


@pytest.mark.parametrize(
  ("content", "says"),
  [
    (b"", "first bytes are none"),
    (b"hello world, this is text", "neither a .safetensors"),
    (b"\x89PNG\r\n\x1a\n1234", "neither a .safetensors"),
    (b"\xff" * 8 + b"{}", "header too large"),
    (b"\x09\0\0\0\0\0\0\0{" + b"[" * 8, "is damaged"),
    (b"\x80\x02N.", "damaged"),
    (b"PK\x03\x04", "damaged"),
    (save({"a": FLAT})[:-3], "is damaged"),
  ],
)
def test_other_files_get_one_sentence(tmp_path, content, says):
  path = tmp_path / "a.pth"
  path.write_bytes(content)
  refused(path, says)


def test_numbers_that_are_not_read(tmp_path):
  header = {"a": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}
  text = json.dumps(header).encode()
  content = struct.pack("<Q", len(text)) + text + b"ab"
  (tmp_path / "a").write_bytes(content)
  refused(tmp_path / "a", "numbers that are not read here")


def test_a_folder_is_no_file(tmp_path):
  with pytest.raises(InputError, match="no file of weights"):
    files.sha256(tmp_path)


def test_a_length_beyond_an_older_file_is_not_reserved(tmp_path):
  path = tmp_path / "a"
  for huge in (b"\x8b" + b"\xff\xff\xff\x7f", b"\x8d" + b"\xff" * 7 + b"\x00"):
    path.write_bytes(b"\x80\x02" + huge)
    refused(path, "is damaged")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_one_sentence_or_other_numbers(tmp_path_factory, data):
  path = tmp_path_factory.getbasetemp() / "damaged"
  kind = data.draw(st.sampled_from(["archive", "older", "safetensors"]))
  if kind == "safetensors":
    save_file({"a": FLAT, "b": FLAT[:3]}, path)
  else:
    WRITERS[kind](path, Ordered(a=FLAT.reshape(4, 6).T, b=FLAT[:3]))
  content = bytearray(path.read_bytes())
  at = data.draw(st.integers(0, len(content) - 1))
  if data.draw(st.booleans()):
    del content[at:]
  else:
    content[at] ^= 1 << data.draw(st.integers(0, 7))
  path.write_bytes(bytes(content))
  try:
    arrays = read(path)
  except InputError as error:
    assert "\n" not in str(error)
  else:
    assert sum(array.size for array in arrays.values()) <= 100


def test_older_files_are_little_endian(tmp_path):
  path = tmp_path / "a"
  older(path, {"a": FLAT})
  content = path.read_bytes().replace(b"little_endian\x88", b"little_endian\x89")
  path.write_bytes(content)
  refused(path, "big-endian")

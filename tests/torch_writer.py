"""Checkpoints in PyTorch's two formats, written without PyTorch, and broken ones.

What it writes `torch.load` reads (test_weights_oracle.py asserts it).
"""

import itertools
import struct
import zipfile

import numpy as np

STORAGE = {
  "float64": "DoubleStorage",
  "float32": "FloatStorage",
  "float16": "HalfStorage",
  "bfloat16": "BFloat16Storage",
  "int64": "LongStorage",
}
MAGIC = 0x1950A86A20F9469CFC6C


class Call:
  """A callable by name, with its arguments."""

  def __init__(self, name, *arguments, state=None):
    self.name, self.arguments, self.state = name, arguments, state


class Ordered(dict):
  """Written as an OrderedDict with attributes, as a module's state dict is."""


class View:
  """A tensor: its storage (a flat array), offset, shape and strides in elements."""

  def __init__(self, flat, offset, shape, stride, count=None):
    self.flat, self.offset, self.shape, self.stride = flat, offset, shape, stride
    self.count = len(flat) if count is None else count


class Pickled:
  """Bytes of a pickle, and the storages it met, in order: [(key, flat array)]."""

  def __init__(self, value, legacy):
    self.legacy, self.storages = legacy, []
    self.bytes = b"\x80\x02" + self._of(value) + b"."

  def _of(self, value) -> bytes:
    if value is None or isinstance(value, bool):
      return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, bytes):
      return value  # instructions as they are
    if isinstance(value, str):
      return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, int):
      return b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)
    if isinstance(value, tuple):
      return b"(" + b"".join(map(self._of, value)) + b"t"
    if isinstance(value, list):
      return b"](" + b"".join(map(self._of, value)) + b"e"
    if isinstance(value, dict):
      items = b"".join(map(self._of, itertools.chain(*value.items())))
      if isinstance(value, Ordered):
        attributes = self._of({"_metadata": {"version": 1}})
        return (
          self._of(Call("collections OrderedDict"))
          + b"("
          + items
          + b"u"
          + (attributes + b"b")
        )
      return b"}(" + items + b"u"
    if isinstance(value, Call):
      module, name = value.name.split(" ")
      return f"c{module}\n{name}\n".encode() + self._of(value.arguments) + b"R"
    if isinstance(value, np.ndarray):
      stride = tuple(s // value.itemsize for s in value.strides)
      flat = np.ascontiguousarray(value).ravel()
      if not value.flags.c_contiguous:  # the storage of a turned array is its base
        flat = value.base.ravel()
      return self._of(View(flat, 0, value.shape, stride))
    return self._tensor(value)

  def _tensor(self, view) -> bytes:
    for key, flat in self.storages:  # noqa: B007
      if flat is view.flat:
        break
    else:
      key = str(len(self.storages))
      self.storages.append((key, view.flat))
    kind = f"ctorch\n{STORAGE[view.flat.dtype.name]}\n".encode()
    parts = ["storage", kind, key, "cpu", view.count] + [None] * self.legacy
    storage = self._of(tuple(parts)) + b"Q"
    hooks = self._of(Call("collections OrderedDict"))
    arguments = (storage, view.offset, view.shape, view.stride, False, hooks)
    return self._of(Call("torch._utils _rebuild_tensor_v2", *arguments))


def archive(path, value, **options):
  """The zip archive of PyTorch 1.6 and later."""
  pickled = Pickled(value, False)
  with zipfile.ZipFile(path, "w", **options) as file:
    file.writestr("archive/data.pkl", pickled.bytes)
    file.writestr("archive/byteorder", "little")
    for key, flat in pickled.storages:
      file.writestr(f"archive/data/{key}", flat.tobytes())
    file.writestr("archive/version", "3\n")


def older(path, value):
  """The row of pickles of before."""
  pickled = Pickled(value, True)
  system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
  keys = [key for key, _ in pickled.storages]
  content = b"".join(Pickled(v, True).bytes for v in (MAGIC, 1001, system))
  content += pickled.bytes + Pickled(keys, True).bytes
  for _, flat in pickled.storages:
    content += struct.pack("<q", len(flat)) + flat.tobytes()
  path.write_bytes(content)


WRITERS = {"archive": archive, "older": older}

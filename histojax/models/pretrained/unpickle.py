"""The one kind of pickle that is read: PyTorch's, of nested dicts of tensors.

A pickle is a program for a small stack machine. This one knows the instructions that
build plain values, and of all callables those that make a tensor: nothing is imported,
nothing of Python's is called, and what is built is no larger than its file.
"""

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

LONGEST = 64 << 20  # bytes: thousands of times what a state dict takes


class Refused(Exception):
  """The pickle asks for something else: its name."""


class Storage(NamedTuple):
  """A flat array of the checkpoint, by key."""

  key: str
  dtype: str
  count: int


class Tensor(NamedTuple):
  """A view of a storage; offset and strides in elements."""

  storage: Storage
  offset: int
  shape: tuple[int, ...]
  stride: tuple[int, ...]


def _tensor(storage, offset, shape, stride, *_) -> Tensor:
  sizes = (offset, *shape, *stride)
  if not isinstance(storage, Storage) or {type(n) for n in sizes} != {int}:
    raise Refused("a tensor without a storage")
  return Tensor(storage, offset, tuple(shape), tuple(stride))


def _parameter(tensor, *_) -> Tensor:
  if not isinstance(tensor, Tensor):
    raise Refused("a parameter that is no tensor")
  return tensor


def _ordered(pairs=()) -> dict:
  return _items([x for key, value in pairs for x in (key, value)])


CALLABLES = {
  "collections.OrderedDict": _ordered,
  "torch._utils._rebuild_tensor": _tensor,
  "torch._utils._rebuild_tensor_v2": _tensor,
  "torch._utils._rebuild_parameter": _parameter,
}
STORAGES = {
  "torch.DoubleStorage": "float64",
  "torch.FloatStorage": "float32",
  "torch.HalfStorage": "float16",
  "torch.BFloat16Storage": "bfloat16",
  "torch.LongStorage": "int64",
  "torch.IntStorage": "int32",
  "torch.ShortStorage": "int16",
  "torch.CharStorage": "int8",
  "torch.ByteStorage": "uint8",
  "torch.BoolStorage": "bool",
}
CONSTANTS = {
  "NONE": None,
  "NEWTRUE": True,
  "NEWFALSE": False,
  "EMPTY_TUPLE": (),
}
VALUES = {
  *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
  *("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
  *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
  *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}


def load(file: BinaryIO, met: dict[str, Storage] | None = None) -> Any:
  """The value of the pickle at the file's position, which moves behind it.

  Every storage it speaks of is put into `met`, by key.

  Raises:
    Refused: it asks for anything but tensors, their storages and ordered dicts.
    ValueError, LookupError, TypeError, AttributeError: it is no whole pickle.
  """
  stack, marks, memo, begun = [], [], {}, file.tell()

  def marked() -> list:
    at = marks.pop()
    items = stack[at:]
    del stack[at:]
    return items

  for opcode, argument, place in pickletools.genops(file):
    if place - begun > LONGEST:
      raise Refused("more than 64 MiB of instructions")
    name = opcode.name
    if name in VALUES:
      stack.append(argument)
    elif name in CONSTANTS:
      stack.append(CONSTANTS[name])
    elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
      memo[argument] = stack[-1]
    elif name == "MEMOIZE":
      memo[len(memo)] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET", "GET"):
      stack.append(memo[argument])
    elif name == "MARK":
      marks.append(len(stack))
    elif name in ("EMPTY_DICT", "EMPTY_LIST"):
      stack.append({} if name == "EMPTY_DICT" else [])
    elif name == "TUPLE":
      stack.append(tuple(marked()))
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
      count = int(name[-1])
      items = tuple(stack[-count:])
      del stack[-count:]
      stack.append(items)
    elif name in ("LIST", "DICT"):
      items = marked()
      stack.append(items if name == "LIST" else _items(items))
    elif name in ("APPEND", "APPENDS"):
      items = marked() if name == "APPENDS" else [stack.pop()]
      _of(stack[-1], list).extend(items)
    elif name in ("SETITEM", "SETITEMS"):
      items = marked() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
      _of(stack[-1], dict).update(_items(items))
    elif name in ("GLOBAL", "STACK_GLOBAL"):
      if name == "STACK_GLOBAL":
        argument = f"{stack.pop(-2)} {stack.pop()}"
      stack.append(_known(argument.replace(" ", ".")))
    elif name == "REDUCE":
      arguments, function = stack.pop(), stack.pop()
      stack.append(_of(function, Callable)(*arguments))
    elif name == "BINPERSID":
      storage = _storage(*stack.pop())
      stack.append(storage if met is None else met.setdefault(storage.key, storage))
    elif name == "BUILD":
      stack.pop()  # attributes of an ordered dict: versions of the modules
      _of(stack[-1], dict)
    elif name not in ("PROTO", "FRAME", "STOP"):
      raise Refused(f"the instruction {name}")
  (value,) = stack
  return value


def _known(name: str):
  found = CALLABLES.get(name) or STORAGES.get(name)
  if found is None:
    raise Refused(name if len(name) <= 80 else f"{name[:60]}...")
  return found


def _of(value, kind):
  if not isinstance(value, kind):
    raise Refused(f"a change of {type(value).__name__}")
  return value


def _items(flat: list) -> dict:
  """[key, value, key, value, ...]; keys are plain, as hashing a tuple may never end."""
  keys = flat[::2]
  if not all(isinstance(key, str | int | float | None) for key in keys):
    raise Refused("a dict whose keys are not words or numbers")
  return dict(zip(keys, flat[1::2], strict=True))


def _storage(what, dtype, key, device, count, view=None) -> Storage:
  del device
  if what != "storage" or dtype not in STORAGES.values() or view is not None:
    raise Refused(f"a reference to {what!r}")
  if type(key) is not str or type(count) is not int or count < 0:
    raise Refused("a storage without a size")
  return Storage(key, dtype, count)

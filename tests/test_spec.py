"""The parser of attention specs."""

import dataclasses
import gc
import threading
import time
from pathlib import Path

import pytest

from histojax.errors import InputError
from histojax.spec import parse, per_stage, syntax_tree


@dataclasses.dataclass
class Squeeze:
  ratio: int = 16
  slope: float = 0.1
  kind: str = "mean"


@dataclasses.dataclass
class Spatial:
  pass


KNOWN = {"se": Squeeze, "sam": Spatial}
SE, SAM = ("se", {}), ("sam", {})


@pytest.mark.parametrize(
  ("text", "stages"),
  [
    ("none", ((),)),
    ("se", ((SE,),)),
    (" se ( ) ", ((SE,),)),
    ("se(ratio=8)", ((("se", {"ratio": 8}),),)),
    ("se(ratio=16)+sam|none", ((("se", {"ratio": 16}), SAM), ())),
    ("none|none|se|se+sam+se", ((), (), (SE,), (SE, SAM, SE))),
    ("se+none", ((SE,),)),
    (
      "se(ratio=4, kind='a|b+c,(d)')|sam",
      ((("se", {"ratio": 4, "kind": "a|b+c,(d)"}),), (SAM,)),
    ),
    ("se(slope=-1.5)", ((("se", {"slope": -1.5}),),)),
    ("se(slope=1)", ((("se", {"slope": 1}),),)),
  ],
)
def test_reads(text, stages):
  assert parse(text, known=KNOWN, what="attention") == stages


@pytest.mark.parametrize(
  ("text", "says"),
  [
    ("sa", "did you mean 'sam'"),
    ("senet", "unknown block 'senet'"),
    ("se(ration=8)", "did you mean 'ratio'"),
    ("se(ratio='x')", "not 'x'"),
    ("se(ratio=True)", "not True"),
    ("se(ratio=8.0)", "not 8.0"),
    ("sam(ratio=8)", "no argument 'ratio'"),
    ("none(ratio=8)", "unknown block 'none'"),
    ("se(8)", "cannot be read"),
    ("se(ratio=8, ratio=4)", "cannot be read"),
    ("se(**{})", "cannot be read"),
    ("se(ratio=open('x'))", "cannot be read"),
    ("se(ratio=)", "cannot be read"),
    ("se+(sam|none)", "cannot be read"),
    ("se|", "cannot be read"),
    ("", "cannot be read"),
    ("se-sam", "cannot be read"),
    ("a.se()", "cannot be read"),
    ("se\0", "cannot be read"),
    (16, "not a string"),
  ],
)
def test_refuses_in_one_sentence(text, says):
  with pytest.raises(InputError) as error:
    parse(text, known=KNOWN, what="attention")
  assert says in str(error.value) and "attention=" in str(error.value)
  assert "\n" not in str(error.value)


def test_names_alone_leave_the_arguments_unchecked():
  assert parse("crop(x=(1, 2))", known=["crop"], what="views") == (
    (("crop", {"x": (1, 2)}),),
  )


def test_one_stage_holds_for_all():
  assert per_stage("se", 4, known=KNOWN, what="attention") == ((SE,),) * 4
  four = "none|none|se|sam"
  assert per_stage(four, 4, known=KNOWN, what="attention") == ((), (), (SE,), (SAM,))
  with pytest.raises(InputError, match="has 2 stages; give one for all, or 4"):
    per_stage("se|sam", 4, known=KNOWN, what="attention")


def test_threads_parse_beside_each_other():
  """`ast.parse` itself raises SystemError here, in Python 3.11."""
  text, wrong = Path(__file__).read_text(), []

  def read():
    try:
      for _ in range(100):
        syntax_tree(text)
    except SystemError as error:
      wrong.append(error)

  def yields(*_):  # as jax's callback may: threads are switched amid a collection
    time.sleep(0)

  threads = [threading.Thread(target=read) for _ in range(4)]
  threshold = gc.get_threshold()
  gc.callbacks.append(yields)
  gc.set_threshold(50)
  try:
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
  finally:
    gc.set_threshold(*threshold)
    gc.callbacks.remove(yields)
  assert not wrong and gc.isenabled()

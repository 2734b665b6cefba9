"""Generated configs and command lines: each starts a run, or ends in one sentence."""

import collections
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

STARTS = 99  # see forked_launcher.py

SMALL = {
  "epochs": 1,
  "batch_size": 4,
  "evaluate_batch_size": 8,
  "augment.size": 32,
  "augment.rotations": 4,
  "model.name": "resnet_tiny",
  "split.folds": 3,
  "split.validation_fraction": 0.4,
}
NUMBERS = """
  -1 0 1 2 3 7 0.2 0.5 1.2 1e-300 1e999 nan -inf 1e9 1000000000 99999999999999999999 x
  True 0x10 1,5 None '1'
""".split() + ["", " 1"]  # fmt: skip
TUPLES = """
  (0,0,0) (1,2) 1,2,3 (0.5,0.5,0.5) (a,b,c) (1,2,3,4) () [] -1,0,0 (256,0,0) nan,nan,nan
  ('1',2,3) ((1,2),3,4) (None,1,1) (1e-300,1,1)
""".split() + ["", "(" * 300]  # fmt: skip
WORDS = "x none None se é a|b .. / - %s {}".split() + ["", " ", "a\nb"]
SPECS = """
  none se se(ratio= se(ratio=0) se(ratio=-3) se(ratio=1e9) none|none se(ratio=4)
  se|none|se(ratio=8)|cbam cbam(kernel=4) cbam(kernel=1000000001) sk sk(groups=4)
  sk(groups=3) sk(branches=1000000000) se+sk sk+se se(**{}) ſe só se()() f'{se}'
  se(ratio='\\d')
""".split() + [
  "(" * 150 + "se" + ")" * 150, "(" * 1000, "-" * 3000, "se(ratio=" + "9" * 3000 + ")",
  "+".join(["se"] * 9), "+".join(["se"] * 900), "|".join(["se"] * 900), "lambda: 0",
  "1if 2else 3",
]  # fmt: skip
PARTS = """
  none backbone stem stem|stage2 stage2 stem|stage2|stage3|stage4|stage5|head head stem|
  | stem|stem Stem
""".split()  # fmt: skip

ALL = ["stem", "stage2", "stage3", "stage4", "stage5", "head"]
NUMERIC = """
  seed epochs batch_size evaluate_every evaluate_batch_size log_every
  data.device_memory_gib split.seed split.folds split.fold split.validation_fraction
  augment.size augment.rotations model.stride_in_1x1 optimizer.learning_rate
  optimizer.momentum optimizer.weight_decay checkpoint.keep checkpoint.every_minutes
""".split()
VALUES = {
  **dict.fromkeys(NUMERIC, NUMBERS),
  **dict.fromkeys(("augment.fill", "augment.mean", "augment.std"), TUPLES),
  "model.attention": SPECS,
  "model.freeze": PARTS,
  "select_on": ["validation", "last", "test", *WORDS],
  "published": ["liver/SENet", "liver/", "liver", "kidney/x", *WORDS],
  "data.name": ["folder", "synthetic_liver", "liver", *WORDS],
  "data.source": WORDS,
  "data.test_source": WORDS,
  "split.protocol": ["paper", "grouped", "predefined", *WORDS],
  "augment.train_rotations": ["all", "random", *WORDS],
  "augment.canvas": ["expand", "same", "inscribed", *WORDS],
  "augment.flip": ["both", "horizontal", *WORDS],
  "augment.normalise": ["image", "fixed", *WORDS],
  "model.name": ["resnet_tiny", "resnet5", *WORDS],
  "model.norm": ["batch", "frozen", *WORDS],
  "model.dtype": ["auto", "float32", "bfloat16", "float64", "int8", *WORDS],
  "optimizer.schedule": ["constant", "cosine", *WORDS],
  # no such keys
  "epoch": NUMBERS, "model": WORDS, "model.depth": NUMBERS, "augment.fill[0]": NUMBERS,
  "": WORDS, "seed.x": NUMBERS, "é": WORDS,
}  # fmt: skip
FLAGS = """
  --mode=prepare --mode=evaluate --mode=trian --mode= --mode -mode=train --profile_trace
  --profile_against=x.py --profile_target=h100 --nonsense=1 --mode=profile epochs=3
  -- --- - --profile_trace=maybe --config= --config=nowhere.py --config=.
  --config=README.md
  --config.augment.fill[7]=1 --config.augment.fill[=1 --config.model[name]=3
  --config.model.x.y=3 --config=configs/folder.py:slow --flagfile=nowhere --noworkdir
  --noconfig --config.epochs --workdir={file} --workdir={file}/x --workdir=
  --logtostderr --epochs=3 --config.seed=1=2
""".split() + [
  "", "\udcff", "--workdir=\udcff", "--config.data.source=\udcfe", "x" * 10_000,
  "--x" + "y" * 10_000, "--config.data.source=" + "z" * 10_000,
  "--workdir=" + "w" * 3000,
  "--config.data.source=" + "z" * 3000, "--config=" + "c" * 3000,
]  # fmt: skip
# of a config file: what stands before get_config, its variants, and its end
HEADS = [
  *[""] * 12, "import no_such_package", "1 / 0", "def (:", "raise SystemExit(3)",
  "\x00", "from histojax import nothing",
]  # fmt: skip
VARIANTS = ["('', 'quick')"] * 12 + ["None", "'quick'", "()", "(1, 2)", "[]"]
ENDS = [
  *["return c"] * 12, "return None", "return {}", "pass", "1 / 0", "return c.lock()",
  "del c.optimizer; return c", "del c.epochs; return c", "c.model = 3; return c",
  "c.epochs = '3'; return c", "c.epochs = None; return c", "c.seed = 1.5; return c",
  "c.augment.fill = 3; return c", "c.more = object(); return c",
  "c.more = {1, 2}; return c", "c.more = float('nan'); return c", "return type(c)",
  "c.more = (1, 'x'); return c", "c.model.width = 0; return c", "raise SystemExit(0)",
  "c.model.depth = 50; return c", "c.data.source = 'a\\0b'; return c",
  "return c.to_dict()", "c.model.attention = None; return c",
  "raise KeyError('epochs')", "c.data.source = None; return c",
]  # fmt: skip
FOLDER = ROOT / "configs" / "folder.py"


def config_text(head, variants, end):
  return f"""{head}
import importlib.util
spec = importlib.util.spec_from_file_location("folder", {str(FOLDER)!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
VARIANTS = {variants}

def get_config(variant=""):
  c = module.get_config("quick").unlock()
  {end}
"""


@st.composite
def command_lines(draw):
  """(what is wrong with the images, the text of a config or None, arguments)."""
  images = draw(st.sampled_from([*["good"] * 20, *IMAGES]))
  text = None
  if draw(st.integers(0, 3)) == 0:
    parts = (draw(st.sampled_from(x)) for x in (HEADS, VARIANTS, ENDS))
    text = config_text(*parts)
  arguments = []
  for _ in range(draw(st.integers(0, 2))):
    if draw(st.integers(0, 4)):
      key = draw(st.sampled_from([*VALUES, *["model.attention", "model.freeze"] * 4]))
      arguments.append(f"--config.{key}={draw(st.sampled_from(VALUES[key]))}")
    else:
      arguments.append(draw(st.sampled_from(FLAGS)))
  return images, text, arguments


IMAGES = {  # {class: {group: images}}, or the text of a manifest
  "good": {"a": {"g1": 2, "g2": 2, "g3": 2, "g4": 2}, "b": dict.fromkeys("ijkl", 2)},
  "one class": {"a": {"g1": 4}},
  "one group": {"a": dict.fromkeys("wxyz", 2), "b": {"g": 8}},
  "two groups": {"a": dict.fromkeys("wxyz", 2), "b": {"g": 4, "h": 4}},
  "empty class": {
    "a": dict.fromkeys("wxyz", 2),
    "b": dict.fromkeys("ijkl", 2),
    "c": {},
  },
  "few": {"a": {"x": 1, "y": 1, "z": 1}, "b": {"x": 1, "y": 1, "z": 1}},
  "none": {},
  "no label": "path\na.png\n",
  "gone": "path,label\nnowhere.png,a\nnowhere2.png,b\n",
  "empty": "",
  "binary": "\0\1\2",
}


def write_images(root):
  """{name: source}, each a folder of manifest and pictures, or a broken manifest."""
  from PIL import Image

  found = {}
  for name, content in IMAGES.items():
    place = root / name.replace(" ", "_")
    place.mkdir(parents=True)
    found[name] = place / "manifest.csv"
    if isinstance(content, str):
      found[name].write_text(content)
      continue
    rows = ["path,label,group"]
    for label, groups in content.items():
      (place / label).mkdir()
      for group, count in groups.items():
        for i in range(count):
          rng = np.random.default_rng([len(rows)])
          file = place / label / f"{group}_{i}.png"
          Image.fromarray(rng.integers(0, 255, (40, 44, 3), np.uint8)).save(file)
          rows.append(f"{label}/{file.name},{label},{label}-{group}")
    if name == "empty class":
      found[name] = place  # a folder that a manifest does not speak of
    found[name].is_dir() or found[name].write_text("\n".join(rows) + "\n")
  return found


class Launcher:
  """A process whose forks are runs; see forked_launcher.py."""

  def __init__(self, root):
    self.root, self.count, self.outcomes = root, 0, collections.Counter()
    self.sources = write_images(root / "images")
    (root / "file").write_text("not a folder")
    self.process = subprocess.Popen(
      [sys.executable, str(ROOT / "tests" / "forked_launcher.py")],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      cwd=root,
      text=True,
      env={**os.environ, "XDG_CACHE_HOME": str(root / "cache")},
    )

  def run(self, images, text, arguments):
    """(code, what it said on stderr, the run folder that was asked for)."""
    self.count += 1
    file = f"{FOLDER}:quick"
    if text is not None:
      file = self.root / f"config{self.count}.py"
      file.write_text(text)
    workdir = self.root / f"run{self.count}"
    typed = [f"--config={file}", f"--workdir={workdir}"]
    typed += [f"--config.{k}={v}" for k, v in SMALL.items()]
    typed += [f"--config.data.source={self.sources[images]}"]
    typed += [a.replace("{file}", str(self.root / "file")) for a in arguments]
    self.process.stdin.write(json.dumps(typed) + "\n")
    self.process.stdin.flush()
    answer = json.loads(self.process.stdout.readline())
    return answer["code"], answer["err"], workdir

  def check(self, images, text, arguments):
    code, err, workdir = self.run(images, text, arguments)
    said = [line for line in err.splitlines() if not line.startswith("building")]
    if code in (0, STARTS):
      assert "error:" not in err and "Traceback" not in err, err
      self.outcomes["prepared" if code == 0 else "starts"] += 1
      shutil.rmtree(self.root / "runs", ignore_errors=True)  # where --workdir= is typed
      return
    assert code == 2, f"{code}\n{err}"
    assert len(said) == 1 and said[0].startswith("error: "), err
    assert len(said[0]) < 5_000 and len(said[0]) > len("error: ") + 10, err
    assert not workdir.exists(), f"left behind: {[*workdir.rglob('*')]}\n{err}"
    assert not (self.root / "runs").exists(), err
    self.outcomes[f"refused: {kind(said[0].removeprefix('error: '))}"] += 1


def kind(sentence):
  """What a sentence is about."""
  if re.search(r"config\d+\.py", sentence):
    return "config file"
  if re.match("class |the class |data[.]|no images|/", sentence):
    return "images"
  if re.match(r"[a-z_.]+(=|: the config's)", sentence):
    return "value"
  return "command line"


@pytest.fixture(scope="module")
def launcher(tmp_path_factory):
  made = Launcher(tmp_path_factory.mktemp("generated"))
  yield made
  with made.process:  # ends when nobody asks any more
    made.process.stdin.close()


def generated(count):
  def decorate(test):
    options = {"deadline": None, "derandomize": True, "database": None}
    options |= {"suppress_health_check": list(HealthCheck)}
    options |= {"phases": [Phase.generate]}
    return settings(max_examples=count, **options)(given(line=command_lines())(test))

  return decorate


@pytest.mark.parametrize(
  ("images", "argument", "sentence"),
  [
    ("good", "model.attention=se(ratio=0)", "the ratio must be at least 1"),
    ("good", "model.attention=sk(groups=3)", "8 channels cannot be split into 3"),
    ("good", "model.attention=cbam(kernel=1000001)", "the kernel odd, from 1 to 31"),
    ("good", "model.attention=" + "+".join(["se"] * 9), "write at most 8"),
    ("good", "model.attention=" + "-" * 3000, "cannot be read"),
    ("good", "model.freeze=" + "|".join(ALL), "leaves nothing to train"),
    ("good", "model.freeze=steem", "did you mean 'stem'"),
    ("good", "augment.flip=bot", "augment.flip='bot': did you mean 'both'"),
    ("good", "augment.normalise=images", "did you mean 'image'"),
    ("good", "augment.canvas=some", "did you mean 'same'"),
    ("good", "augment.std=(0,1,1)", "augment.std=(0, 1, 1): must be three numbers"),
    ("good", "batch_size=17", "views of images in an epoch; set batch_size to "),
    ("good", "split.fold=3", "split.fold=3: must be 0..2"),
    ("good", "published=liver/SENt", "did you mean 'SENet'"),
    ("good", "published=liver/SENet", "tells of poor, moderate, well"),
    ("one group", "seed=0", "class 'b' has one group only to train and test"),
    ("two groups", "seed=0", "class 'b' has 2 groups, too few for split.folds=3"),
    ("two groups", "split.folds=2", "left to train and validate: "),
    ("empty class", "seed=0", "holds no images"),
  ],
)
def test_what_cannot_be_trained_is_told_before_a_folder_is_made(
  launcher, images, argument, sentence
):
  code, said, workdir = launcher.run(images, None, [f"--config.{argument}"])
  assert code == 2 and sentence in said and said.count("error: ") == 1, said
  assert not workdir.exists() and "Traceback" not in said


@generated(12)
def test_whatever_is_typed_starts_a_run_or_ends_in_one_sentence(launcher, line):
  launcher.check(*line)


@pytest.mark.slow
def test_two_hundred_of_them(launcher):
  launcher.outcomes.clear()

  @generated(200)
  def check(line):
    launcher.check(*line)

  check()
  refused = sum(n for k, n in launcher.outcomes.items() if k.startswith("refused"))
  started = launcher.outcomes["starts"] + launcher.outcomes["prepared"]
  print(f"\n{dict(launcher.outcomes.most_common())}")
  assert refused + started == 200 and refused > 50 and started > 20

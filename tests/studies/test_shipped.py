"""The studies that are shipped: they expand, and are of the papers' rows."""

import importlib

import jax
import pytest
from conftest import ROOT

from histojax import models, published, runs, startup, steps
from histojax.engine import parts
from histojax.studies import expand, layouts

NAMES = sorted(path.stem for path in (ROOT / "configs").glob("ablate_*.py"))
EVERY = [
  pytest.param(name, variant, marks=() if variant == "quick" else pytest.mark.full)
  for name in NAMES
  for variant in importlib.import_module(f"configs.{name}").VARIANTS
]
MEMBERS = {  # of '', 'grouped' and 'quick'
  "ablate_attention": (180, None, 36),
  "ablate_breakhis_vgg": (72, 120, 24),
  "ablate_canvas": (15, None, 6),
  "ablate_cervix": (35, 35, 14),
  "ablate_crc": (27, None, 9),
  "ablate_dala": (108, 180, 36),
  "ablate_liver": (15, 25, 10),
  "ablate_reduction": (35, None, 14),
  "ablate_split": (10, None, 6),
}
ROWS = {  # the papers' rows, in their order
  "ablate_liver": ("VGG16", "ResNet50", "ResNet50_CBAM", "SENet", "SKNet"),
  "ablate_cervix": ("Plissiti", "ResNet50", "SE", "SAM", "DNL", "SE+SAM", "Ours"),
  "ablate_crc": (
    "Fine-tuned ResNet50", "Multitask ResNet18", "ResNet18", "ResNet50", "VGG19",
  ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
  monkeypatch.chdir(ROOT)


def expanded(name, variant, tmp_path):
  file = f"configs/{name}.py"
  config = startup.load_config(f"{file}:{variant}" if variant else file)
  request = startup.Request(config, config, file, variant, "ablate", "", "")
  study = expand.describe(request, "")
  return study, expand.members(study, request, runs.StudyFolder(tmp_path))


@pytest.mark.parametrize("name,variant", EVERY)
def test_it_expands(name, variant, tmp_path):
  study, members = expanded(name, variant, tmp_path)
  asked = dict(zip(("", "grouped", "quick"), MEMBERS[name], strict=True))[variant]
  assert len(members) == asked
  assert len({m.folder.path for m in members}) == asked
  assert study["layout"] in layouts.LAYOUTS
  for of in study["variants"]:
    assert layouts.baseline_of(study, of) in study["variants"]
  for member in members:
    split = member.request.config.split
    if variant in ("grouped", "quick") and member.name != "leaky":
      assert split.protocol in ("grouped", "kfold", "predefined")
      assert split.get("grouped", True)
    if variant == "quick":  # there is a curve to tell how soon
      assert member.request.config.select_on == "validation"


@pytest.mark.parametrize("name", NAMES)
def test_its_head_says_how_to_run_it_and_what_was_published(name):
  text = (ROOT / "configs" / f"{name}.py").read_text()
  head = " ".join(text.split('"""')[1].split())
  for variant in importlib.import_module(f"configs.{name}").VARIANTS:
    colon = f":{variant}" if variant else ""
    assert f"--config=configs/{name}.py{colon} --mode=ablate" in head
  assert ("Ours: " in head or "Ours, :quick" in head) and " %" in head
  for model in ROWS.get(name, ()):
    paper = {"ablate_crc": "colorectal"}.get(name, name.removeprefix("ablate_"))
    accuracy = published.find(f"{paper}/{model}")["accuracy"]
    assert f"{100 * accuracy:.2f}" in head or f"{100 * accuracy:.1f}" in head


@pytest.mark.parametrize("name", ROWS)
def test_its_rows_are_those_of_the_paper(name, tmp_path):
  study, members = expanded(name, "quick", tmp_path)
  assert tuple(study["variants"])[: len(ROWS[name])] == ROWS[name]
  for member in members:
    asked = member.request.config.published
    if member.name in ROWS[name]:
      assert asked == f"{study['paper']}/{member.name}"


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_every_network_can_be_built(name, tmp_path):
  seen = set()
  for variant in ("", "quick"):
    for member in expanded(name, variant, tmp_path)[1]:
      config = member.request.config
      key = str(config.model), config.augment.size
      if key in seen:
        continue
      seen.add(key)
      model, tx, view = parts(config, 3)

      def start(key, model=model, tx=tx, view=view):
        return steps.init(key, model=model, tx=tx, view=view)

      state = jax.eval_shape(start, jax.random.key(0))
      assert models.parameter_count(state.params) > 0

"""Imports point down: the directions that keep the package readable, and light."""

import ast
import subprocess
import sys

from conftest import ROOT

PACKAGE = ROOT / "histojax"
NEUTRAL = {"errors", "console", "atomic"}  # everybody may use them
MAY_IMPORT = {
  "errors": set(),
  "console": set(),
  "atomic": set(),
  "spec": set(),
  "ops": {"ops"},
  "attention": {"attention", "ops", "spec"},
  "augment": {"augment", "ops"},
  "data": {"data"},
  "evaluation": {"evaluation"},
  "published": {"published"},
  "losses": {"metric_learning", "spec"},
  "metric_learning": set(),
  "schedules": {"spec"},
  "models": {"models", "attention", "ops", "spec"},
  "steps": {"augment", "losses", "models", "sharding"},
}


def imports(path):
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("histojax"):
      rest = node.module.split(".")[1:]
      yield from rest[:1] or [alias.name for alias in node.names]
    elif isinstance(node, ast.Import):
      for alias in node.names:
        if alias.name.startswith("histojax."):
          yield alias.name.split(".")[1]


def test_imports_point_down():
  wrong = []
  for path in sorted(PACKAGE.rglob("*.py")):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part in MAY_IMPORT:
      allowed = MAY_IMPORT[part] | NEUTRAL
      wrong += [
        f"{path.relative_to(ROOT)} imports {name}"
        for name in imports(path)
        if name not in allowed
      ]
  assert not wrong, "move the shared part down, or hand it over as an argument:\n" + (
    "\n".join(wrong)
  )


def test_only_checkpoint_imports_orbax():
  users = [
    p for p in PACKAGE.rglob("*.py") if "orbax.checkpoint import" in p.read_text()
  ]
  assert [p.name for p in users] == ["checkpoint.py"]


def code_lines(path):
  """Lines that are neither blank, comment nor docstring."""
  text, documented = path.read_text(), set()
  for node in ast.walk(ast.parse(text)):
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
      if ast.get_docstring(node):
        documented |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
  return [
    line
    for number, line in enumerate(text.splitlines(), 1)
    if line.strip() and not line.strip().startswith("#") and number not in documented
  ]


def test_no_file_is_long_and_the_package_is_small():
  files = list(PACKAGE.rglob("*.py"))
  assert not [p.name for p in files if len(p.read_text().splitlines()) > 300]
  assert sum(len(code_lines(p)) for p in files) <= 21_200


def test_the_package_needs_neither_tensorflow_nor_pytorch():
  code = (
    "import sys, pkgutil, importlib, histojax\n"
    "for m in pkgutil.walk_packages(histojax.__path__, 'histojax.'):\n"
    "  importlib.import_module(m.name)\n"
    "assert 'torch' not in sys.modules and 'tensorflow' not in sys.modules\n"
  )
  subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_worker_side_modules_do_not_import_jax():
  code = (
    "import sys, histojax.data.synthesis\n"
    "assert 'jax' not in sys.modules and 'tensorflow_datasets' not in sys.modules\n"
  )
  subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

"""The choices that a paper leaves open: `# assumption: ...` in config files."""

import ast
import importlib.util
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

from histojax import spec

_SIGN = "assumption:"


def assumptions(config_file: str, flat: dict) -> list[dict]:
  """[{key, value, why}] in the files' order, with the values that a run really used.

  A line `c.optimizer.momentum = 0.0  # assumption: eq. (3) shows none` is one. A config
  that begins with `from configs import liver_senet as base` has the choices of that
  file too; a key that it sets anew is as open, or as settled, as it says itself.
  """
  found = _read(Path(config_file), ())
  return [{"key": k, "value": flat[k], "why": found[k]} for k in found if k in flat]


def _read(file: Path, deriving: tuple[Path, ...]) -> dict[str, str]:
  """{key: why} of a config file and of those it derives from."""
  file = file.resolve()
  if file in deriving:
    return {}
  text, found, own = file.read_text(encoding="utf-8"), {}, {}
  tree = spec.syntax_tree(text)
  for base in _bases(tree):
    found |= _read(base, (*deriving, file))
  comments = {
    token.start[0]: token.string.partition(_SIGN)[2].strip()
    for token in tokenize.generate_tokens(io.StringIO(text).readline)
    if token.type == tokenize.COMMENT and _SIGN in token.string
  }
  functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
  always = {id(node) for function in functions for node in function.body}
  for node in ast.walk(tree):  # outer statements first, and they count before inner
    if isinstance(node, ast.Assign):
      lines = range(node.lineno, node.end_lineno + 1)
      why = next((comments[line] for line in lines if line in comments), "")
      for key in _keys(node):
        if why:
          own.setdefault(key, why)
        elif id(node) in always:  # not what only a variant sets
          found.pop(key, None)
  return found | own


def _keys(node: ast.Assign) -> Iterator[str]:
  """'model.name' of `c.model.name = ...`; of a tuple, each."""
  for target in node.targets:
    for each in target.elts if isinstance(target, ast.Tuple) else [target]:
      variable, dot, key = ast.unparse(each).partition(".")
      if isinstance(each, ast.Attribute) and variable == "c":
        yield key


def _bases(tree: ast.Module) -> Iterator[Path]:
  """The config files that a config file imports."""
  for node in tree.body:
    names = []
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
      names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    elif isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    for name in names:
      try:
        origin = getattr(importlib.util.find_spec(name), "origin", None)
      except (ImportError, ValueError):  # a function, not a module
        continue
      path = Path(origin or "")
      if path.suffix == ".py" and "def get_config(" in path.read_text(errors="replace"):
        yield path

"""What is compiled is forgotten before a process has too many memory mappings."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from histojax import compilation
from histojax.studies.running import Worker


@pytest.mark.skipif(not compilation.mappings(), reason="needs Linux' /proc/self/maps")
def test_room_is_made_where_mappings_run_out(monkeypatch):
  x = jnp.ones(8)
  many = [
    jax.jit(functools.partial(lambda k, x: jnp.sin(x + k).sum(), k)) for k in range(20)
  ]
  expected = [one(x) for one in many]
  count, held = compilation.mappings, compilation.mappings()
  assert not compilation.make_room() and compilation.mappings() >= held
  monkeypatch.setattr(compilation, "mappings", lambda: 10**9)
  assert compilation.make_room()
  assert count() <= held - 2 * len(many)
  assert [one(x) for one in many] == expected


def test_a_study_looks_for_room_at_every_network(monkeypatch):
  looks = []
  monkeypatch.setattr(compilation, "make_room", lambda: looks.append(len(made)))
  worker, made = Worker(None, None, None, {}), []
  monkeypatch.setattr(worker, "_make", lambda ready: made.append(ready.engine) or ready)
  for name in "aabba":
    worker._of(SimpleNamespace(engine=name, program=name))
  assert made == ["a", "b", "a"] and looks == [1, 2, 3]

"""What is compiled beside other work, and forgotten before mappings run out."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
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


def test_what_is_compiled_beside_is_found_counted_and_told():
  step, done, device = jax.jit(lambda x: jnp.cos(x).sum()), [], jax.devices()[-1]
  x, made = jax.device_put(jnp.ones(7), device), compilation.programs().copy()
  before = compilation.clock()[0]
  with jax.default_device(device), compilation.beside(lambda: step.lower(x).compile()):
    done.append("this thread went on")
  assert done and compilation.clock()[0] > before
  with jax.default_device(device):
    assert float(step(x)) == pytest.approx(7 * np.cos(1), abs=1e-6)
  new = compilation.programs() - made
  assert new["jit(<lambda>)"] == 1

  with pytest.raises(ZeroDivisionError), compilation.beside(lambda: 1 / 0):
    done.append("and again")
  assert len(done) == 2


def test_a_study_looks_for_room_at_every_network(monkeypatch):
  looks = []
  monkeypatch.setattr(compilation, "make_room", lambda: looks.append(len(made)))
  worker, made = Worker(None, None, None, {}), []
  monkeypatch.setattr(worker, "_make", lambda ready: made.append(ready.engine) or ready)
  for name in "aabba":
    worker._of(SimpleNamespace(engine=name, program=name))
  assert made == ["a", "b", "a"] and looks == [1, 2, 3]

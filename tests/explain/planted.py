"""Images in which one known object alone tells the class, and networks trained on them.

A textured disc at a random place; or, in windows of synthetic liver, the nuclei of
cells that are no tumour's.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import ndimage

from histojax.data import synthesis
from histojax.explain import blocks, gradcam, layers, place

CLASSES = ("lying stripes", "standing stripes", "checks")
PERIOD = 6  # pixels


def draw(count: int, size: int, radius: int, seed: int):
  """image uint8 [N, size, size, 3], label int32 [N], mask bool [N, size, size].

  The ground is smooth noise in the colours of H&E; discs lie wholly inside.
  """
  rng = np.random.default_rng(seed)
  label = (np.arange(count) % len(CLASSES)).astype(np.int32)
  y, x = np.mgrid[:size, :size]
  ground = rng.standard_normal((count, 2, size, size), dtype=np.float32)
  ground = ndimage.gaussian_filter(ground, (0, 0, 2, 2), mode="wrap")
  ground /= ground.std((2, 3), keepdims=True)
  centre = rng.integers(radius, size - radius, (count, 2, 1, 1))
  mask = np.hypot(y - centre[:, 0], x - centre[:, 1]) < radius
  wave = [(np.arange(size) // (PERIOD // 2)) % 2 * 2.0 - 1]
  lying, standing = np.broadcast_arrays(wave[0][:, None], wave[0][None, :])
  texture = np.stack([lying, standing, lying * standing])[label]
  dye = 0.45 + 0.15 * ground[:, 0] + np.where(mask, 0.3 * texture, 0.0)
  pink = 0.5 + 0.15 * ground[:, 1]
  density = np.clip(np.stack([dye, pink], -1), 0, None) @ np.array(
    [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]]
  )
  image = 255 * 10 ** -np.clip(0.6 * density, 0, 2)
  image += rng.normal(0, 4, image.shape)
  return np.clip(image, 0, 255).astype(np.uint8), label, mask


def concentration(heat, mask) -> np.ndarray:
  """Per image, the share of a map's mass inside the object over the object's share of
  the area: 1 for a map that knows nothing of it. NaN where a map has no mass.

  heat: float [N, H, W], at least 0; mask: bool [N, H, W].
  """
  mass = heat.sum((1, 2))
  inside = (heat * mask).sum((1, 2))
  return np.divide(
    inside, mass, out=np.full(len(mass), np.nan), where=mass > 0
  ) / mask.mean((1, 2))


def windows(slides, side: int):
  """As `draw`, from fields of the well and moderate grades: (image, label, mask).

  Class 1 has nuclei of lymphocytes, endothelium and the like, on 1.5 % of its area at
  least, class 0 none; nuclei of the tumour are in both. Half a micrometre per pixel.
  """
  found = []
  for grade in (1, 2):
    for slide in slides:
      image, nuclei = synthesis.render(0, grade, slide, 0, 256, 306)
      for y in range(0, 256 - side + 1, 24):
        for x in range(0, 306 - side + 1, 24):
          box = slice(y, y + side), slice(x, x + side)
          mask = nuclei[box] == synthesis.OTHER_NUCLEUS
          if mask.mean() > 0.015 or not mask.any():
            found.append((image[box], int(mask.any()), mask))
  image, label, mask = (np.stack(part) for part in zip(*found, strict=True))
  return image, label.astype(np.int32), mask


def scaled(image) -> np.ndarray:
  return (image.astype(np.float32) / 255 - 0.6) / 0.2


def fresh(model, size: int, seed: int):
  """Variables as they start, but that no block starts as identity."""
  images = jnp.zeros((1, size, size, 3))
  variables = jax.jit(lambda key: model.init(key, images, train=False))(
    jax.random.key(seed)
  )
  return jax.tree_util.tree_map_with_path(
    lambda path, leaf: leaf + (path[-1].key == "scale") * (1 - leaf), variables
  )


def trained(model, variables, image, label, *, epochs: int, batch: int = 32):
  """Adam with a cosine schedule on `image`, each mirrored and turned at random."""
  steps = len(image) // batch
  tx = optax.adam(optax.cosine_decay_schedule(3e-3, epochs * steps))

  @jax.jit
  def update(variables, state, x, y):
    def loss(params):
      given = variables | {"params": params}
      (logits, _), moved = model.apply(given, x, train=True, mutable=["batch_stats"])
      each = optax.softmax_cross_entropy_with_integer_labels(logits, y)
      return each.mean(), moved

    grads, moved = jax.grad(loss, has_aux=True)(variables["params"])
    step, state = tx.update(grads, state)
    params = optax.apply_updates(variables["params"], step)
    return variables | moved | {"params": params}, state

  rng, state = np.random.default_rng(0), tx.init(variables["params"])
  image = scaled(image)
  for _ in range(epochs):
    order = rng.permutation(len(image))
    for rows in np.split(order[: steps * batch], steps):
      x = image[rows][:, :: rng.choice([1, -1]), :: rng.choice([1, -1])]
      variables, state = update(variables, state, x, label[rows])
  return variables


def explained(model, image, label, layer: str = "map"):
  """A function of variables -> (the share that is right, Grad-CAM of the true class,
  {block: its own map}), maps float [N, H, W] at the images' pixels."""
  size = image.shape[1]
  found = layers.find(model, size, layer)
  x, classes = scaled(image), label[:, None]

  @jax.jit
  def run(variables):
    logits, cam, kept = gradcam.apply(
      model, found, variables, x, jnp.asarray(classes), ("gates",)
    )
    maps = blocks.gather(kept, jnp.full((len(x), 2), 0.5), model.family)
    return logits, cam[:, 0], maps.spatial

  def onto(maps, grid):
    sides = (size, size)
    return np.stack([place.onto(m, grid, size, sides, sides) for m in maps])

  def explain(variables):
    logits, cam, spatial = jax.device_get(run(variables))
    own = {name: onto(m, layers.grid(model, name)) for name, m in spatial.items()}
    return (logits.argmax(-1) == label).mean(), onto(cam, found.grid), own

  return explain

"""ResNet50's training loss with nothing fused: what the fast forms must agree with."""

import jax
import jax.numpy as jnp
from jax import lax


def plain_loss(params, images, labels):
  """Mean cross entropy of the parameters of `models.create("resnet50")`.

  Args:
    images: [B, H, W, 3], normalised; labels int32 [B]. Norms see this batch.
  """
  x = _norm(params["stem"], "1", _conv(params["stem"], "1", images, 2))
  window = (1, 3, 3, 1), (1, 2, 2, 1), [(0, 0), (1, 1), (1, 1), (0, 0)]
  x = lax.reduce_window(jax.nn.relu(x), -jnp.inf, lax.max, *window)
  for stage, blocks in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True):
    for block in range(1, blocks + 1):
      p = params[f"stage{stage}_block{block}"]
      stride = 2 if stage > 2 and block == 1 else 1
      shortcut = x
      if block == 1:
        shortcut = _norm(p, "_shortcut", _conv(p, "_shortcut", x, stride))
      x = jax.nn.relu(_norm(p, "1", _conv(p, "1", x, 1)))
      x = jax.nn.relu(_norm(p, "2", _conv(p, "2", x, stride)))
      x = jax.nn.relu(_norm(p, "3", _conv(p, "3", x, 1)) + shortcut)
  head = params["head"]["out"]
  logits = jax.nn.log_softmax(x.mean((1, 2)) @ head["kernel"] + head["bias"])
  return -jnp.take_along_axis(logits, labels[:, None], axis=1).mean()


def _conv(params, name, x, stride):
  kernel = params[f"conv{name}"]["kernel"]
  around = [(kernel.shape[0] // 2,) * 2] * 2
  numbers = ("NHWC", "HWIO", "NHWC")
  return lax.conv_general_dilated(
    x, kernel, (stride, stride), around, dimension_numbers=numbers
  )


def _norm(params, name, x):
  p = params[f"norm{name}"]
  mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
  return (x - mean) * lax.rsqrt(variance + 1e-5) * p["scale"] + p["bias"]

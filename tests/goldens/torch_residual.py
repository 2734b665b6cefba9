"""PyTorch's residual networks with attention: timm's, and the papers' blocks in them.

SAM, DNL and LAM are written from the published equations, by the letter; they are hung
into timm's networks, so that the names of the weights stay timm's.
"""

import math
import re

import timm
import torch
from timm.layers import EcaModule, SEModule
from timm.models import resnet, sknet
from torch import nn


class SAM(nn.Module):
  """x = mean over channels of u; G = M x, M a 1x1 convolution; u' = G u."""

  def __init__(self, sigmoid: bool = True):
    super().__init__()
    self.conv, self.sigmoid = nn.Conv2d(1, 1, 1), sigmoid

  def forward(self, u):
    gate = self.conv(u.mean(1, keepdim=True))
    return (gate.sigmoid() if self.sigmoid else gate) * u


class DNL(nn.Module):
  """y_i = u_i + sum_j w(i, j) v_j (Yin et al., arXiv 2006.06668, equation 9).

  w(i, j) = softmax_j[(q_i - mu_q)' (k_j - mu_k)] + softmax_j[m_j]
  """

  def __init__(self, channels, scale=True, temperature=1.0, gamma=False, out=False):
    super().__init__()
    half = channels // 2
    self.conv_query = nn.Conv2d(channels, half, 1)
    self.conv_key = nn.Conv2d(channels, half, 1)
    self.conv_value = nn.Conv2d(channels, half if out else channels, 1, bias=out)
    self.conv_mask = nn.Conv2d(channels, 1, 1)
    self.conv_out = nn.Conv2d(half, channels, 1) if out else nn.Identity()
    self.gamma = nn.Parameter(torch.zeros(1)) if gamma else None
    self.divisor = (math.sqrt(half) if scale else 1.0) * temperature

  def forward(self, u):
    layers = self.conv_query, self.conv_key, self.conv_value, self.conv_mask
    q, k, v, m = (layer(u).flatten(2) for layer in layers)  # [B, C, N]
    q, k = (t - t.mean(2, keepdim=True) for t in (q, k))
    w = torch.softmax(q.transpose(1, 2) @ k / self.divisor, dim=2)  # [B, N, N]
    w = (1.0 if self.gamma is None else self.gamma) * w + torch.softmax(m, dim=2)
    y = (v @ w.transpose(1, 2)).unflatten(2, u.shape[2:])
    return u + self.conv_out(y)


class LAM(nn.Module):
  """Assumed: a squeeze-and-excitation gate, or ECA's, once."""

  def __init__(self, channels, gate="se"):
    super().__init__()
    if gate == "se":
      self.se = SEModule(channels, rd_channels=channels // 16)
    else:
      self.eca = EcaModule(channels)

  def forward(self, u):
    return (self.se if hasattr(self, "se") else self.eca)(u)


# spec -> C -> module; what the table of transforms is compared with
TRANSFORMS = {
  "dnl": DNL,
  "dnl(scale=False, gamma=True)": lambda c: DNL(c, scale=False, gamma=True),
  "dnl(temperature=0.05, out=True)": lambda c: DNL(c, temperature=0.05, out=True),
  "lam": LAM,
  "lam(gate=eca)": lambda c: LAM(c, "eca"),
}
GATES = {
  "sam": lambda c: SAM(),
  "sam(gate=none)": lambda c: SAM(sigmoid=False),
  "eca": EcaModule,
}


def build(case) -> nn.Module:
  """Of a case whose torch_name is 'blocks:' and timm's name, or that of a `TINY`."""
  name, classes = case.torch_name.removeprefix("blocks:"), case.num_classes
  kind = TINY.get(name)
  model = kind(classes) if kind else timm.create_model(name, num_classes=classes)
  stages = [model.layer1, model.layer2, model.layer3, model.layer4]
  specs = case.attention.split("|")
  for stage, spec in zip(stages, specs * (4 // len(specs)), strict=True):
    for block in stage:
      _gates(block, [] if name in OWN else re.findall(r"\w+(?:\([^)]*\))?", spec))
  ends = re.findall(r"\w+(?:\([^)]*\))?", case.kwargs.get("stage_end", "none"))
  for number, (stage, end) in enumerate(
    zip(stages, ends * (4 // len(ends)), strict=True)
  ):
    if end != "none":
      last = list(stage)[-1]
      norm = getattr(last, "bn3", None) or last.bn2
      block = TRANSFORMS[end](norm.num_features)
      holder = nn.ModuleDict({end.split("(")[0]: block})
      setattr(model, f"layer{number + 1}_end", holder)
      stage.register_forward_hook(lambda _, inputs, u, block=block: block(u))
  HEADS[case.kwargs.get("head", "linear").split("(")[0]](model, case)
  return model


def _gates(block, specs) -> None:
  """Behind the block's last norm, one after the other."""
  specs = [spec for spec in specs if spec != "none"]
  if not specs:
    return
  channels = (getattr(block, "bn3", None) or block.bn2).num_features
  gates = []
  for spec in specs:
    name, ratio = spec.split("(")[0], re.search(r"ratio=(\d+)", spec)
    if name == "se":
      hidden = channels // (int(ratio[1]) if ratio else 16)
      gates.append(("se", SEModule(channels, rd_channels=hidden)))
    elif name == "eca":
      gates.append(("se", EcaModule(channels)))
    elif name == "sam":
      gates.append(("sam", GATES[spec](channels)))
  for name, gate in gates:
    setattr(block, name, gate)
  if gates[0][0] != "se":
    block.se = gates[0][1].forward  # timm calls `se` before the addition
  for _, gate in gates[1:]:
    block.se.register_forward_hook(lambda _, inputs, u, gate=gate: gate(u))


class Call(nn.Module):
  """A function where a module is expected, without weights of its own."""

  def __init__(self, function):
    super().__init__()
    self.function = function

  def forward(self, x):
    return self.function(x)


def _dual(model, case) -> None:
  widths = [int(n) for n in re.findall(r"\d+", case.kwargs["head"])] or [512, 256]
  inputs, classes = model.fc.in_features, case.num_classes
  layers = {"fc1": nn.Linear(inputs, widths[0])}
  if len(widths) == 2:
    layers["fc2"] = nn.Linear(*widths)
  model.head = nn.ModuleDict(layers)
  model.fc = nn.Linear(widths[-1], classes)

  def hidden(x):
    x = nn.functional.leaky_relu(layers["fc1"](x.mean((2, 3))), 0.01)
    return layers["fc2"](x).relu() if "fc2" in layers else x

  model.global_pool = Call(hidden)


def _fused(model, case) -> None:
  means = {}
  for number, stage in (3, model.layer2), (4, model.layer3), (5, model.layer4):

    def keep(_, inputs, u, number=number):
      means[number] = u.mean((2, 3))

    stage.register_forward_hook(keep)
  share = 4 * model.fc.in_features // 16  # C/4 + C/2 + C
  model.fc = nn.Linear(7 * share, case.num_classes)
  model.global_pool = Call(lambda x: torch.cat([means[n] for n in (3, 4, 5)], 1))


def _multitask(model, case) -> None:
  layers = {"embedding": nn.Linear(model.fc.in_features, 64), "hash": nn.Linear(64, 48)}
  model.head = nn.ModuleDict(layers)


HEADS = {
  "linear": lambda model, case: None,
  "dual": _dual,
  "fused": _fused,
  "multitask": _multitask,
}


def _tiny(num_classes, block=resnet.Bottleneck, **kwargs) -> nn.Module:
  """One block a stage; timm's plain stem has 64 channels whatever the widths."""
  model = resnet.ResNet(
    block, (1, 1, 1, 1), num_classes, channels=(8, 16, 32, 64), **kwargs
  )
  if "stem_type" in kwargs:
    return model
  model.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
  model.bn1 = nn.BatchNorm2d(8)
  first = model.layer1[0]
  if block is resnet.BasicBlock:
    first.conv1, first.downsample = nn.Conv2d(8, 8, 3, padding=1, bias=False), None
    return model
  conv = nn.Conv2d(8, 8, 1, bias=False)
  if block is resnet.Bottleneck:
    first.conv1 = conv
  else:
    first.conv1.conv = conv
  first.downsample[0] = nn.Conv2d(8, 32, 1, bias=False)
  return model


TINY = {
  "tiny": _tiny,
  "tiny_basic": lambda k: _tiny(k, resnet.BasicBlock),
  "tiny_senet": lambda k: _tiny(
    k, stem_type="deep", stem_width=8, cardinality=8, base_width=32,
    down_kernel_size=3, block_reduce_first=2, block_args={"attn_layer": "se"},
  ),
  "tiny_sk": lambda k: _tiny(
    k, sknet.SelectiveKernelBottleneck, block_args={"sk_kwargs": {"split_input": True}}
  ),
}  # fmt: skip
OWN = {"tiny_senet", "tiny_sk", "senet154", "skresnet50"}  # have attention by name

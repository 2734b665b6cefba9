"""What kernels move and compute, counted by hand on small programs."""

import pytest

from histojax.profiling.hlo import Module, layer_of
from histojax.profiling.hlo_text import parse


def program(*lines, others=""):
  body = "\n".join(f"  {line}" for line in lines)
  return (
    f"HloModule m\n\n{others}\n\nENTRY %main (p: f32[4]) -> f32[4] {{\n{body}\n}}\n"
  )


def kernels(*lines, others=""):
  return Module(program(*lines, others=others)).kernels()


def computation(name, *lines):
  body = "\n".join(f"  {line}" for line in lines)
  return f"%{name} (p: f32[4]) -> f32[4] {{\n{body}\n}}\n\n"


def test_text_of_an_instruction():
  text = program(
    "ROOT %f.1 = (bf16[2,3]{1,0:T(8,128)(2,1)}, /*index=1*/(pred[], u8[0]{0}))"
    " fusion(%a, /*index=1*/%b), kind=kLoop, calls=%fused.7,"
    ' metadata={op_name="jit(f)/stem/add" stack_frame_id=3}'
  )
  computations, entry = parse(text)
  (i,) = computations[entry]
  assert (entry, i.name, i.opcode, i.operands) == ("main", "f.1", "fusion", ("a", "b"))
  found = [(a.dtype, a.dims, a.bytes) for a in i.arrays]
  assert found == [("bf16", (2, 3), 12), ("pred", (), 1), ("u8", (0,), 0)]
  assert (i.called("calls"), i.op_name) == (["fused.7"], "jit(f)/stem/add")
  assert sum(a.bytes for a in parse(program("%x = s4[3] parameter(0)"))[0]["main"][
    0
  ].arrays) == 2  # half a byte each  # fmt: skip


def test_text_that_is_no_program_is_refused():
  with pytest.raises(ValueError, match="ENTRY"):
    parse("hello")


def test_each_buffer_counts_once_and_views_are_free():
  (kernel,) = kernels(
    "%x = f32[8,4]{1,0} parameter(0)",
    "%view = f32[32]{0} bitcast(%x)",
    "%y = f32[8,4]{1,0} multiply(%x, %x)",
    "ROOT %t = (f32[8,4]{1,0}) tuple(%y)",
  )
  assert (kernel.bytes, kernel.kind, kernel.flops) == (128 + 128, "elementwise", {})
  fused = computation(
    "fused",
    "%a = f32[32]{0} parameter(0)",
    "%b = f32[32]{0} parameter(1)",
    "ROOT %s = f32[32]{0} add(%a, %b)",
  )
  (kernel,) = kernels(
    "%x = f32[8,4]{1,0} parameter(0)",
    "%view = f32[32]{0} bitcast(%x)",
    "%again = f32[32]{0} bitcast(%x)",
    "ROOT %y = f32[32]{0} fusion(%view, %again), kind=kLoop, calls=%fused",
    others=fused,
  )
  assert kernel.bytes == 128 + 128


def test_a_gather_reads_what_it_takes():
  """Two of 100 resident tiles, then two samples at the same places of those."""
  fused = computation(
    "fused",
    "%tiles = u8[100,8,8,3]{3,2,1,0} parameter(0)",
    "%index = s32[2,1]{1,0} parameter(1)",
    "%where = s32[64]{0} parameter(2)",
    "%batch = u8[2,8,8,3]{3,2,1,0} gather(%tiles, %index), offset_dims={1,2,3}",
    "%flat = u8[384]{0} bitcast(%batch)",
    "%one = u8[64,3]{1,0} gather(%flat, %where), offset_dims={1}",
    "%two = u8[64,3]{1,0} gather(%flat, %where), offset_dims={1}",
    "ROOT %sum = u8[64,3]{1,0} add(%one, %two)",
  )
  (kernel,) = kernels(
    "%tiles = u8[100,8,8,3]{3,2,1,0} parameter(0)",
    "%index = s32[2,1]{1,0} parameter(1)",
    "%where = s32[64]{0} parameter(2)",
    "ROOT %f = u8[64,3]{1,0} fusion(%tiles, %index, %where), calls=%fused",
    others=fused,
  )
  assert kernel.bytes == 192 + 8 + 4 * 64 + 192
  assert kernel.kind == "gather and scatter"


def test_slices_pads_and_reductions():
  fused = computation(
    "fused",
    "%x = f32[100,8]{1,0} parameter(0)",
    "%zero = f32[] parameter(1)",
    "%a = f32[10,8]{1,0} slice(%x), slice={[0:10], [0:8]}",
    "%b = f32[20,8]{1,0} slice(%x), slice={[50:70], [0:8]}",
    "%c = f32[30,8]{1,0} concatenate(%a, %b), dimensions={0}",
    "ROOT %r = f32[30]{0} reduce(%c, %zero), dimensions={1}, to_apply=%add",
  )
  (kernel,) = kernels(
    "%x = f32[100,8]{1,0} parameter(0)",
    "%zero = f32[] constant(0)",
    "ROOT %r = f32[30]{0} fusion(%x, %zero), kind=kInput, calls=%fused",
    others=fused,
  )
  assert kernel.bytes == 4 * (30 * 8 + 1 + 30)
  assert kernel.kind == "reduction"
  (whole,) = kernels(
    "%x = f32[100,8]{1,0} parameter(0)",
    "%zero = f32[] constant(0)",
    "ROOT %r = f32[2]{0} reduce(%x, %zero), dimensions={0,1}, to_apply=%add",
  )
  assert whole.bytes == 4 * (800 + 1 + 2)
  (padded,) = kernels(
    "%x = f32[8]{0} parameter(0)",
    "%zero = f32[] constant(0)",
    "ROOT %r = f32[12]{0} pad(%x, %zero), padding=2_2",
  )
  assert padded.bytes == 4 * (8 + 1 + 12)


def test_updates_in_place():
  text = (
    "%x = f32[100,8]{1,0} parameter(0)",
    "%new = f32[1,8]{1,0} parameter(1)",
    "%i = s32[] parameter(2)",
    "ROOT %u = f32[100,8]{1,0} dynamic-update-slice(%x, %new, %i, %i)",
  )
  (alone,) = kernels(*text)
  (fused,) = kernels(
    *text[:3],
    "ROOT %f = f32[100,8]{1,0} fusion(%x, %new, %i), calls=%fused",
    others=computation("fused", *text),
  )
  assert alone.bytes == fused.bytes == 4 * (8 + 8 + 1)
  (scatter,) = kernels(
    "%x = f32[100]{0} parameter(0)",
    "%at = s32[5,1]{1,0} parameter(1)",
    "%new = f32[5]{0} parameter(2)",
    "ROOT %s = f32[100]{0} scatter(%x, %at, %new), to_apply=%add",
  )
  assert scatter.bytes == 4 * (5 + 5 + 5 + 5)  # adds to what is there
  # a part of another array that is written anew is no update in place
  (fresh,) = kernels(
    *text[1:3],
    "ROOT %f = f32[100,8]{1,0} fusion(%new, %i), calls=%fused",
    others=computation(
      "fused",
      "%new = f32[1,8]{1,0} parameter(0)",
      "%i = s32[] parameter(1)",
      "%x = f32[100,8]{1,0} broadcast(%zero), dimensions={}",
      "ROOT %u = f32[100,8]{1,0} dynamic-update-slice(%x, %new, %i, %i)",
    ),
  )
  assert fresh.bytes == 4 * (8 + 1 + 800)


LABELS = "dim_labels=b01f_o01i->b01f"


@pytest.mark.parametrize(
  ("target", "kind", "operands", "result"),
  (
    ("Forward", "convolution", ("8,9,9,6", "4,3,3,3"), "8,9,9,4"),
    ("BackwardInput", "convolution, gradient of the input", ("8,9,9,4", "4,3,3,3"),
     "8,9,9,6"),
    ("BackwardFilter", "convolution, gradient of the kernel", ("8,9,9,6", "8,9,9,4"),
     "4,3,3,3"),
  ),
)  # fmt: skip
def test_convolutions_of_cudnn(target, kind, operands, result):
  """3x3, 6 -> 4 channels in 2 groups: 3 * 3 * 3 multiply-adds an output element."""
  a, b = operands
  (kernel,) = kernels(
    f"%a = bf16[{a}]{{3,2,1,0}} parameter(0)",
    f"%b = bf16[{b}]{{3,2,1,0}} parameter(1)",
    f"%c = (bf16[{result}]{{3,2,1,0}}, u8[4096]{{0}}) custom-call(%a, %b),"
    f" window={{size=3x3 pad=1_1x1_1}}, {LABELS}, feature_group_count=2,"
    f' custom_call_target="__cudnn$conv{target}"',
    f"ROOT %r = bf16[{result}]{{3,2,1,0}} get-tuple-element(%c), index=0",
  )
  assert kernel.kind == kind
  assert kernel.flops == {"bf16": 2 * (8 * 9 * 9 * 4) * (3 * 3 * 3)}
  x, w, y = 2 * 8 * 81 * 6, 2 * 4 * 27, 2 * 8 * 81 * 4
  assert kernel.bytes == x + w + y  # 4096 bytes of workspace are not traffic


def test_convolution_with_bias_and_activation_and_a_view_of_its_kernel():
  (kernel,) = kernels(
    "%x = bf16[8,9,9,6]{3,2,1,0} parameter(0)",
    "%w = bf16[4,6]{1,0} parameter(1)",
    "%kernel = bf16[4,1,1,6]{3,2,1,0} bitcast(%w)",
    "%bias = f32[4]{0} parameter(2)",
    "%side = bf16[8,9,9,4]{3,2,1,0} parameter(3)",
    "ROOT %c = (bf16[8,9,9,4]{3,2,1,0}, u8[0]{0}) custom-call(%x, %kernel, %bias,"
    f" %side), window={{size=1x1}}, {LABELS},"
    ' custom_call_target="__cudnn$convBiasActivationForward"',
  )
  assert kernel.flops == {"bf16": 2 * 648 * 4 * 6}
  assert kernel.bytes == 2 * (648 * 6 + 24 + 648 * 4 * 2) + 16


def test_plain_convolution_ignores_the_zeros_between_elements():
  (kernel,) = kernels(
    "%x = f32[2,4,4,3]{3,2,1,0} parameter(0)",
    "%w = f32[3,3,3,5]{3,2,1,0} parameter(1)",
    "ROOT %y = f32[2,8,8,5]{3,2,1,0} convolution(%x, %w),"
    " window={size=3x3 pad=1_2x1_2 lhs_dilate=2x2}, dim_labels=b01f_01io->b01f",
  )
  assert kernel.flops == {"tf32": 2 * (2 * 8 * 8 * 5) * 27 / 4}


@pytest.mark.parametrize(
  ("dtype", "precision", "kind"),
  (
    ("bf16", "", "bf16"),
    ("f32", "", "tf32"),
    ("f32", ", operand_precision={highest,highest}", "f32"),
    ("f64", "", "f64"),
  ),
)
def test_matrix_products_in_fusions_and_in_cublas(dtype, precision, kind):
  dot = (
    f"%a = {dtype}[7,16,32]{{2,1,0}} parameter(0)",
    f"%b = {dtype}[7,32,8]{{2,1,0}} parameter(1)",
    f"ROOT %d = {dtype}[7,16,8]{{2,1,0}} dot(%a, %b), lhs_batch_dims={{0}},"
    " lhs_contracting_dims={2}, rhs_batch_dims={0}, rhs_contracting_dims={1}"
    + precision,
  )
  inner = computation(
    "outer",
    *dot[:2],
    f"ROOT %n = {dtype}[7,16,8]{{2,1,0}} fusion(%a, %b), calls=%inner",
  ) + computation("inner", *dot)
  (fused,) = kernels(
    *dot[:2],
    f"ROOT %f = {dtype}[7,16,8]{{2,1,0}} fusion(%a, %b), kind=kCustom, calls=%outer",
    others=inner,
  )
  (alone,) = kernels(*dot)
  want = {kind: 2 * 7 * 16 * 8 * 32}
  assert fused.flops == alone.flops == want
  assert fused.bytes == alone.bytes
  assert fused.kind == "matrix product"
  (library,) = kernels(
    *dot[:2],
    f"ROOT %c = ({dtype}[7,16,8]{{2,1,0}}, s8[64]{{0}}) custom-call(%a, %b),"
    ' custom_call_target="__cublas$gemm", backend_config={"gemm_backend_config":'
    '{"dot_dimension_numbers":{"lhs_contracting_dimensions":["2"],'
    '"rhs_contracting_dimensions":["1"]},"precision_config":{"operand_precision":'
    f'["{"HIGHEST" if precision else "DEFAULT"}","DEFAULT"]}}}}}}',
  )
  assert (library.flops, library.bytes) == (want, fused.bytes)


def test_loops_calls_branches_and_copies():
  body = computation(
    "body",
    "%p = (s32[], f32[16]{0}) parameter(0)",
    "%x = f32[16]{0} get-tuple-element(%p), index=1",
    '%y = f32[16]{0} negate(%x), metadata={op_name="jit(f)/while/body/stem/neg"}',
  )
  small = computation("small", "%x = f32[4]{0} parameter(0)", "%n = f32[4] negate(%x)")
  call = computation("called", "%x = f32[8]{0} parameter(0)", "%n = f32[8] negate(%x)")
  text = program(
    "%t = (s32[], f32[16]{0}) parameter(0)",
    "%w = (s32[], f32[16]{0}) while(%t), condition=%small, body=%body,"
    ' backend_config={"known_trip_count":{"n":"5"}}',
    "%z = f32[8]{0} get-tuple-element(%w), index=1",
    "%c = f32[8]{0} call(%z), to_apply=%called",
    "%b = f32[8]{0} conditional(%i, %z, %z), branch_computations={%small, %called}",
    "%s = (f32[8]{0}, f32[8]{0}, u32[]) copy-start(%c)",
    "%d = f32[8]{0} copy-done(%s)",
    "%a = ((f32[8]{0}), f32[8]{0}) async-start(%d), calls=%called",
    "ROOT %e = f32[8]{0} async-done(%a)",
    others=body + small + call,
  )
  module = Module(text)
  found = module.kernels()
  assert [(k.count, k.bytes) for k in found] == [
    (5, 5 * 128),
    (5, 5 * 32),
    (1, 64),
    (1, 64),
    (1, 64),
    (1, 64),
  ]
  assert found[0].layer == "stem"
  assert module.notes == {"b: the costliest of 2 branches counts."}
  unknown = Module(text.replace("known_trip_count", "no_count"))
  assert unknown.kernels()[0].count == 1
  assert any("unknown length" in note for note in unknown.notes)


def test_seconds_are_bound_by_one_of_the_two():
  (kernel,) = kernels(
    "%a = bf16[64,64]{1,0} parameter(0)",
    "ROOT %d = bf16[64,64]{1,0} dot(%a, %a), lhs_contracting_dims={1}",
  )
  assert kernel.seconds(1e3, {"bf16": 1e12}) == 2 * 64 * 64 * 2 / 1e3
  assert kernel.seconds(1e9, {"bf16": 1e3}) == 2 * 64**3 / 1e3


@pytest.mark.parametrize(
  ("op_name", "layer"),
  (
    ("jit(train_step)/jvp(ResNet)/stem/norm1/add", "stem/norm1"),
    ("jit(train_step)/transpose(jvp(ResNet))/stage2_block1/conv2/dot_general",
     "stage2_block1/conv2"),
    ("jit(f)/jvp(N)/stage2_block1/attention/se/fc1/dot_general",
     "stage2_block1/attention"),
    ("jit(f)/augment/vmap(jit(clip))/min", "augment"),
    ("jit(f)/stem/checkpoint(a/b)/mul", "stem"),
    ("jit(f)/mul", "other"),
    ("", "other"),
  ),
)  # fmt: skip
def test_layers_are_the_named_scopes(op_name, layer):
  assert layer_of(op_name) == layer

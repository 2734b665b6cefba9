"""Large pages for the scratch memory of a step on a CPU.

XLA's CPU backend allocates that memory, half a gigabyte for ResNet50 at 128 px and
batch 16, at every step and frees it at its end. glibc maps it afresh each time, and the
kernel clears it page by page as it is touched: 127,000 faults of 4 KiB, a seventh of
the step's processor time. With pages of 2 MiB there are 500.
"""

import os
import sys
from pathlib import Path

TUNABLES, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"
_KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def use_huge_pages() -> None:
  """Starts this program anew with glibc's setting, which is read at its start only.

  Does nothing where the user has settings of glibc's own, where the kernel gives large
  pages to nobody or to everybody, and outside Linux. Keeping the freed memory instead
  (mallopt: one arena, no mmap, no trim) is as fast, but small allocations break it up,
  and the heap grew by several times the scratch memory.
  """
  if TUNABLES in os.environ or not sys.orig_argv[1:]:
    return
  try:
    on_request = "[madvise]" in _KERNEL.read_text()
  except OSError:
    return
  if on_request:
    environment = os.environ | {TUNABLES: HUGE_PAGES}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)

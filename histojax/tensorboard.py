"""Scalars for TensorBoard, written by the thread that calls.

tensorboardX's own SummaryWriter hands them to a thread through a queue; where that
thread dies of a full disk, its traceback is printed and the run waits for ever.
"""

import os
import socket
import time
from pathlib import Path

from histojax.errors import naming

FLUSH_SECONDS = 30


class Scalars:
  """An event file below `folder`; what earlier ones hold from step `start` on is void.

  Every method raises OSError where the file cannot be written.
  """

  def __init__(self, folder: Path, start: int):
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.record_writer import RecordWriter

    folder.mkdir(exist_ok=True)  # its parent is the run folder: that must be there
    place = f"{int(time.time())}.{socket.gethostname()}.{os.getpid()}"
    self._path = folder / f"events.out.tfevents.{place}"
    self._file = RecordWriter(str(self._path))
    self._write(Event(file_version="brain.Event:2"))
    self._write(Event(step=start, session_log=SessionLog(status=SessionLog.START)))
    self._flushed = time.monotonic()

  def __enter__(self):
    return self

  def __exit__(self, *_):
    with naming(self._path):
      self._file.close()

  def add_scalar(self, tag: str, value: float, step: int) -> None:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    self._write(Event(step=step, summary=scalar(tag, value)))
    if time.monotonic() - self._flushed > FLUSH_SECONDS:
      with naming(self._path):
        self._file.flush()
      self._flushed = time.monotonic()

  def _write(self, event) -> None:
    event.wall_time = time.time()
    with naming(self._path):
      self._file.write(event.SerializeToString())

"""Which device runs which member: together what compiles together."""

from types import SimpleNamespace

from histojax.studies.queue import Queue


def members(*programs, images="x"):
  return [
    SimpleNamespace(images=images, program=p, engine=p, number=i)
    for i, p in enumerate(programs)
  ]


def taken(queue, device, count):
  return [queue.take(device).program for _ in range(count)]


def test_one_device_takes_program_by_program():
  queue = Queue(members("a", "b", "a", "c", "b", "a"))
  assert taken(queue, 0, 6) == ["a", "a", "a", "b", "b", "c"]
  assert queue.take(0) is None


def test_members_of_the_same_images_follow_one_another():
  other = members("b", images="y")
  queue = Queue([*members("a"), *other, *members("c")])
  assert taken(queue, 0, 3) == ["a", "c", "b"]


def test_each_device_keeps_its_program_and_idle_ones_help():
  queue = Queue(members("a", "a", "a", "a", "b"))
  assert taken(queue, 0, 1) == ["a"] and taken(queue, 1, 1) == ["b"]
  assert queue.following(0) is None
  last = queue.take(1)
  assert last.program == "a" and last.number == 3
  assert [queue.take(0).number for _ in range(2)] == [1, 2]
  assert queue.take(0) is None and queue.take(1) is None


def test_what_a_device_looks_ahead_to_is_its_own():
  queue = Queue(members("a", "b", "c"))
  queue.take(0)
  assert queue.following(0).program == "b"
  assert queue.take(1).program == "c"
  assert queue.take(0).program == "b"


def test_a_closed_queue_is_empty():
  queue = Queue(members("a", "b"))
  queue.close()
  assert queue.take(0) is None

"""Steps side by side: inputs first, nobody waits for nothing, and an error ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from harness.errors import HarnessError
from harness.keys import make_step
from harness.pages.stages import TreatSpec
from harness.pipeline.executors.parallel import AT_ONCE, walk
from harness.records import StageName, Step


def step(name: str, *inputs: Step, stage: StageName = "sample") -> Step:
    spec = TreatSpec(count=sum(map(ord, name)))
    return make_step(name, stage, 1, spec, {each.name: each.key for each in inputs})


class Diary:
    """What was made, in which order, and what was under way together."""

    def __init__(self, meet: int = 1) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.together: list[set[str]] = []
        self._now: set[str] = set()
        self._lock = threading.Lock()
        self._meeting = threading.Barrier(meet)

    def make(self, each: Step) -> None:
        with self._lock:
            self.began.append(each.name)
            self._now.add(each.name)
            self.together.append(set(self._now))
        if each.name.startswith("meets"):
            self._meeting.wait(10)
        with self._lock:
            self._now.discard(each.name)
            self.ended.append(each.name)


def nothing() -> None: ...


def test_a_step_begins_when_its_inputs_have_ended() -> None:
    one = step("one")
    two, three = step("two", one), step("three", one)
    four = step("four", two, three)
    diary = Diary()
    walk([one, two, three, four], diary.make, nothing)
    assert diary.began[0] == "one"
    assert diary.began[-1] == "four"
    assert sorted(diary.ended) == ["four", "one", "three", "two"]


def test_steps_that_do_not_wait_for_each_other_run_together() -> None:
    diary = Diary(meet=3)
    walk([step(f"meets-{at}") for at in range(3)], diary.make, nothing)
    assert len(diary.ended) == 3


def test_two_steps_that_look_at_pictures_never_run_together() -> None:
    diary = Diary()
    looks = [step(f"looks-{at}", stage="features") for at in range(5)]
    walk([*looks, step("other")], diary.make, nothing)
    assert sorted(diary.ended) == [*sorted(each.name for each in looks), "other"]
    for now in diary.together:
        assert sum(name.startswith("looks") for name in now) <= 1


def test_no_more_than_a_few_are_under_way() -> None:
    diary = Diary()
    walk([step(f"s{at}") for at in range(5 * AT_ONCE)], diary.make, nothing)
    assert len(diary.ended) == 5 * AT_ONCE
    assert max(map(len, diary.together)) <= AT_ONCE


@pytest.mark.parametrize("error", [HarnessError("broken"), KeyboardInterrupt()])
def test_an_error_lets_go_of_the_others_and_begins_nothing_more(error: BaseException) -> None:
    one, other = step("one"), step("other")
    after = step("after", one)
    made: list[str] = []
    gone = threading.Event()

    def make(each: Step) -> None:
        if each is one:
            raise error
        assert gone.wait(10)
        made.append(each.name)

    stop: Callable[[], None] = gone.set
    with pytest.raises(type(error)):
        walk([one, other, after], make, stop)
    assert made == ["other"]

"""Several processes on one store: nobody fails, nobody sees half a circuit, and a kill leaves whole circuits."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from circuit_atlas.cypher import Store, connect
from circuit_atlas.errors import StoreBusyError
from tests.stores.processes import drain, said, worker
from tests.stores.versions import look, version

pytestmark = pytest.mark.alone

KILLS = 6
"""Moments that the suite kills at; `python -m bench graph` does fifty on each engine."""


@pytest.mark.slow
def test_a_reader_sees_whole_circuits_while_another_process_writes(store: Store, store_url: str) -> None:
    store.write([version(0)])
    with worker("write", store_url, 1) as writer:
        assert said(writer) == "writing 1"
        seen, slowest, deadline = set(), 0.0, time.monotonic() + 6
        while time.monotonic() < deadline:
            begun = time.perf_counter()
            seen.add(look(store))
            slowest = max(slowest, time.perf_counter() - begun)
        assert writer.poll() is None, drain(writer)
    assert len(seen) > 2, f"the reader saw only versions {seen}"
    assert None not in seen
    assert slowest < 5


@pytest.mark.slow
def test_two_writers_and_a_reader_take_turns(ladybug_url: str) -> None:
    with connect(ladybug_url) as store:
        store.write([version(0)])
        with worker("write", ladybug_url, 2) as first, worker("write", ladybug_url, 1001) as second:
            with worker("read", ladybug_url) as reader:
                time.sleep(6)
                assert [p.poll() for p in (first, second, reader)] == [None] * 3
                reader.kill()
                lines = drain(reader)
            assert all(line.startswith("saw ") for line in lines), lines[-5:]
            assert len(set(lines)) > 2
        assert store.check() == []


def test_who_holds_the_store_is_named(ladybug_url: str) -> None:
    with connect(ladybug_url) as store:
        store.write([version(0)])
        with worker("hold", ladybug_url) as holder:
            assert said(holder) == "holding"
            with pytest.raises(StoreBusyError, match=rf"process {holder.pid} \(worker\.py.*waited 0\.2 s"):
                connect(ladybug_url, wait=0.2)
        assert look(store) == 0


@pytest.mark.slow
@pytest.mark.parametrize("role", ["write", "delete"])
def test_a_killed_process_leaves_whole_circuits(store: Store, store_url: str, role: str) -> None:
    chance = random.Random(role)
    for attempt in range(KILLS):
        first = 10 * attempt + 1
        with worker(role, store_url, first) as killed:
            assert said(killed) == f"writing {first}"
            time.sleep(chance.uniform(0.0, 0.6))
            killed.kill()
            lines = [f"writing {first}", *drain(killed)]
        whole_or_absent(lines, look(store))
    assert store.check() == []


def whole_or_absent(lines: list[str], seen: int | None) -> None:
    """What had returned is there; what had begun is there whole or not at all."""
    step, number = lines[-1].split()
    before: dict[str, set[int | None]] = {
        "writing": {None, int(number) - 1},
        "wrote": set(),
        "deleting": {int(number)},
        "deleted": {None},
    }
    after: dict[str, set[int | None]] = {
        "writing": {int(number)},
        "wrote": {int(number)},
        "deleting": {None},
        "deleted": {None},
    }
    if len(lines) == 1:
        return  # the state before the first write is that of the last attempt
    assert seen in before[step] | after[step], f"after {lines[-3:]} the store holds {seen}"


def test_a_store_whose_lock_files_were_removed_still_opens(ladybug_url: str) -> None:
    path = Path(ladybug_url.partition(":")[2])
    with connect(ladybug_url) as store:
        store.write([version(0)])
    for name in (".lock", ".turn"):
        path.with_name(path.name + name).unlink()
    with connect(ladybug_url) as store:
        assert look(store) == 0

"""Stores that cannot be shown: one clear line on the page, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from circuit_atlas.cypher import connect
from circuit_atlas.dashboard.launch import DashboardError, run
from tests.dashboard.serving import free_port

pytestmark = pytest.mark.slow


def shown(url: str) -> AppTest:
    script = f"from circuit_atlas.dashboard.page import show_page\nshow_page([{url!r}])"
    return AppTest.from_string(script, default_timeout=60).run()


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    page = shown(f"ladybug:{tmp_path / 'none.lbug'}")

    assert not page.exception
    [error] = page.error
    assert "there is no store at" in error.value
    assert "\n" not in error.value
    assert not (tmp_path / "none.lbug").exists()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a graph\n" * 100)
    page = shown(f"ladybug:{path}")

    assert not page.exception
    assert len(page.error) == 1
    assert "\n" not in page.error[0].value


def test_a_store_without_circuits(tmp_path: Path) -> None:
    url = f"ladybug:{tmp_path / 'empty.lbug'}"
    connect(url).close()
    page = shown(url)

    assert not page.exception
    assert not page.error
    assert "holds no circuit yet" in page.info[0].value


def test_a_server_that_is_down() -> None:
    page = shown(f"bolt://127.0.0.1:{free_port()}")

    assert not page.exception
    assert len(page.error) == 1
    assert "\n" not in page.error[0].value


def test_an_unknown_kind_of_store() -> None:
    page = shown("mongo://localhost")

    assert not page.exception
    assert "no kind of store" in page.error[0].value


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(DashboardError, match="choose another with --port"):
            run(f"ladybug:{tmp_path / 'a.lbug'}", taken.getsockname()[1], False)

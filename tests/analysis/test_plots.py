"""Pictures are written in the form their name asks for, the same bytes each time."""

from pathlib import Path

import pytest

from circuit_atlas.analysis.plots import new_axes, save
from circuit_atlas.errors import QueryError


def _drawn(path: Path) -> bytes:
    figure, (panel,) = new_axes()
    panel.plot([1, 2], [3, 4])
    panel.set_xlabel("nodes")
    return save(figure, path).read_bytes()


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_form_by_suffix_and_bytes_repeat(tmp_path: Path, suffix: str, start: bytes) -> None:
    first = _drawn(tmp_path / f"a{suffix}")
    assert first.startswith(start)
    assert first == _drawn(tmp_path / f"b{suffix}")


def test_text_of_svg_stays_text(tmp_path: Path) -> None:
    assert b">nodes<" in _drawn(tmp_path / "a.svg")


def test_other_suffix_and_missing_folder_are_refused(tmp_path: Path) -> None:
    figure, _ = new_axes()
    with pytest.raises(QueryError, match="end it with"):
        save(figure, tmp_path / "a.docx")
    with pytest.raises(QueryError, match="cannot be written"):
        save(figure, tmp_path / "none" / "a.png")

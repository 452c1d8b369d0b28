"""Pictures are written in the form their name asks for, the same bytes each time."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from circuit_atlas.analysis.plots import draw_curves, new_axes, save
from circuit_atlas.analysis.telling import CHOICES
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


def test_no_two_circuits_look_alike() -> None:
    """More circuits than there are colours, one on two tasks and under two treatments of errors."""
    plain: dict[str, Any] = dict.fromkeys(CHOICES, "x") | {"task": "t", "errors": "default"}
    values = {"faithfulness": 0.5, "low": 0.4, "high": 0.6, "completeness": 0.1, "random_95": 0.2}
    some = [{"circuit": f"c{n}"} for n in range(8)] + [{"circuit": "c0", "task": "u"}]
    some.append({"circuit": "c0", "errors": "remove"})
    rows = [plain | one | values | {"n_nodes": size} for one in some for size in (10, 100)]
    figure = draw_curves(pd.DataFrame(rows))
    lines = [line for line in figure.axes[0].lines if not str(line.get_label()).startswith("_")]
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines]
    labels = [line.get_label() for line in lines]

    assert len(set(looks)) == len(set(labels)) == len(lines) == 11
    assert labels.count("random circuits, 95th percentile") == 1  # named once, for all grey lines
    assert {"c0, own errors, on t", "c0, own errors, on u", "c0, no errors, on t", "c7, own errors"} <= set(labels)


def test_text_of_svg_stays_text(tmp_path: Path) -> None:
    assert b">nodes<" in _drawn(tmp_path / "a.svg")


def test_other_suffix_and_missing_folder_are_refused(tmp_path: Path) -> None:
    figure, _ = new_axes()
    with pytest.raises(QueryError, match="end it with"):
        save(figure, tmp_path / "a.docx")
    with pytest.raises(QueryError, match="cannot be written"):
        save(figure, tmp_path / "none" / "a.png")

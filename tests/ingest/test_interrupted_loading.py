"""Ctrl-C while a model loads stays an interrupt, whatever a library makes of it on its way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest import model_files


def _fail_with(error: BaseException, *, hidden: bool) -> Any:
    def boot(*_: object) -> None:
        try:
            raise error
        except BaseException as inner:
            if hidden:  # as `raise … from None` does: only the context has it
                raise ModuleNotFoundError("Could not import module 'BertForPreTraining'") from None
            raise ModuleNotFoundError("Could not import module 'BertForPreTraining'") from inner

    return boot


@pytest.mark.parametrize("hidden", [False, True])
def test_an_interrupt_in_the_chain_is_an_interrupt(
    hidden: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(model_files, "_boot", _fail_with(KeyboardInterrupt(), hidden=hidden))
    with pytest.raises(KeyboardInterrupt):
        model_files.load_model(str(tmp_path))
    monkeypatch.setattr(model_files, "_boot", _fail_with(OSError("no file"), hidden=hidden))
    with pytest.raises(ModelError, match="cannot be loaded: Could not import module"):
        model_files.load_model(str(tmp_path))

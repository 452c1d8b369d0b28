"""The command line explains itself: every command, argument and option has words of its own, and starts quickly."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
import typer

from circuit_atlas.cli.app import app
from circuit_atlas.ingest import DiscoverSettings
from tests.cli.conftest import Command

COMMANDS: dict[str, Any] = dict(typer.main.get_group(app).commands)
EXPECTED = {
    "demo", "discover", "circuits", "show", "query", "compare", "copy", "delete", "check", "dashboard",
    "models", "structure", "communities", "families", "measure", "curve", "combine", "sharing", "overlap",
    "exactness", "stability", "hypotheses",
}  # fmt: skip


def test_every_command_of_the_plan_is_there() -> None:
    assert set(COMMANDS) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_command_and_option_is_documented(name: str) -> None:
    command = COMMANDS[name]
    assert len(command.help.split()) > 8
    assert command.help[0].isupper()
    for parameter in command.params:
        text = getattr(parameter, "help", None)
        assert text, f"{name}: {parameter.name} has no help"
        assert text[0].isupper() or text.startswith("JSON"), f"{name}: {parameter.name}: {text}"
        assert text.rstrip(".") != text, f"{name}: the help of {parameter.name} ends without a full stop"


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_help_of_a_command_shows_all_its_options(name: str, atlas_here: Command) -> None:
    done = atlas_here(name, "--help")
    assert (done.code, done.err) == (0, "")
    for parameter in COMMANDS[name].params:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            assert option in done.out
    assert "--version" in done.out
    assert "--store" in done.out or name in ("copy", "models")  # the one names two stores, the other reads none


def test_the_first_screen_names_every_command_with_a_whole_sentence(atlas_here: Command) -> None:
    done = atlas_here()
    assert done.code == 0
    assert atlas_here("--help") == done
    for name in EXPECTED:
        line = re.search(rf"^  {name}  +(\S.*)$", done.out, re.MULTILINE)
        assert line is not None
        assert not line[1].endswith("..."), f"the first sentence of {name} is too long for the list"


def test_every_setting_of_discover_is_an_option() -> None:
    options = {option for parameter in COMMANDS["discover"].params for option in parameter.opts}
    for field in DiscoverSettings.__dataclass_fields__:
        assert "--" + field.replace("_", "-") in options


@pytest.mark.parametrize("arguments", [("--version",), ("circuits", "--version"), ("discover", "--version")])
def test_version_everywhere(arguments: tuple[str, ...], atlas_here: Command) -> None:
    assert re.fullmatch(r"circuit-atlas \d+\.\d+\.\d+\n", atlas_here(*arguments).out)


def test_circuits_starts_in_less_than_a_second_and_a_half(atlas: Command, store: str) -> None:
    assert min(_seconds(atlas, store) for _ in range(3)) < 1.5


def _seconds(atlas: Command, store: str) -> float:
    start = time.perf_counter()
    assert atlas("circuits", "--store", store).code == 0
    return time.perf_counter() - start


def test_circuits_loads_nothing_heavy(atlas: Command, store: str) -> None:
    done = atlas("circuits", "--store", store, PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in done.err.splitlines() if "|" in line}
    assert "ladybug" in loaded
    assert not loaded & {"torch", "transformers", "sae_lens", "transformer_lens", "pandas", "streamlit", "neo4j"}

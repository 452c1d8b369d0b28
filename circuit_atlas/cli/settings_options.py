"""Options of `discover`, made from the settings' own fields, so that neither can know what the other does not."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from inspect import Parameter
from itertools import pairwise
from typing import Annotated, Any, get_type_hints

import typer

from circuit_atlas.ingest.settings import FIELDS, DiscoverSettings

REQUIRED = ("model", "dictionaries", "examples")


def field_help() -> dict[str, str]:
    """Return the sentence written beneath each field of the settings."""
    body = ast.parse(textwrap.dedent(inspect.getsource(DiscoverSettings))).body[0]
    assert isinstance(body, ast.ClassDef)
    texts: dict[str, str] = {}
    for declared, after in pairwise(body.body):
        match declared, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = _as_options(" ".join(text.split()))
    return texts


def _as_options(text: str) -> str:
    """Write settings that a sentence names as the options they are here."""
    named = re.sub(r"`(\w+)`", lambda m: _option(m[1]) if m[1] in FIELDS else m[0], text)
    return named.replace("`", "")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def settings_parameters() -> list[Parameter]:
    """Return one keyword parameter a field; None where the option is not given."""
    texts = field_help()
    return [_parameter(name, kind, texts[name]) for name, kind in get_type_hints(DiscoverSettings).items()]


def _parameter(name: str, kind: Any, text: str) -> Parameter:
    option = _option(name)
    declaration = f"{option}/--no-{option[2:]}" if kind is bool else option
    # The default stands in the text: the option's own is None, so that it does not overrule a settings file.
    after = "Needed here or in the settings file." if name in REQUIRED else f"Default: {FIELDS[name].default}."
    told = text if name not in REQUIRED and FIELDS[name].default == "" else f"{text} {after}"
    info = typer.Option(declaration, help=told, metavar=_metavar(kind))
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info])


def _metavar(kind: Any) -> str | None:
    return {str: "TEXT", int: "INTEGER", float: "NUMBER"}.get(kind)

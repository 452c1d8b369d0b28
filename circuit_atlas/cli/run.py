"""Run the command line and turn whatever goes wrong into one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from typer import TyperException

from circuit_atlas.cli.app import app
from circuit_atlas.cli.refusals import plain_refusal
from circuit_atlas.errors import AtlasError

NAME = "circuit-atlas"
DEBUG = "CIRCUIT_ATLAS_DEBUG"
"""Environment variable: where set, an error shows its traceback above its line."""

USER_ERROR = 2
DEFECT = 1
_TYPER_INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Run one command; 0 where it held, 2 where the user can mend what went wrong, 1 where we must."""
    # Names and tokens hold any character; a terminal that cannot show one gets its escape, not a crash.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = app(list(arguments) or ["--help"], prog_name=NAME, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _stop_writing()
        return DEFECT
    except (Exception, KeyboardInterrupt) as error:
        return _say(error)
    # Typer turns an interrupt into this return value.
    return _say(KeyboardInterrupt()) if code == _TYPER_INTERRUPTED else int(code or 0)


def _say(error: BaseException) -> int:
    line, code = explain(error)
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    print(f"{NAME}: {' '.join(line.split())}", file=sys.stderr)
    return code


def explain(error: BaseException) -> tuple[str, int]:
    """Say in one line what went wrong, and give the exit code."""
    if isinstance(error, AtlasError):
        return str(error), USER_ERROR
    if isinstance(error, TyperException):
        return f"{plain_refusal(error.format_message())} (see {_help_command(error)})", USER_ERROR
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; every circuit already written stays, nothing is half written", USER_ERROR
    if isinstance(error, MemoryError):
        return "out of memory; lower --batch-size, --n-examples or --max-edges", USER_ERROR
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or error}{where}", USER_ERROR
    return (
        f"this is a defect of circuit-atlas, not of yours: {type(error).__name__}: {error}; "
        f"run again with {DEBUG}=1 for the traceback, and report it",
        DEFECT,
    )


def _help_command(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else NAME} --help"


def _stop_writing() -> None:
    """Point standard output at nothing, or the interpreter complains once more when it leaves."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""`circuit-atlas query`: a question by name, from a file or as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from circuit_atlas.cli.ask import Answer, ask
from circuit_atlas.cli.options import (
    DatabaseOption,
    FormatOption,
    OutputOption,
    StoreOption,
    VersionOption,
    finite,
    read_store,
)
from circuit_atlas.cli.output import choose_format, emit, records
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store

QuestionArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME|FILE|CYPHER]",
        help="A query of the library, a file of Cypher (.cypher, .cql) or Cypher; without it, the library is listed.",
    ),
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the query; may be given more than once."),
]
ExplainOption = Annotated[
    bool,
    typer.Option("--explain", help="Show what the query means, takes and gives, and its Cypher; run nothing."),
]
RowLimitOption = Annotated[int, typer.Option("--row-limit", min=1, help="Most rows that Cypher of your own may give.")]
TimeLimitOption = Annotated[
    float,
    typer.Option("--time-limit", callback=finite, min=0.001, help="Most seconds that Cypher of your own may take."),
]


def query(
    question: QuestionArgument = None,
    param: ParamOption = None,
    form: FormatOption = None,
    output: OutputOption = None,
    explain: ExplainOption = False,
    row_limit: RowLimitOption = 10_000,
    time_limit: TimeLimitOption = 30.0,
    store: StoreOption = None,
    database: DatabaseOption = None,
    version: VersionOption = False,
) -> None:
    """Ask the graph: a query by name, a file of Cypher, or Cypher.

    Cypher of your own may read and nothing else. Its parameters are JSON where they can be (3, 0.5, true, [1,2]), else
    strings; those of a named query have the types that --explain shows.

    \b
      circuit-atlas query
      circuit-atlas query strongest_features --explain
      circuit-atlas query strongest_features -p circuit=CIRCUIT -p limit=5
      circuit-atlas query 'MATCH (c:Circuit) RETURN c.name AS name ORDER BY name' --format json
      circuit-atlas query question.cypher -p threshold=0.1 --output answer.parquet
    """
    params = dict(_pair(text) for text in param or ())
    if question is None:
        list_library()
    elif explain:
        typer.echo(_explanation(question))
    else:
        chosen = choose_format(form, output)
        with read_store(store, database) as place:
            columns, rows = _answer(place, question, params, row_limit, time_limit)
        emit(columns, rows, chosen, output)


def list_library() -> None:
    """Print every query of the library under its topic: name, parameters, what it answers."""
    from circuit_atlas.cypher.library import load_library

    queries = load_library().values()
    topic = ""
    for found in sorted(queries, key=lambda q: (q.topic, q.name)):
        if found.topic != topic:
            typer.echo(f"{'' if not topic else chr(10)}{found.topic}")
            topic = found.topic
        takes = ", ".join(p.name if p.required else f"[{p.name}]" for p in found.params)
        typer.echo(f"  {found.name}({takes})")
        typer.echo(f"      {found.summary}")
    typer.echo(
        "\nrun one: circuit-atlas query NAME -p PARAMETER=VALUE; its meaning: circuit-atlas query NAME --explain"
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise QueryError(f"--param {text!r} is not NAME=VALUE")
    return name.strip(), value


def _explanation(question: str) -> str:
    from circuit_atlas.cypher.library import find_query

    if _is_cypher(question) or _is_file(question):
        raise QueryError("--explain is for queries of the library; name one (circuit-atlas query lists them)")
    return find_query(question).explain()


def _answer(store: Store, question: str, params: dict[str, str], row_limit: int, time_limit: float) -> Answer:
    if not _is_cypher(question) and not _is_file(question):
        return ask(store, question, **params)
    statement = question if _is_cypher(question) else _read(Path(question))
    _demand_parameters(statement, params)
    values = {name: _value(text) for name, text in params.items()}
    table = store.cypher(statement, values, row_limit=row_limit, time_limit=time_limit)
    if table.attrs.get("truncated"):
        typer.echo(f"only the first {row_limit} rows; more with --row-limit", err=True)
    return Answer(tuple(str(name) for name in table.columns), records(table))


def _demand_parameters(statement: str, params: dict[str, str]) -> None:
    """Refuse a statement whose parameters are not all given: an engine may take what is missing for null."""
    from circuit_atlas.cypher.library.statement import Statement

    missing = sorted(Statement(statement).parameters() - params.keys())
    if missing:
        raise QueryError(f"the query needs the parameter {missing[0]!r}; give it as --param {missing[0]}=VALUE")


def _is_cypher(question: str) -> bool:
    """Tell Cypher from a name: a statement has more than one word, and no name or sane file name has brackets."""
    return any(mark in question for mark in "()\n") or (" " in question.strip() and not Path(question).is_file())


def _is_file(question: str) -> bool:
    return question.endswith((".cypher", ".cql")) or Path(question).is_file()


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise QueryError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(f"the query file {path} cannot be read: {error}") from None
    if not text.strip():
        raise QueryError(f"the query file {path} is empty")
    return text


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text

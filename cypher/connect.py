"""Open a store by its URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from circuit_atlas.errors import StoreError

if TYPE_CHECKING:
    from circuit_atlas.cypher.base import GraphStore

DEFAULT = "ladybug:./atlas.lbug"
SERVER_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
DEFAULT_WAIT = 30.0


def connect(
    url: str | None = None,
    *,
    database: str | None = None,
    create: bool = True,
    read_only: bool = False,
    wait: float | None = None,
) -> GraphStore:
    """Open the store at `url`, else at CIRCUIT_ATLAS_STORE, else at ./atlas.lbug.

    Args:
        url: `ladybug:PATH` or a bare path for the embedded engine; `neo4j://`, `bolt://` or `neo4j+s://` with host for
            a server, user and password in it or in NEO4J_USERNAME and NEO4J_PASSWORD.
        database: name of the server's database; else `?database=` of the URL, NEO4J_DATABASE, or its default.
        create: whether to make an embedded file, or a server's constraints, that are not there yet.
        read_only: never write.
        wait: seconds to wait for another process that holds the embedded store; else CIRCUIT_ATLAS_WAIT, else 30.

    Raises:
        StoreError: it cannot be opened; the message says why and what to do, and never holds a password.

    """
    url = url or os.environ.get("CIRCUIT_ATLAS_STORE") or DEFAULT
    scheme, separator, rest = url.partition(":")
    if separator and scheme in SERVER_SCHEMES:
        return _connect_server(url, database, create=create, read_only=read_only)
    if separator and "://" in url:
        raise StoreError(f"there is no kind of store {scheme!r}: use ladybug:PATH, neo4j://HOST or bolt://HOST")
    if database is not None:
        raise StoreError("only a Neo4j server has databases: leave the database out for an embedded store")
    from circuit_atlas.cypher.ladybug.store import LadybugStore

    path = Path(rest if separator and scheme == "ladybug" else url).expanduser()
    return LadybugStore(path, create=create, read_only=read_only, wait=_seconds(wait))


def _connect_server(url: str, database: str | None, *, create: bool, read_only: bool) -> GraphStore:
    from circuit_atlas.cypher.neo4j.store import Neo4jStore

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise StoreError("the store's URL is malformed: write neo4j://HOST:PORT") from None
    if not host:
        raise StoreError(f"the store's URL names no host: write {parts.scheme}://HOST:PORT")
    user = unquote(parts.username or "") or os.environ.get("NEO4J_USERNAME") or "neo4j"
    password = unquote(parts.password or "") or os.environ.get("NEO4J_PASSWORD")
    named = parse_qs(parts.query).get("database", [None])[0]
    place = f"[{host}]" if ":" in host else host
    return Neo4jStore(
        urlunsplit((parts.scheme, f"{place}:{port or 7687}", "", "", "")),
        (user, password) if password else None,
        database or named or os.environ.get("NEO4J_DATABASE"),
        create=create,
        read_only=read_only,
    )


def _seconds(wait: float | None) -> float:
    if wait is not None:
        return wait
    text = os.environ.get("CIRCUIT_ATLAS_WAIT", str(DEFAULT_WAIT))
    try:
        return float(text)
    except ValueError:
        raise StoreError(f"CIRCUIT_ATLAS_WAIT is {text!r}: give a number of seconds") from None

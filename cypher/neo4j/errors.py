"""What the driver raises, as one line that a user can act on; never with a password in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neo4j.exceptions import (
    AuthError,
    ConfigurationError,
    DriverError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from circuit_atlas.errors import AtlasError, QueryError, StoreBusyError, StoreError

SIGN_IN = "set NEO4J_USERNAME and NEO4J_PASSWORD, or put both into the URL"


@contextmanager
def one_line(url: str, database: str | None) -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except (Neo4jError, DriverError) as error:
        raise _ours(error, url, database) from None


def _ours(error: Neo4jError | DriverError, url: str, database: str | None) -> AtlasError:
    code = getattr(error, "code", None) or ""
    if isinstance(error, AuthError) or ".Security." in code:
        return _sign_in(url, code)
    if isinstance(error, (ServiceUnavailable, SessionExpired)):
        return StoreError(f"no Neo4j answers at {url}: start one with `make neo4j`, or mend the address")
    if isinstance(error, ConfigurationError):
        return StoreError(f"{url} is no address of a Neo4j: {_first_line(error)}")
    if "DatabaseNotFound" in code or "DatabaseUnavailable" in code:
        return StoreError(f"Neo4j at {url} has no database {database!r}: name another, or leave it out for its default")
    if "TransactionTimedOut" in code:
        return QueryError("the query ran longer than its time limit: ask for less, or raise the limit")
    if isinstance(error, TransientError):
        return StoreBusyError(f"Neo4j at {url} stayed busy through every retry: {_first_line(error)}")
    if ".Statement." in code:
        return QueryError(f"Neo4j refuses the query: {_first_line(error)}")
    return StoreError(f"Neo4j at {url} failed: {_first_line(error)}")


def _sign_in(url: str, code: str) -> StoreError:
    if code.endswith("AuthenticationRateLimit"):
        return StoreError(f"Neo4j at {url} refuses sign-ins for some seconds after several wrong ones: {SIGN_IN}")
    if code.endswith("CredentialsExpired"):
        return StoreError(f"Neo4j at {url} wants its first password changed: do so with cypher-shell or its browser")
    if code.endswith("Forbidden"):
        return StoreError(f"Neo4j at {url} does not allow this user to do that: ask its administrator")
    return StoreError(f"wrong user or password for Neo4j at {url}: {SIGN_IN}")


def _first_line(error: Exception) -> str:
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return str(text).strip().splitlines()[0]

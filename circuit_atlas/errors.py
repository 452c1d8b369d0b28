"""Errors a user can mend: each message is one line that says what is wrong, where, and what to do.

The command line turns an `AtlasError` into that line and exit code 2; any other exception is a defect of ours.
"""

from __future__ import annotations


class AtlasError(Exception):
    """Base of every error that is the user's to mend."""


class SettingsError(AtlasError):
    """A setting is unknown, ill-typed or contradicts another."""


class DataError(AtlasError):
    """An examples or task file is missing, broken or unfit for the settings."""


class ModelError(AtlasError):
    """A model or a dictionary cannot be loaded, or does not fit the other."""


class AttributionError(AtlasError):
    """Attribution ran and gave something unusable, such as NaN."""


class MeasureError(AtlasError):
    """A circuit cannot be measured as asked: no node is left, or its nodes do not fit the examples."""


class StoreError(AtlasError):
    """A store cannot be opened, read or written."""


class StoreBusyError(StoreError):
    """Another process holds the store for longer than we waited."""


class QueryError(AtlasError):
    """A query is unknown, ill-formed, refused, or its parameters do not fit."""


class UnknownCircuitError(QueryError):
    """No circuit has that name; the message suggests the nearest."""

"""The folder of fixtures that is not part of the repository, and the count of tests skipped for want of it.

It is named by CIRCUIT_ATLAS_FIXTURES, else it is `shared` beside the checkout. In continuous integration (CI=true) no
test may be skipped for want of a fixture: the run fails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

WANT = "for want of fixtures"
"""How the reason of every such skip begins."""


def fixtures() -> Path:
    """Return the folder of fixtures, whether it exists or not."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("CIRCUIT_ATLAS_FIXTURES") or beside)


def needs_fixtures(*paths: str) -> pytest.MarkDecorator:
    """Mark a test that reads `paths` inside the folder of fixtures, such as `golden/neox`."""
    missing = [path for path in paths or (".",) if not (fixtures() / path).exists()]
    reason = f"{WANT}: {fixtures() / missing[0]}" if missing else WANT
    return pytest.mark.skipif(bool(missing), reason=reason)


def _skipped(reporter: pytest.TerminalReporter) -> int:
    reports = reporter.stats.get("skipped", [])
    return sum(WANT in str(report.longrepr) for report in reports)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests were skipped for want of fixtures."""
    terminalreporter.write_line(f"skipped {WANT}: {_skipped(terminalreporter)}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of continuous integration in which a fixture was wanting."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and isinstance(reporter, pytest.TerminalReporter) and _skipped(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

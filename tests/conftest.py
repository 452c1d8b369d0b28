"""The plugins of the test suite: each brings one kind of fixture."""

pytest_plugins = ["tests.fixtures_folder", "tests.store_fixtures", "tests.unfinished"]

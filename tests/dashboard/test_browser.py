"""The page in a real browser without any network: what it lists, draws and lets one move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from circuit_atlas.cypher import connect
from tests.dashboard.browser import Page, chromium
from tests.dashboard.serving import served
from tests.dashboard.stored import big_circuit
from tests.graphs import OBJECT, SUBJECT, SUBJECT_EDGES, small_circuits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BIG = "sva/nounpp~3f2a"


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"ladybug:{tmp_path_factory.mktemp('store') / 'atlas.lbug'}"
    with connect(url) as store:
        store.write([*small_circuits(), big_circuit(BIG)])
    return url


@pytest.fixture(scope="module")
def address(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(store_url, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, address: str) -> Iterator[Page]:
    """The page, freshly opened; afterwards: no error in the console, and nothing asked of any other host."""
    browser.errors()
    browser.requested_hosts()
    browser.open(address)
    yield browser
    assert browser.errors() == []
    assert browser.requested_hosts() == {"127.0.0.1"}


def test_the_browser_reaches_no_other_host_and_an_attempt_is_noticed(browser: Page, address: str) -> None:
    browser.open(address)
    browser.requested_hosts()
    fetched = browser.driver.execute_async_script(
        "const done = arguments[0]; fetch('https://example.org/x.js').then(() => done('yes'), () => done('no'))"
    )

    assert fetched == "no"
    assert "example.org" in browser.requested_hosts()


def test_all_circuits_are_listed_with_their_sizes(page: Page) -> None:
    heading, *rows = page.until(lambda: page.table(0))
    listed = {row[heading.index("circuit")]: row[heading.index("nodes")] for row in rows}

    assert listed == {"he/object": "4", "he/subject": "5", "sva": "3", BIG: "150"}


def test_every_node_and_edge_of_a_circuit_is_drawn(page: Page) -> None:
    page.choose("he/subject")

    assert page.counts() == (len(SUBJECT), len(SUBJECT_EDGES)) == (5, 7)
    assert page.until(lambda: page.drawn() == (5 + 1, 7))


def test_a_feature_says_what_it_fires_on_when_pointed_at(page: Page) -> None:
    page.choose("he/subject")
    titles = page.in_graph("network.body.data.nodes.map((node) => node.title)")
    strongest = next(title for title in titles if title.startswith("resid_1/3"))

    assert "effect +2" in strongest
    assert "“resid_1-token-3”" in strongest


def test_moving_the_node_threshold_draws_fewer_nodes(page: Page) -> None:
    page.choose("he/object")
    assert page.counts()[0] == len(OBJECT)
    page.move_slider(0, Keys.END)
    page.move_slider(0, Keys.ARROW_LEFT)

    # Only the feature of effect 1.5 lies above the last step below it.
    assert page.until(lambda: page.counts() == (1, 0))
    assert page.until(lambda: page.drawn() == (2, 0))


def test_moving_the_edge_threshold_draws_fewer_edges(page: Page) -> None:
    page.choose("he/subject")
    page.move_slider(1, Keys.END)

    assert page.until(lambda: page.counts() == (5, 0))
    assert page.until(lambda: page.drawn() == (6, 0))


def test_a_threshold_above_everything_says_so_in_one_line(page: Page) -> None:
    page.choose("he/subject")
    page.move_slider(0, Keys.END)

    line = "No node has an effect above this threshold: lower the node threshold."
    assert page.until(lambda: line in page.text())
    assert "Traceback" not in page.text()


def test_columns_switch_from_positions_to_roles(page: Page) -> None:
    page.choose("he/subject")
    columns = "grid.columns.map((column) => column.name)"
    assert page.in_graph(columns) == ["2 · subject", "3 · verb"]
    page.press("role")

    assert page.until(lambda: page.in_graph(columns) == ["subject", "verb"])


def test_a_large_circuit_starts_with_what_can_be_read_and_shows_all_on_request(page: Page) -> None:
    page.choose(BIG)
    assert 20 <= page.counts()[0] <= 80
    page.move_slider(0, Keys.HOME)

    assert page.until(lambda: page.counts()[0] == 150)
    assert page.until(lambda: page.drawn()[0] == 151)


def test_the_panels_show_the_cypher_that_was_asked(page: Page) -> None:
    page.choose("sva")
    page.driver.execute_script("document.querySelectorAll('details summary').forEach((summary) => summary.click())")

    assert page.until(lambda: "circuit-atlas query edges --param circuit=sva" in page.text())
    assert "MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)" in page.text()


def test_the_curve_of_a_circuit_is_drawn_with_its_figures(page: Page) -> None:
    page.choose("he/subject")

    assert page.until(lambda: any(width > 400 for width in page.pictures()))
    assert page.until(lambda: [row["circuit"] for row in page.table_with("CPR")] == ["he/subject"])


def test_another_process_may_write_while_the_page_is_open(page: Page, store_url: str, address: str) -> None:
    with connect(store_url) as store:
        store.write([big_circuit("written/meanwhile", 10, 12)])
        page.open(address)
        assert "5 circuits" in page.text()
        store.delete_circuit("toy/circuit/written%2Fmeanwhile")
    page.open(address)
    assert "4 circuits" in page.text()

"""Pages are made again the same, whatever their own blocks write, and the store they start from stays as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from circuit_atlas.cypher import connect
from scripts.doc_output import main
from tests.graphs import small_circuits

pytestmark = pytest.mark.slow

PAGE = """# A page

```console
$ circuit-atlas circuits --format csv | cut -d, -f1
$ circuit-atlas combine he/subject he/object --name both | cut -d: -f2 | tail -1
```

Then one less:

```console
$ circuit-atlas delete sva --yes
$ circuit-atlas query hubs -p limit=1 --format csv | cut -d, -f6
```
"""


def test_a_page_that_writes_is_the_same_the_second_time(tmp_path: Path) -> None:
    store = tmp_path / "start.lbug"
    with connect(str(store)) as place:
        place.write(small_circuits())
    pages = [tmp_path / "one.md", tmp_path / "other.md"]
    pages[0].write_text(PAGE, encoding="utf-8")
    shutil.copy(pages[0], pages[1])
    main(["--store", str(store), *map(str, pages)])
    made = [page.read_text(encoding="utf-8") for page in pages]
    assert made[0] == made[1]
    assert "-f1\nname\nhe/object\nhe/subject\nsva\n" in made[0]
    assert "deleted sva\n" in made[0]
    assert "-f6\nn_circuits\n2\n" in made[0]
    main(["--store", str(store), str(pages[0])])
    assert pages[0].read_text(encoding="utf-8") == made[0]
    with connect(str(store)) as place:
        assert place.query("circuits")["name"].tolist() == ["he/object", "he/subject", "sva"]

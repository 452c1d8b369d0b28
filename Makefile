# `make help` lists what there is. Works with Python >= 3.11, git and make; everything else is set up in .venv.

# The first Python that is new enough; another by `make PYTHON=/path/to/python3 …`.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done || true)
ifeq ($(strip $(PYTHON)),)
PYTHON := python3
endif

VENV := .venv/bin
NEO4J_DATA ?= $(HOME)/.local/share/circuit-atlas/neo4j

.DEFAULT_GOAL := help
.PHONY: help setup setup-run demo test check format neo4j demo-model bench constraints clean

help:  ## say what each target does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## make .venv with everything that development needs
	@$(PYTHON) scripts/system_check.py setup
	@$(PYTHON) scripts/environment.py dev

setup-run:  ## make .venv with what the product needs at run time
	@$(PYTHON) scripts/system_check.py setup
	@$(PYTHON) scripts/environment.py run

demo: setup-run  ## find, measure and compare the circuits of the shipped model (no Java needed)
	$(VENV)/circuit-atlas demo

test:  ## run every test, with a real Neo4j and a real browser
	@$(PYTHON) scripts/system_check.py test
	@$(PYTHON) scripts/environment.py dev
	OMP_NUM_THREADS=1 $(VENV)/python -m pytest -n 2 --dist loadfile -m "not alone" $(PYTEST_OPTIONS)
	$(VENV)/python -m pytest -m alone $(PYTEST_OPTIONS)

check: setup  ## check format, lint and types
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/python scripts/typecheck.py

format: setup  ## format, and mend what the linter can
	$(VENV)/ruff format .
	$(VENV)/ruff check --fix .

neo4j: setup-run  ## run a real Neo4j server whose data is kept (NEO4J_DATA, NEO4J_PASSWORD)
	@test -n "$$NEO4J_PASSWORD" || echo "user neo4j, password circuit-atlas (choose another by NEO4J_PASSWORD)"
	$(VENV)/python -m circuit_atlas.cypher.neo4j_server --data "$(NEO4J_DATA)"

demo-model: setup  ## make the shipped model, its dictionaries and its task files again (45 minutes on 2 cores)
	$(VENV)/python -m circuit_atlas.ingest.demo_model --out circuit_atlas/shipped

bench: setup  ## run every benchmark (one of them: `python -m bench NAME`)
	$(VENV)/python -m bench all

constraints: setup  ## take the newest versions into constraints.txt; run the tests after it
	$(VENV)/python scripts/constraints.py

clean:  ## remove what was built here, .venv among it
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

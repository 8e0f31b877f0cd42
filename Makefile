# Everything a fresh clone needs. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv installs several times faster than pip; INSTALLER=pip does without it.
INSTALLER ?= uv
RUNTIME := .[slurm,sweep]
ARGS ?=

.PHONY: help setup train test test-all lint format docs notebooks clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.runtime  ## create .venv and install what runs and sweeps need, pinned (INSTALLER=pip: without uv)

$(VENV)/.runtime: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(call install,$(RUNTIME))
	@touch $@

# What only tests and checks need; `make train` does without it.
$(VENV)/.dev: $(VENV)/.runtime
	$(call install,.[dev])
	@touch $@

# What the documentation is built with.
$(VENV)/.docs: $(VENV)/.runtime
	$(call install,.[docs])
	@touch $@

# Installs the project, editable, with the given extras. uv does not read pip's configuration, so it is told which index
# pip uses. Where uv cannot be had, or fails, pip installs.
define install
@index="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2> /dev/null || true)}}"; \
if [ "$(INSTALLER)" = uv ]; then \
  if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
  $(PIP_INSTALL) uv && $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '$(1)' && exit 0; \
  echo "uv cannot install here: pip does it, which takes longer." >&2; \
fi; \
$(PIP_INSTALL) -e '$(1)'
endef
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

train: setup  ## run the main job; ARGS="seed=3 model.width=30" changes it
	$(BIN)/python scripts/train.py experiment=record $(ARGS)

# A Python that may not keep what it compiles takes twice as long to start, and the tests start dozens.
test test-all: export PYTHONDONTWRITEBYTECODE =

test: lint  ## check style and types, run the quick tests
	$(BIN)/python -m pytest -m "not slow and not landing" -n 2 --dist worksteal $(ARGS)

test-all: lint  ## run every test
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev  ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs  ## build the documentation into build/docs/, and check every link in it
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

notebooks: $(VENV)/.docs  ## execute the notebooks that have changed since
	$(BIN)/python website/notebooks.py

clean:  ## remove what was installed and cached; runs in outputs/ stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

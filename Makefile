# Easel, from a checkout to a running service with nothing but Python 3.11 or newer and make.
#
# `.venv` and the files in it that mark what is installed are made once, and again when the requirements change.
# Another interpreter: make run PYTHON=python3.12. Options of the service: make run ARGS="--port 9000".

PYTHON ?= python3
ARGS ?=
IMAGE ?= easel
BUILD_OPTIONS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
RECENT := import sys; assert sys.version_info >= (3, 11)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help run demo test check coverage bench bench-growth bench-gallery bench-scale soak kills test-scale interop image container-check deploy-check lock audit clean

help:
	@echo 'make run       start the service; Ctrl-C stops it'
	@echo 'make demo      draw one picture through the whole service, and show how'
	@echo 'make test      check, then all tests'
	@echo 'make check     ruff and mypy'
	@echo 'make coverage  show how much of the protocol its own tests reach; fails below 100 %'
	@echo 'make bench     compare the speed with other servers on the same work; ARGS="history --rounds 3" for some rows'
	@echo 'make bench-growth  queries of a million generations, a cache of 100,000 files, 5,000 streams, starts'
	@echo 'make bench-gallery  measure the gallery in a browser'
	@echo 'make bench-scale  what PostgreSQL and a bucket cost, and a calculation for a hundred replicas'
	@echo 'make soak      a day of a team in half an hour, and what grows; ARGS="--minutes 2" for a short one'
	@echo 'make kills     kill the service 200 times, and count the pictures that were paid for and are lost'
	@echo 'make test-scale  kill and halt replicas under thousands of calls; ARGS="--calls 300 --kills 3" for a short one'
	@echo 'make interop   real MCP clients against the service; installs them once'
	@echo 'make image     build the container image $(IMAGE), with podman or docker'
	@echo 'make container-check  build it, run it hardened, and check how it lives; BUILD_OPTIONS are for the build'
	@echo 'make deploy-check     run the files of deploy/: real nginx, Caddy and HAProxy before the service'
	@echo 'make lock      write deploy/requirements.lock anew from the requirements; needs uv'
	@echo 'make audit     look the packages of the lock up in the database of known holes (pip-audit); needs a network'
	@echo 'make clean     remove .venv and caches; the data folder stays'

# exec: a signal reaches the service itself, and its exit status is ours.
run: $(VENV)/installed
	@exec $(BIN)/python -m service $(ARGS)

demo: $(VENV)/installed
	@exec $(BIN)/python -m service demo $(ARGS)

# Four files at a time: many tests wait for a process or a clock. A file's tests stay in their order, and share what it
# installs; the longest files come first (`tests/conftest.py`). The collection beside the check leaves compiled files to
# the four, each of which would spend ten seconds on them.
#
# Thousands of tests start processes, databases and browsers, and wait for them; on a machine that others use, one now and
# then runs out of time. What fails has to pass alone afterwards, and what fails again fails the run.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/installed-dev
	@{ $(BIN)/python -m pytest --collect-only --quiet $(ARGS) >/dev/null 2>&1 & } ; $(MAKE) --no-print-directory check && wait
	$(BIN)/python -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder $(ARGS) || { \
	  [ $$? -eq 1 ] || exit; echo 'Those that failed, once more, alone: their causes are to be found all the same.'; \
	  $(BIN)/python -m pytest --last-failed --last-failed-no-failures=none --exitfirst $(ARGS); \
	}

check: $(VENV)/installed-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

coverage: $(VENV)/installed-dev
	$(BIN)/python -m pytest tests/protocol --cov=service/protocol --cov-branch --cov-report=term-missing --cov-fail-under=100

bench: $(VENV)/installed-dev
	@exec $(BIN)/python -m benchmarks $(ARGS)

bench-growth: $(VENV)/installed-dev
	@exec $(BIN)/python -m benchmarks.growth $(ARGS)

bench-gallery: $(VENV)/installed-dev
	@exec $(BIN)/python -m benchmarks.gallery $(ARGS)

bench-scale: $(VENV)/installed-dev
	@exec $(BIN)/python -m benchmarks.replicas $(ARGS)

soak: $(VENV)/installed-dev
	@exec $(BIN)/python -m benchmarks.soak $(ARGS)

kills: $(VENV)/installed-dev
	@exec $(BIN)/python -m tests.kills --kills 200 $(ARGS)

test-scale: $(VENV)/installed-dev
	@exec $(BIN)/python -m tests.scale $(ARGS)

interop: $(VENV)/installed-dev
	@exec $(BIN)/python -m tests.interop $(ARGS)

image:
	@engine=$$(command -v podman || command -v docker) \
	  || { echo 'make image needs podman or docker, and found neither.' >&2; exit 1; }; \
	echo "Building the image $(IMAGE) with $$engine"; \
	BUILDAH_FORMAT=docker exec "$$engine" build --file Containerfile $(BUILD_OPTIONS) -t $(IMAGE) \
	  --build-arg VERSION="$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
	  --build-arg REVISION="$$(git rev-parse --verify --quiet HEAD)" .

container-check: $(VENV)/installed-dev
	@exec $(BIN)/python -m tests.deploy.container $(BUILD_OPTIONS)

deploy-check: $(VENV)/installed-dev
	@exec $(BIN)/python -m tests.deploy $(ARGS)

# One lock for all platforms: packages with the digests of their files, for the image alone.
lock:
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  requirements.txt requirements-oauth.txt requirements-scale.txt --output-file deploy/requirements.lock

# Its own environment: its packages are none of the service's.
audit: $(VENV)/installed
	@test -x .cache/audit/bin/pip-audit || { \
	  $(BIN)/python -m venv .cache/audit && \
	  .cache/audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit==2.10.1; \
	}
	@exec .cache/audit/bin/pip-audit --strict --require-hashes --disable-pip -r deploy/requirements.lock $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage tests/conformance/node_modules tests/axe/node_modules .cache/interop .cache/audit .cache/bench .cache/growth
	find service tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: requirements.txt $(VENV)/created
	@echo 'Installing what the service needs'
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-oauth.txt requirements-scale.txt $(VENV)/installed
	@echo 'Installing what the tests need'
	@$(PIP) -r requirements-dev.txt
	@touch $@

# Debian and Ubuntu leave ensurepip out of Python; then a pip outside of the environment, or uv, brings one into it.
$(VENV)/created:
	@for python in '$(PYTHON)' python3.14 python3.13 python3.12 python3.11; do \
	  if "$$python" -c '$(RECENT)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "Easel needs Python 3.11 or newer; $(PYTHON) is $$('$(PYTHON)' --version 2>/dev/null || echo 'not there')." >&2; \
	  echo 'Name another one: make run PYTHON=/path/to/python3.12' >&2; exit 1; \
	fi; \
	if $(BIN)/python -c '$(RECENT); import pip' 2>/dev/null; then touch $@; exit; fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	if "$$found" -c 'import ensurepip' 2>/dev/null; then "$$found" -m venv --clear $(VENV); \
	elif "$$found" -m pip --version >/dev/null 2>&1; then \
	  "$$found" -m venv --clear --without-pip $(VENV) && "$$found" -m pip --python $(BIN)/python install --quiet pip; \
	elif command -v uv >/dev/null; then uv venv --quiet --clear --seed --python "$$found" $(VENV); \
	else \
	  echo "This Python has neither ensurepip nor pip. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	fi && touch $@

# SPDX-License-Identifier: MIT
# `make help` lists the targets: every target with a ## comment.

PYTHON ?= python3
PY := .venv/bin/python
VECTORS ?= $(wildcard ../shared/vectors)

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

.PHONY: setup
setup:  ## virtual environment, pinned dependencies and MicroPython, all inside this folder
	@$(PYTHON) host_tools/build/bootstrap.py

.PHONY: demo
demo: setup  ## the main job, live: a simulated board, real TLS servers, one table of verdicts
	@.venv/bin/trustanchor demo

.PHONY: test
test: setup lint test-cpython test-micropython test-vectors  ## everything CI runs

.PHONY: lint
lint: setup  ## ruff and mypy, the device package against the MicroPython stubs
	@.venv/bin/ruff format --check -q . || { echo "lint: run 'make format'"; exit 1; }
	@.venv/bin/ruff check -q .
	@$(PY) tests/lint.py

.PHONY: format
format: setup  ## rewrite the sources in the project's format, and firmware/package.json
	@.venv/bin/ruff format -q .
	@.venv/bin/ruff check -q --fix .
	@$(PY) -m host_tools.build.package_json

.PHONY: fixtures
fixtures: setup  ## certificates, keys and bundles the tests read, made afresh each day
	@$(PY) -m tests.certs.make_fixtures

.PHONY: test-cpython
test-cpython: setup fixtures  ## pytest: portable, host, conformance and integration tests
	@VECTORS="$(VECTORS)" .venv/bin/pytest tests

.PHONY: test-micropython
test-micropython: setup fixtures  ## the portable tests on 64-bit and 32-bit MicroPython, 100 KB heap
	@$(PY) tests/run_portable.py --bits 64 --heap 200K
	@$(PY) tests/run_portable.py --bits 32 --heap 100K

.PHONY: versions
versions: setup fixtures  ## [ONLY="sid 32"] portable tests and connections on every MicroPython that can be had
	@$(PY) -m tests.versions $(ONLY)

.PHONY: hil
hil: setup fixtures  ## [PORT=dev] [OPTIONS="--hil-host ... --power ..."] tests with a board on a cable, or with the simulated one
	@.venv/bin/pytest tests/hil $(if $(PORT),--port "$(PORT)") $(OPTIONS)

.PHONY: fuzz
fuzz: setup fixtures  ## [SECONDS=n] [INPUTS=n] [TARGET=bundle] mutated input to the readers on the device
	@VECTORS=$(VECTORS) $(PY) -m tests.conformance.fuzz --seconds $(or $(SECONDS),60) \
		$(if $(INPUTS),--inputs $(INPUTS)) $(if $(TARGET),--target $(TARGET))

.PHONY: mutants
mutants: setup fixtures  ## [ONLY="words"] each rule of the device taken away in a copy: some test must notice
	@$(PY) tests/mutants.py $(ONLY)

.PHONY: processors
processors: setup  ## [SECONDS=n] [SAMPLE=n] [JSON=file] the kernels of boards on emulated RV32 and Xtensa cores, and their instructions
	@$(PY) -m tests.processors.run "$(VECTORS)" --seconds $(or $(SECONDS),60) \
		--sample $(or $(SAMPLE),1) $(if $(JSON),--json $(JSON))

.PHONY: model
model: setup  ## [DEPTH=n] every order of events on a device's real modules, deeper than in the tests
	@DEPTH=$(or $(DEPTH),4) .venv/bin/pytest -q tests/host/test_model_device.py

.PHONY: powercut
powercut: setup  ## the power cut at every flash operation of every scenario, and again in recovery
	@$(PY) -m tests.powercut

.PHONY: differential
differential: setup  ## [CHAINS=n] generated chains, judged by us and by pyca/cryptography
	@$(PY) -m tests.conformance.differential --chains $(or $(CHAINS),2000)

.PHONY: test-vectors
test-vectors: setup  ## the vectors on CPython in full, on 32-bit MicroPython with a sample of signatures
ifeq ($(VECTORS),)
	@echo "test-vectors: skipped, there are no vectors: name their folder with VECTORS=dir"
else
	@$(PY) -m tests.conformance.run "$(VECTORS)"
	@$(PY) -m tests.conformance.run "$(VECTORS)" --interpreter micropython32 --sample 20
endif

.PHONY: conformance
conformance: setup  ## VECTORS=dir [INTERPRETER=cpython|micropython|micropython32] [SUITES="core real"] [SAMPLE=n] [JSON=file] independent vectors against the verdict
	@$(PY) -m tests.conformance.run "$(VECTORS)" --interpreter $(or $(INTERPRETER),cpython) \
		--suites "$(SUITES)" --sample $(or $(SAMPLE),1) $(if $(JSON),--json "$(JSON)")

.PHONY: bench
bench: setup fixtures  ## [JSON=file] times, smallest heaps and native bytes on 32-bit MicroPython
	@$(PY) -m tests.bench.run $(if $(JSON),--json $(JSON))

.PHONY: rehearsal
rehearsal: setup  ## [PLANS=200] random plans rehearsed, asked day by day, lived through by devices; the time of a large fleet
	@PYTHONPATH=tests/portable $(PY) -m tests.bench.rehearsal $(PLANS)

.PHONY: size
size: setup  ## heap of imports, smallest heaps of a pinned connect, bytes of every .mpy file
	@$(PY) -m tests.measure_heap

.PHONY: rewriting
rewriting: setup fixtures  ## smallest heaps with folded numbers and short names left out
	@$(PY) -m tests.bench.rewriting

.PHONY: romfs
romfs: setup  ## [ARCH=xtensawin] the package as a ROMFS image, for `mpremote romfs deploy`
	@$(PY) -m host_tools.build.romfs $(or $(ARCH),xtensawin)

.PHONY: dist
dist: setup  ## the host tools, with the device package and the boards, as a wheel and as sources, in dist/
	@$(PY) -m host_tools.build.dist

.PHONY: release
release: setup  ## everything that is handed out, with sums and bills of materials, in release/
	@$(PY) -m host_tools.build.release

.PHONY: clean
clean:  ## remove everything the other targets made
	rm -rf .venv build dist release .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

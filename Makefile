# Kardus. `make demo` shows it at work; `make test` proves it. Both set up everything they need.
.DEFAULT_GOAL := help
.PHONY: help demo demo-erp test test-slow check lint wheels pipeline demo-model real-photos real-figures benchmark bench bench-full clean
AGENT := .venv-agent/bin
DEV := .venv/bin

help:            ## Show this list
	@grep -E '^[a-z-]+: .*## |^[a-z-]+:  +## ' Makefile | sed 's/:.*## /\t/' | expand -t 16

demo: .venv-agent/installed  ## A simulated rack, watched: installs agent and warehouse side, about a minute
	$(AGENT)/kardus-agent demo $(ARGS)

demo-erp: .venv/installed  ## The same rack with a real ERP, Tryton: stock, draft counts, and back (installs it: minutes)
	$(DEV)/python -m tests.scripts.demo_erp $(ARGS)

# Images often set PYTHONDONTWRITEBYTECODE: each of the hundreds of processes would compile every module again.
# Many tests wait, for clocks and processes: five of them at a time on two cores. mypy's minute on one core, and
# pip-audit's wait for its service, pass beside them; what the two say is shown after the tests. A worker that crashes
# ends the run, which names its test: with files given out whole, xdist 3.8 may wait for ever for what it did before.
test: lint  ## Everything that must hold: formatting, types, import rules, tests (about 12 minutes)
	@mkdir -p build
	@{ $(DEV)/mypy; types=$$?; $(DEV)/python -m tests.scripts.audit && exit $$types; } >build/beside-tests.txt 2>&1 & \
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(DEV)/python -m pytest --numprocesses 5 --dist loadfile \
		--no-loadscope-reorder --max-worker-restart 0 --durations 15; \
	tests=$$?; wait $$!; beside=$$?; cat build/beside-tests.txt; exit $$((tests | beside))

test-slow: .venv/installed  ## The slow proofs: demo shelves, long shelves, a day, kills, images; properties at length (hours)
	$(DEV)/python -m pytest -m slow
	$(DEV)/python -m pytest -m "hypothesis and not slow" --hypothesis-profile thorough

check: lint  ## Formatting, lint, types, import rules, known vulnerabilities
	$(DEV)/mypy
	$(DEV)/python -m tests.scripts.audit

lint: .venv/installed  ## Of these what takes seconds: formatting, lint, import rules
	$(DEV)/ruff format --check .
	$(DEV)/ruff check .
	$(DEV)/lint-imports

wheels: .venv/installed  ## Ask the index for a wheel of every base dependency, x86-64 and aarch64 (minutes)
	$(DEV)/python -m tests.scripts.wheels

pipeline: .venv/installed  ## Draw photos, train, export, verify and run the agent, with an honest table at the end
	$(DEV)/python -m tests.scripts.pipeline $(ARGS)

demo-model: .venv/installed  ## Make the demo's bundle again (recorded in docs/results.md)
	$(DEV)/python -m tests.scripts.demo_model $(ARGS)

real-photos: .venv/installed  ## The same line on real photos: make real-photos DATA=path/to/cartons
	$(DEV)/python -m tests.scripts.real_photos $(DATA) $(ARGS)

real-figures: .venv/installed  ## The figures of training: make real-figures WHAT=quarter DATA=path/to/cartons WORK=runs
	$(DEV)/python -m tests.scripts.real_figures $(WHAT) $(DATA) $(WORK)

benchmark: .venv/installed  ## How fast training is beside other loops (recorded in docs/results.md)
	$(DEV)/python -m tests.benchmarks.training $(ARGS)

bench: .venv/installed .venv-agent/installed  ## Every promise of speed, measured (make bench ARGS=cycle: one of them)
	$(DEV)/python -m tests.benchmarks $(ARGS)
	$(if $(findstring --against,$(ARGS)),,$(DEV)/python -m tests.benchmarks --markdown)

bench-full: .venv/installed .venv-agent/installed  ## The same at every size that is promised (hours)
	$(DEV)/python -m tests.benchmarks --scale full $(ARGS)
	$(DEV)/python -m tests.benchmarks --markdown

.venv-agent/installed: pyproject.toml constraints.txt deploy/environment.sh
	sh deploy/environment.sh .venv-agent demo

.venv/installed: pyproject.toml constraints.txt deploy/environment.sh
	sh deploy/environment.sh .venv dev

clean:           ## Remove the virtual environments and everything that was produced
	rm -rf .venv .venv-agent demo-output pipeline-output runs build .pytest_cache .mypy_cache .ruff_cache

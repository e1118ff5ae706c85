# Short verbs over CMake, the demonstration grid, and the tests. Every verb
# does its own set-up; with nothing to do, that takes a tenth of a second.

# The number of parallel compilers, and where `make install` puts things.
JOBS   ?= $(shell nproc)
PREFIX ?= /usr/local
# How many simulations `make soak` plays.
SEEDS  ?= 100000
# Grid and benchmarks read this configuration and these arguments.
CONFIG ?= config/four-sites.toml
BENCH  ?=
# How long the storm and the soak of real processes go on.
KILLS   ?= 1000
MINUTES ?= 60

PYTHON := .venv/bin/python
GRID   := $(PYTHON) tools/grid --config $(CONFIG)
CLANG  := 19

# Recipes share one machine and one build folder, so verbs run one by one;
# inside a verb, ninja and ctest are parallel.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help build debug debug-hanse run up down test test-release test-asan test-tsan test-fuzz bench
.PHONY: profile check check-style install clean soak planted storm overload soak-real

help:
	@echo "Hanse: one OpenAI-compatible endpoint in front of many inference sites"
	@echo
	@echo "  make build       compile; leaves build/release/hanse"
	@echo "  make run         start four sites and the gateway, walk through the product, stop"
	@echo "  make up          start them and keep them running;  make down  stops them"
	@echo "  make test        everything that must hold, on a bare machine too: the next four as one"
	@echo "  make test-release  the tests of what ships; minutes, for every day"
	@echo "  make test-asan   the tests under the address and undefined-behaviour sanitizers"
	@echo "  make test-tsan   what has threads, under the thread sanitizer"
	@echo "  make test-fuzz   the kept seeds of every fuzz target, and ten seconds of new inputs"
	@echo "  make soak        SEEDS=N (now $(SEEDS)) simulations in which everything goes wrong"
	@echo "  make planted     plants bugs, one at a time, and shows that simulation finds each"
	@echo "  make storm       kill -9 of gateway and engines under load, KILLS times (now $(KILLS)); books compared"
	@echo "  make overload    twice of what the sites can do, for MINUTES (here 10, if not given); goodput, latency, shares"
	@echo "  make soak-real   mixed load, faults and reloads for MINUTES (now $(MINUTES)); memory must be flat"
	@echo "  make bench       measure, print a table, write build/bench.json"
	@echo "  make profile     measure what the release build is optimised for; seldom needed"
	@echo "  make check       layers, formatting, linter; long. check-style leaves the linter out"
	@echo "  make install     install into PREFIX (now $(PREFIX))"
	@echo "  make clean       remove build/; downloads are kept"
	@echo
	@echo "  JOBS=N (now $(JOBS)) limits the compilers that run at once."

# One build folder per preset of CMakePresets.json. Configuring again is left
# to ninja, which knows when a CMake file has changed.
build/%/build.ninja: CMakePresets.json
	@tools/setup.sh build
	cmake --preset $*

build: build/release/build.ninja
	@tools/setup.sh build
	cmake --build --preset release --target hanse -j $(JOBS)

debug: build/debug/build.ninja
	@tools/setup.sh build
	cmake --build --preset debug -j $(JOBS)

run: build
	@tools/setup.sh grid
	@$(GRID) run

up: build
	@tools/setup.sh grid
	@$(GRID) up

# Needs no set-up: without an environment there is nothing to stop.
down:
	@if [ -x $(PYTHON) ]; then $(GRID) down; else echo "grid: nothing is running"; fi

# The builds whose tests `make test` runs, and what each needs: all of it but
# of the debug build, which only decides recordings of the others again.
TESTED   := release asan tsan fuzz
PROGRAMS := $(TESTED:%=programs-%)
.PHONY: $(PROGRAMS)
$(PROGRAMS): programs-%: build/%/build.ninja
	@tools/setup.sh build test
	cmake --build --preset $* -j $(JOBS)

# Only the program, to decide recordings again.
debug-hanse: build/debug/build.ninja
	cmake --build --preset debug --target hanse -j $(JOBS)

# One ctest over all build folders, so that one summary counts every test.
test: $(PROGRAMS) debug-hanse
	@echo 'subdirs($(TESTED))' > build/CTestTestfile.cmake
	HANSE_OTHER_BINARIES="$(CURDIR)/build/release/hanse:$(CURDIR)/build/debug/hanse:$(CURDIR)/build/asan/hanse" \
	  ctest --test-dir build --output-on-failure -j 2

$(TESTED:%=test-%): test-%: programs-%
	ctest --preset $* -j 2

# What fails is made small and left in build/.
soak: build/release/build.ninja
	@tools/setup.sh build test
	cmake --build --preset release --target hanse_simulation -j $(JOBS)
	@build/release/tests/simulation/hanse_simulation --seeds $(SEEDS) --out build

planted:
	@tools/setup.sh build test
	python3 tests/simulation/plant.py --jobs $(JOBS)

# Of real processes; what the tests do briefly, for as long as one likes.
storm: build
	@tools/setup.sh test
	HANSE_BINARY="$(CURDIR)/build/release/hanse" $(PYTHON) tests/storm/storm.py --kills $(KILLS)

overload: MINUTES = 10
overload: build
	@tools/setup.sh test
	HANSE_BINARY="$(CURDIR)/build/release/hanse" $(PYTHON) tests/storm/overload.py --minutes $(MINUTES)

soak-real: build
	@tools/setup.sh test
	HANSE_BINARY="$(CURDIR)/build/release/hanse" $(PYTHON) tests/storm/soak.py --minutes $(MINUTES)

bench: build/release/build.ninja
	@tools/setup.sh build bench
	cmake --build --preset release --target bench -j $(JOBS)
	python3 bench/run.py $(BENCH)

# What the release build is optimised for, measured anew. Commit it when the
# way of a request through the code has changed.
profile: build/release/build.ninja build/profile/build.ninja
	@tools/setup.sh build bench
	cmake --build --preset release --target bench -j $(JOBS)
	cmake --build --preset profile -j $(JOBS)
	python3 bench/profile.py build/profile/hanse cmake/release.profdata

# Of what is in git, so that no scratch file is a finding.
check-style:
	@tools/setup.sh check
	@git rev-parse --is-inside-work-tree > /dev/null
	python3 tools/check_layers.py src
	git ls-files -z -- '*.h' '*.cpp' | xargs -0 clang-format-$(CLANG) --dry-run -Werror

# The linter reads the flags of the release build, which need not be built; of
# files that are not part of it (fuzz targets) it knows nothing.
check: check-style build/release/build.ninja
	git ls-files -- '*.cpp' | sed 's|.*|^$(CURDIR)/&$$|' \
	  | xargs run-clang-tidy-$(CLANG) -quiet -j $(JOBS) -p build/release

install: build
	cmake --install build/release --prefix $(PREFIX)

clean: down
	rm -rf build

# `make` alone lists the targets. CLUSTER=current uses the cluster that kubectl points at instead of a local one.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export CLUSTER ?= local
VENV := .venv/bin
FAST := not cluster and not control_plane and not browser and not voice

.PHONY: help setup check format test cluster cluster-down images demo

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what both `make demo` and `make test` need (Debian packages, uv, Python, Go programs)
	@tools/setup.sh

check: ## format, lint, types, import contracts, fast tests; under two minutes
	@[ -x $(VENV)/pytest ] || tools/setup.sh python
	$(VENV)/ruff format --no-cache --check .
	$(VENV)/ruff check --no-cache .
	$(VENV)/mypy
	$(VENV)/mypy --package tools
	$(VENV)/lint-imports --no-cache
	$(VENV)/pytest -q -m "$(FAST)"

format: ## let ruff put right what it can
	$(VENV)/ruff format .
	$(VENV)/ruff check --fix .

test: ## everything that must pass, from nothing
	@tools/test.sh

cluster: ## start the local cluster
	@python3 -m tools.cluster up

cluster-down: ## stop the local cluster; nothing of it stays but caches
	@python3 -m tools.cluster down

images: ## build both images and push them to the local cluster's registry
	@python3 -m tools.cluster images

demo: ## from nothing to a spoken file: tools, cluster, images, chart, one VoiceModel
	@python3 -m tools.demo

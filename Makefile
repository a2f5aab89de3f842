# What a developer does, and what CI does: the same. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO      ?= go
DATA    ?= data

# The program takes its version from the commit it is built of. A tree without
# .git, or with one that git will not read, builds all the same, without one.
STAMP := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo true || echo false)
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

# The binaries are linked with the snapshot of Go's FIPS 140-3 module that was
# validated; `make build GOFIPS140=off` takes the one of the Go release.
GOFIPS140 ?= certified

TOOL := $(GO) tool -modfile=tools/go.mod

# Packages tested at once. The race detector and an embedded database make each
# of them hungry; two cores serve two.
PARALLEL ?= 2
# How long each fuzz target runs in `make fuzz` and `make soak`.
FUZZTIME ?= 20s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build, then start everything on the embedded defaults in ./data
	@exec bin/strongroom serve --data $(DATA)

.PHONY: build
build: ## bin/strongroom, one static binary
	@mkdir -p bin
	CGO_ENABLED=0 GOFIPS140=$(GOFIPS140) $(GO) build -buildvcs=$(STAMP) -trimpath -ldflags '-s -w' -o bin/strongroom ./cmd/strongroom

.PHONY: build-pkcs11
build-pkcs11: ## bin/strongroom-pkcs11, which loads libraries of HSM vendors
	@mkdir -p bin
	CGO_ENABLED=1 GOFIPS140=$(GOFIPS140) $(GO) build -tags pkcs11 -buildvcs=$(STAMP) -trimpath -ldflags '-s -w' -o bin/strongroom-pkcs11 ./cmd/strongroom

.PHONY: test
test: setup lint race pkcs11 clients ## install what the tests need, then lint and run all of them

.PHONY: setup
setup:
	@tools/setup

.PHONY: lint
lint: setup ## formatting, vet, staticcheck, the import table
	@echo '== gofumpt'
	@unformatted=$$($(TOOL) gofumpt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted; run: make format"; echo "$$unformatted"; exit 1; fi
	@echo '== go vet'
	@$(GO) vet ./...
	@cd test/clients && $(GO) vet ./...
	@echo '== staticcheck'
	@$(TOOL) staticcheck ./...
	@cd test/clients && $(GO) tool -modfile=../../tools/go.mod staticcheck ./...
	@echo '== import table'
	@$(GO) test -count=1 .
	@if command -v govulncheck >/dev/null; then echo '== govulncheck'; govulncheck ./...; \
		else echo '== govulncheck is not installed here: left out'; fi

.PHONY: format
format: ## format all sources
	@$(TOOL) gofumpt -w .

# Without vet, which lint runs: each package would be looked at once more, as built for the race detector.
.PHONY: race
race: setup
	@echo '== tests, with the race detector'
	@$(GO) test -race -vet=off -p $(PARALLEL) -timeout 14m -covermode=atomic -coverprofile=coverage.out ./...
	@$(GO) tool cover -func=coverage.out | awk '/^total:/ {print "== statements covered: " $$3}'

# What is built with the tag pkcs11, and what uses it.
PKCS11 = ./custody/pkcs11/... ./bench/custody/... ./cmd/strongroom/... ./test/chaos/...

.PHONY: pkcs11
pkcs11: setup ## the module in a token, against SoftHSM
	@echo '== PKCS#11'
	@CGO_ENABLED=1 $(GO) vet -tags pkcs11 $(PKCS11)
	@$(TOOL) staticcheck -tags pkcs11 $(PKCS11)
	@CGO_ENABLED=1 $(GO) test -race -tags pkcs11 -p $(PARALLEL) -timeout 14m ./custody/pkcs11/...
	@CGO_ENABLED=1 $(GO) test -race -tags pkcs11 -timeout 5m -run Custody ./cmd/strongroom
	@CGO_ENABLED=1 $(GO) test -race -tags pkcs11 -timeout 5m -run Token ./test/chaos

.PHONY: clients
clients: setup ## other people's clients against the built binary
	@echo "== IBM's clients"
	@cd test/clients && $(GO) test -race -timeout 10m ./...

.PHONY: soak
soak: setup ## the full sets: long chaos, every fuzz target for a minute
	STRONGROOM_SOAK=1 $(GO) test -count=1 -race -p 1 -timeout 4h ./...
	cd test/clients && $(GO) test -count=1 -race -timeout 30m ./...
	$(MAKE) fuzz FUZZTIME=60s

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (20s)
	@tools/fuzz $(FUZZTIME)

.PHONY: bench
bench: build ## the benchmarks of all packages, wraps and objects over TLS beside bare handlers, many keys, crypto modules
	@tools/bench
	@$(GO) run ./bench/wrap -binary bin/strongroom
	@$(GO) run ./bench/keys -binary bin/strongroom -keys $${STRONGROOM_BENCH_KEYS:-50000}
	@$(GO) run ./bench/objects -binary bin/strongroom
	@$(GO) run ./bench/objects -binary bin/strongroom -list $${STRONGROOM_BENCH_LIST:-5000}
	@CGO_ENABLED=1 $(GO) run -tags pkcs11 ./bench/custody

.PHONY: clean
clean: ## remove what was built; the data folder stays
	rm -rf bin coverage.out coverage.html

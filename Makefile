# What there is to do here: make help.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO        ?= go
TESTFLAGS ?=
BENCH     ?= .
FUZZTIME  ?= 30s
ID        ?=

# In a checkout that git refuses to read (no git, or another owner's directory)
# stamping the version would fail the build.
ifneq ($(shell git rev-parse HEAD >/dev/null 2>&1 && echo yes),yes)
export GOFLAGS := $(GOFLAGS) -buildvcs=false
endif

# The race detector needs a C compiler; everything else builds without.
RACE = $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null && echo -race)

LINT := bin/tools/golangci-lint

.PHONY: build
build: ## build bin/attribproxy
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/attribproxy ./cmd/attribproxy

.PHONY: run
run: build ## serve on config.example.yaml, state in .state; ID=<guid> sets the tracking ID
	@exec bin/attribproxy serve --config config.example.yaml --state-dir .state $(if $(ID),--id '$(ID)')

.PHONY: demo
demo: ## show the whole loop: a fake cloud, a real client, the User-Agent before and after, the record
	@$(GO) run ./internal/demo

.PHONY: test
test: deps vet ## install what the tests need, then run all of them
	$(if $(RACE),,@echo "no C compiler: testing without the race detector" >&2)
	$(GO) test $(RACE) -count=1 -timeout 20m $(TESTFLAGS) ./... # uncached: what e2e builds, go test does not see

.PHONY: deps
deps: ## install what the tests need (as root or by sudo; Debian and its kin)
	@tools/test-deps.sh

# Every system the program is built for; the pure Go build is the one released.
.PHONY: vet
vet: ## go vet and build for Linux, macOS and Windows
	$(GO) vet ./...
	for os in linux darwin windows; do \
	    CGO_ENABLED=0 GOOS=$$os $(GO) vet ./...; \
	    CGO_ENABLED=0 GOOS=$$os $(GO) build -o /dev/null ./cmd/attribproxy; \
	done

.PHONY: e2e
e2e: deps ## real clients only
	$(GO) test $(RACE) -count=1 -timeout 20m -v $(TESTFLAGS) ./e2e/...

.PHONY: lint
lint: $(LINT) ## golangci-lint, with the layers of docs/architecture.md
	$(LINT) run

.PHONY: fmt
fmt: $(LINT) ## format the code
	$(LINT) fmt

# Built from tools/go.mod, so that everybody lints with the same version. The
# first time takes some minutes.
$(LINT): tools/go.mod tools/go.sum
	@mkdir -p bin/tools
	CGO_ENABLED=0 $(GO) build -C tools -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: bench
bench: ## benchmarks into bench/out/bench.txt; BENCH=<regexp> picks some
	@mkdir -p bench/out
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 30m ./... | tee bench/out/bench.txt

.PHONY: cover
cover: ## test coverage of the packages, into bench/out/cover.html
	@mkdir -p bench/out
	$(GO) test -coverprofile bench/out/cover.out -coverpkg ./... $$($(GO) list ./... | grep -v /e2e)
	$(GO) tool cover -html bench/out/cover.out -o bench/out/cover.html
	@$(GO) tool cover -func bench/out/cover.out | tail -1

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (30s)
	@for pkg in $$($(GO) list ./...); do \
	    for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	        echo "$$pkg $$target"; \
	        $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
	    done; \
	done

.PHONY: clean
clean: ## remove what was built; .state with its CA and journal stays
	rm -rf bin bench/out

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

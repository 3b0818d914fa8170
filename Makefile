# `make help` lists what there is. Tools are pinned in tools/go.mod, apart from
# the program's own dependencies.
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c

TOOL := go tool -modfile=tools/go.mod
BLOB := engine/backend/onnx/ortlib/blob
# A module of its own, so that its libraries are no dependencies of the product.
BASELINE := cmd/bench/baseline
RELEASE  := tools/release
MUTANTS  := tools/mutants
# Later versions need a charmbracelet/ultraviolet that cannot be had everywhere.
BUBBLETEA := v2.0.10
ALONE     := TestMainJobOnScreen
# The race detector makes arithmetic ten times as slow. It is left out of packages that
# are nothing but arithmetic, on values that their callers hand in: among them those that
# build and convert the models, of 50 MB, draw charts, encode images, compress, draw random numbers, and of tables that
# go-runewidth and jsonschema make before main begins: .5 s a process, and scripts start two hundred.
PURE := github.com/mattn/go-runewidth github.com/santhosh-tekuri/jsonschema/v6/... github.com/charmbracelet/x/ansi/... \
	image/... golang.org/x/image/... compress/... hash/adler32 hash/crc32 math/rand/v2 \
	sweetspot/sweep/stat sweetspot/sweep/stat/stattest sweetspot/sweep/predict sweetspot/sweep/servercost sweetspot/sweep/search/gaussian \
	sweetspot/engine/servicetime sweetspot/engine/batching sweetspot/engine/onnxgraph/builder sweetspot/engine/onnxgraph/builtin \
	sweetspot/engine/onnxgraph/fp16 sweetspot/tui/chart
RACE := -race $(PURE:%=-gcflags=%=-race=false)
# Files of tests without the race detector: of arithmetic in several packages, of allocations, of many short processes.
UNRACED = $(shell grep -rlE --include='*_test.go' '^//go:build.*!race' .)

.DEFAULT_GOAL := help
.PHONY: run proto test test-long pictures soak chaos check build release ort lint bench fuzz vulncheck golden mutants torchserve test-torchserve peers test-peers swiftshader test-webgpu oip-client test-oip-client mlserver test-mlserver slurm test-slurm test-kubernetes help cc

# One build of both programs compiles what they share once, with all cores; -w leaves out what only a debugger reads.
run: cc ## build quickly and start the workbench; ARGS="..." are its arguments
	@go build -ldflags=-w -o bin/dev/ ./cmd/ort ./cmd/sweetspot
	@bin/dev/ort
	@bin/dev/sweetspot $(ARGS)

# Processes of a race build sleep a second before they end unless told not to.
test: export GORACE = atexit_sleep_ms=0
test: lint ort ## lint, then all tests: race detector, random order
	@# more packages and tests at a time than cores: many wait; go vet has run in lint
	go test -short $(RACE) -vet=off -shuffle=on -p=3 -parallel=4 -timeout=30m -skip='^$(ALONE)$$' ./...
	@# the tests of the files that the race detector leaves out
	go test -short -vet=off -shuffle=on -p=3 -parallel=4 -timeout=30m -run="^($$(sed -n 's/^func \(Test[A-Za-z0-9]*\)(.*/\1/p' $(UNRACED) | paste -sd'|' -))\$$" $$(dirname $(UNRACED) | sort -u)
	go test -C $(BASELINE) -short -race -shuffle=on ./...
	go test -C $(RELEASE) -short ./...
	go test -C $(MUTANTS) -short ./...

test-long: ort ## what make test does in small sizes, in full: 15 minutes, no race detector
	go test -shuffle=on -timeout=60m -skip='^($(ALONE)|TestSoak)$$' $$(grep -rlE --include='*_test.go' --exclude-dir=tools 'testing\.Short\(|go:build !race' . | xargs -n1 dirname | sort -u)
	@# its clients need the cores
	go test -timeout=30m -run='^TestSoak$$' ./cmd/bench
	@# it keeps a promise in milliseconds, which neighbours would break
	go test -short -timeout=30m -run='^$(ALONE)$$' ./cmd/sweetspot

pictures: ort ## the pictures and the recordings of docs/screens, from real sessions: three minutes; with SWEETSPOT_PEERS also that with LitServe
	go test -run='^TestColdStart|^TestPictures|^TestPeerOnScreen' ./cmd/sweetspot -args -pictures $(CURDIR)/docs/screens

soak: ort ## ten minutes (TIME) of four overloaded models, changed beside sweeps, with good, bad, slow and vanishing clients
	go run ./cmd/bench soak -full $(if $(TIME),-time $(TIME))

chaos: ort ## kill -9, signals, full disks, stalls and runtime errors, each at SEEDS moments, 10 unless told: ten minutes
	go test -count=1 -timeout=60m -run='^TestChaos' ./cmd/sweetspot -args -seeds $(or $(SEEDS),10)
	go test -count=1 -run='^TestChaos|^TestSilentEngine|^TestFaults|^TestIncompleteLineStays|^TestFolderGone|^TestKilledWhileIdle' \
		./engine/server ./engine/logfile ./engine/backend/python ./sweep/target/local ./profiles

check: test ## test, by its other name

build: cc ## bin/sweetspot and bin/bench, each with ONNX Runtime inside
	@go run ./cmd/ort -embed $(BLOB)
	go build -tags=embedort -trimpath -ldflags='-s -w' -o bin/ ./cmd/sweetspot ./cmd/bench

release: cc ## dist: archives for linux/amd64 and linux/arm64 (darwin on macOS) with ONNX Runtime, manual pages, licences, SBOM, checksums
	go run -C $(RELEASE) . -out dist

ort: cc ## find ONNX Runtime or install it into the user's cache; prints where
	@go run ./cmd/ort

lint: cc ## format, vet, modernise, tidy, staticcheck
	@bad=$$($(TOOL) gofumpt -l .); test -z "$$bad" || \
		{ printf 'not formatted; run: $(TOOL) gofumpt -w .\n%s\n' "$$bad"; exit 1; }
	@for dir in . $(BASELINE) $(RELEASE) $(MUTANTS); do (set -x; cd $$dir; \
		go vet ./...; go fix -diff ./...; go mod tidy -diff; go tool -modfile="$(CURDIR)/tools/go.mod" staticcheck ./...); done
	@have=$$(go list -m -f '{{.Version}}' charm.land/bubbletea/v2); test "$$have" = $(BUBBLETEA) || \
		{ echo "go.mod has bubbletea $$have, want $(BUBBLETEA); the reason is in the Makefile"; exit 1; }

bench: ort ## benchmarks ten times into bench.new, compared with bench.old if it is there
	go test -run='^$$' -bench=. -benchmem -count=10 ./... | tee bench.new
	@test ! -f bench.old || $(TOOL) benchstat bench.old bench.new

fuzz: ort ## every fuzz target in turn, each for TIME, 30s unless told; prints how many inputs each tried
	@go run ./cmd/fuzz -time $(or $(TIME),30s)

vulncheck: cc ## known vulnerabilities in what the program calls; asks vuln.go.dev
	$(TOOL) govulncheck ./...

golden: ort ## rewrite golden files; read the diff before you commit
	@dirs=$$(grep -rlE --include='*_test.go' 'x/exp/golden|flag\.Bool\("update"' . | xargs -rn1 dirname | sort -u || true); \
	test -z "$$dirs" || go test $$dirs -update

mutants: ort ## faults put into six packages: do their tests notice at least 80%? an hour; docs/mutation.md, ARGS="-sample 20 -seed 7"
	go run -C $(MUTANTS) . -least .8 $(ARGS) engine/batching engine sweep/stat sweep/search profiles profiles/export

proto: ## the Go code of the protocol files; needs protoc
	@tools/proto.sh

torchserve: ## a real TorchServe in the user's cache, for test-torchserve; SWEETSPOT_TORCHSERVE is another folder
	@tools/torchserve.sh

test-torchserve: torchserve ort ## the tests against that TorchServe: minutes; they skip elsewhere. SWEETSPOT_TORCHSERVE_COLLECTION: its collections too
	SWEETSPOT_TORCHSERVE=$$(tools/torchserve.sh --where) go test -count=1 -p=1 -timeout=60m -run='^TestRealTorchServe|^TestTorchServe.*Collection' \
		$$(grep -rl --include='*_test.go' 'func TestRealTorchServe' . | xargs -n1 dirname | sort -u)

peers: ## LitServe, mosec and BentoML in the user's cache, for test-peers; SWEETSPOT_PEERS is another folder
	@tools/peers.sh

test-peers: peers ort ## the tests against those servers: five minutes; they skip elsewhere
	SWEETSPOT_PEERS=$$(tools/peers.sh --where) go test -count=1 -timeout=20m -run='^TestPeer' ./cmd/sweetspot ./cmd/bench

swiftshader: ## a Vulkan device that computes on the CPU, in the user's cache, for test-webgpu; SWEETSPOT_SWIFTSHADER is another folder
	@tools/swiftshader.sh

test-webgpu: swiftshader ort ## models on that device with WebGPU; the tests skip elsewhere
	SWEETSPOT_SWIFTSHADER=$$(tools/swiftshader.sh --where) go test -count=1 -run='^TestWebGPU|^TestScript/gpu$$' ./engine/backend/onnx ./cmd/sweetspot

oip-client: ## Triton's client for the Open Inference Protocol in the user's cache, for test-oip-client; SWEETSPOT_OIP_CLIENT is another folder
	@tools/oip-client.sh

test-oip-client: oip-client ort ## the server asked by that client; it skips elsewhere
	SWEETSPOT_OIP_CLIENT=$$(tools/oip-client.sh --where) go test -count=1 -run='^TestOIPClient' ./cmd/sweetspot

slurm: ## Debian's Slurm, unpacked in the user's cache, for test-slurm; SWEETSPOT_SLURM is another folder
	@tools/slurm.sh

test-slurm: slurm ## docs/examples/slurm in a real Slurm of one node; it skips elsewhere
	SWEETSPOT_SLURM=$$(tools/slurm.sh --where) go test -count=1 -v -run='^TestRealSlurm' ./cmd/sweetspot

test-kubernetes: ## the manifest of docs/examples/kubernetes, by Kubernetes' own types
	go vet -C tools/kubernetes ./...
	go test -C tools/kubernetes ./...

mlserver: ## MLServer in the user's cache, for test-mlserver; SWEETSPOT_MLSERVER is another folder
	@tools/mlserver.sh

test-mlserver: mlserver ## MLServer as a target, over HTTP and gRPC; it skips elsewhere
	SWEETSPOT_MLSERVER=$$(tools/mlserver.sh --where) go test -count=1 -v -run='^TestMLServer' ./cmd/sweetspot

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ONNX Runtime is called through C, and so is the race detector.
cc:
	@cc=$$(go env CC); command -v "$${cc%% *}" >/dev/null || \
		{ echo "no C compiler ($${cc%% *}) found: install one (Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc; macOS: xcode-select --install)"; exit 1; }

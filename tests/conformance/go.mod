// Pins the OCI runtime validation suite (and, through go.sum, every byte of it). There is no Go code here:
// the runner (./run) fetches and builds the suite's programs in a cache outside the repository.
module bothy/tests/conformance

go 1.19

require github.com/opencontainers/runtime-tools v0.9.1-0.20221107090550-2e043c6bd626

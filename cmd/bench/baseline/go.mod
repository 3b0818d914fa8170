module sweetspot/cmd/bench/baseline

go 1.26.8

// goptuna draws from the generator of the process, too: this lets rand.Seed seed it.
godebug randseednop=0

require (
	github.com/c-bata/goptuna v0.9.0 // the tree of Parzen estimators
	github.com/google/go-cmp v0.7.0 // tests: differences
)

require gonum.org/v1/gonum v0.16.0 // indirect

package main

import (
	"math/rand"

	"github.com/c-bata/goptuna"
	"github.com/c-bata/goptuna/tpe"
)

// seedMask makes a second seed from a seed, so that the two random generators differ.
const seedMask = 0x676c6f62

// searchTPE runs goptuna's tree-structured Parzen estimator with its default settings. It calls ask
// for the value of each suggestion until the budget is used up or ask returns an error, which it
// returns.
func searchTPE(q request, ask func(places []int) (float64, error)) error {
	// In addition to its own generator, the sampler uses the global one to select an estimator.
	rand.Seed(int64(q.Seed ^ seedMask)) //lint:ignore SA1019 the sampler's use of the global generator cannot be changed
	study, err := goptuna.CreateStudy("bench",
		goptuna.StudyOptionSampler(tpe.NewSampler(tpe.SamplerOptionSeed(int64(q.Seed)))),
		goptuna.StudyOptionDirection(goptuna.StudyDirectionMaximize),
		goptuna.StudyOptionLogger(nil), // it would write to stdout
	)
	if err != nil {
		return err
	}
	return study.Optimize(func(t goptuna.Trial) (float64, error) {
		places := make([]int, len(q.Space))
		for i, d := range q.Space {
			if places[i], err = t.SuggestInt(d.Name, 0, d.Values-1); err != nil {
				return 0, err
			}
		}
		return ask(places)
	}, q.Budget)
}

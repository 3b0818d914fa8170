package main

import (
	"math/rand"

	"github.com/c-bata/goptuna"
	"github.com/c-bata/goptuna/tpe"
)

// otherStream makes another seed of a seed, so that the two generators of a
// study do not draw the same numbers.
const otherStream = 0x676c6f62

// searchTPE is goptuna's tree of Parzen estimators with its defaults, over the
// places of values. It asks what a suggestion is worth until ask has an error,
// which it returns, or the budget is used up.
func searchTPE(q question, ask func(places []int) (float64, error)) error {
	// The sampler takes which estimator to draw from out of the generator of the
	// process, whatever seed it was given itself.
	rand.Seed(int64(q.Seed ^ otherStream)) //lint:ignore SA1019 nothing else reaches that generator
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

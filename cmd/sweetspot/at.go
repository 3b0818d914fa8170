package main

import (
	"fmt"

	"sweetspot/profiles"
)

// showAt prints a prediction for the settings of a profile at another load.
func (a *app) showAt(p *profiles.Profile, at string, asJSON bool) error {
	rate, err := profiles.ParseRate(at)
	if err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	predicted, err := profiles.Predict(p, rate)
	switch {
	case err != nil:
		return err
	case asJSON:
		return profiles.WritePredictionJSON(a.out, predicted)
	}
	return profiles.WritePrediction(a.out, predicted, a.style())
}

package main

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
)

// leftOut says which devices and precisions the target could turn to and the plan
// did not look at, and how to have them looked at; "" where there are none.
func leftOut(p plan.Plan, info sweep.Info) string {
	var what, flags []string
	add := func(n knob.Name, flag string, all []string, label func(string) string) {
		tried := triedOf(p, info, n)
		known := len(what)
		for _, v := range all {
			if !slices.Contains(tried, v) {
				what = append(what, label(v))
			}
		}
		if len(what) > known {
			flags = append(flags, flag)
		}
	}
	if info.Fixed[knob.Device] == "" {
		add(knob.Device, "--device auto", info.Limits.Devices(), func(v string) string { return "device " + v })
	}
	if info.Fixed[knob.FP16] == "" {
		var all []string
		for _, v := range info.Limits.Precisions() {
			all = append(all, v.String())
		}
		if info.Limits.Places == nil {
			all = []string{knob.FullPrecision.String(), knob.HalfPrecision.String()}
		}
		add(knob.FP16, "--precision auto", all, strings.ToUpper)
	}
	if what == nil {
		return ""
	}
	text := "not tried: " + strings.Join(what, ", ")
	if info.Limits.Places == nil { // a model that answers
		text += ", which changes answers"
	}
	return fmt.Sprintf("%s (add %s)", text, strings.Join(flags, " "))
}

// triedOf are the values of a knob that a plan looks at.
func triedOf(p plan.Plan, info sweep.Info, n knob.Name) []string {
	text, named := p.Knobs[n]
	switch {
	case !named:
		return []string{info.Current.Get(n)}
	case text == knob.Auto && n == knob.Device:
		return info.Limits.Devices()
	case text == knob.Auto:
		return []string{knob.FullPrecision.String(), knob.HalfPrecision.String()}
	}
	values, err := knob.Expand(n, text)
	if err != nil {
		return nil // the plan was checked
	}
	return values
}

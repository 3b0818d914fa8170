package main

import (
	"fmt"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
)

// leftOut lists the devices, precisions and own knobs of the target that the plan does not
// try, and the flags that add them; "" if there are none.
func leftOut(p plan.Plan, info sweep.Info) string {
	var names, flags []string
	changes := false // whether they may change the answers of the model
	for _, o := range p.LeftOut(info.Limits, info.Current, info.Fixed) {
		k, common := knob.Get(o.Knob)
		if !common {
			names, flags = append(names, string(o.Knob)), append(flags, "--knob "+string(o.Knob)+"=auto")
			continue
		}
		changes = info.Limits.Places == nil
		flags = append(flags, "--"+k.Flag+" auto")
		for _, v := range o.Values {
			if o.Knob == knob.Device {
				names = append(names, "device "+v)
			} else {
				names = append(names, strings.ToUpper(v))
			}
		}
	}
	if names == nil {
		return ""
	}
	text := strings.Join(names, ", ")
	if changes {
		text += ", which may change the answers"
	}
	return fmt.Sprintf("%s (add %s)", text, strings.Join(flags, " "))
}

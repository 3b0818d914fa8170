package chart_test

import (
	"fmt"

	"sweetspot/tui/chart"
)

func ExampleLine() {
	p99 := []float64{38, 41, 40, 39, 12, 11, 11, 12, 11, 11}
	for _, line := range chart.Line(chart.Spec{
		Width: 30, Height: 7, Values: p99, SLA: 20, SLALabel: "SLA 20",
		Foot: chart.MarkFoot, Marks: []chart.Mark{{At: 4, Text: "A1"}}, ASCII: true,
	}) {
		fmt.Println("|" + line + "|")
	}
	// Output:
	// |   60|                        |
	// |     |              ++        |
	// |   40|              ++-+      |
	// |     |                 |      |
	// |>  20+..........SLA 20.+------|
	// |    0|                        |
	// |     +------------------^A1---|
}

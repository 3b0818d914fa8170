package main

import "sweetspot/cmd/bench/judge"

// goals is the one table of what figures have to reach. Docs and issues quote
// it.
func goals() judge.Goals {
	return judge.Goals{
		{Name: "batching.allocs.*", Compare: judge.Exactly, Number: 0},
		{Name: "batching.steps.*", Compare: judge.None},

		{Name: "overhead.p50.process", Compare: judge.AtMost, Number: 5},
		{Name: "overhead.p50.http-*", Compare: judge.AtMost, Number: 120},
		{Name: "overhead.allocs.submit", Compare: judge.Exactly, Number: 0},
		{Name: "overhead.allocs.http", Compare: judge.AtMost, Number: 8},
		{Name: "overhead.rate.delay-200us", Compare: judge.AtLeast, Number: .85},
		{Name: "overhead.rate.delay-0", Compare: judge.AtLeast, Number: .60},
	}
}

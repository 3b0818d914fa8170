package main

import (
	"slices"

	"sweetspot/cmd/bench/judge"
)

// goals is the table of all goals. The documentation quotes it.
func goals() judge.Goals {
	return slices.Concat(intervalGoals(), engineGoals(), loadGoals(), searchGoals(), serverGoals(), screenGoals())
}

// intervalGoals are the goals of intervals and verdicts on simulated servers.
func intervalGoals() judge.Goals {
	return judge.Goals{
		{Name: "interval.simulated", Compare: judge.AtLeast, Number: 50},
		{Name: "interval.settled.*", Compare: judge.AtLeast, Number: .92},
		{Name: "interval.stopped.*", Compare: judge.AtLeast, Number: .92},
		{Name: "interval.provisional.false-*", Compare: judge.AtMost, Number: .05},
		{Name: "interval.long.false-*", Compare: judge.AtMost, Number: .05},
		{Name: "interval.*.undecided.independent", Compare: judge.AtMost, Number: .25},
		// With 5000 requests even a rule that knew the distribution of its counts
		// would leave 43% undecided.
		{Name: "interval.long.undecided.mm1-60", Compare: judge.AtMost, Number: .45},
		{Name: "interval.*.undecided.*", Compare: judge.None},
		{Name: "interval.settles.independent", Compare: judge.AtLeast, Number: .8},
		{Name: "interval.settles.mm1-60", Compare: judge.AtLeast, Number: .8},
		{Name: "interval.settles.pauses", Compare: judge.AtLeast, Number: .8},
		{Name: "interval.settles.*", Compare: judge.None},
		// Twice the requests of a verdict before verdicts had to detect stalls.
		{Name: "interval.requests.verdict-u40", Compare: judge.AtMost, Number: 3306},
		{Name: "interval.requests.verdict-u60", Compare: judge.AtMost, Number: 2192},
		{Name: "interval.requests.verdict-u80", Compare: judge.AtMost, Number: 3794},
		{Name: "interval.requests.*", Compare: judge.None},
		{Name: "interval.selection.*", Compare: judge.AtMost, Number: .01},
		{Name: "interval.overload.*", Compare: judge.Exactly},
		{Name: "interval.keeps-up.*", Compare: judge.AtLeast, Number: .9},
		{Name: "trials.*", Compare: judge.None}, // 20 trials cannot distinguish .92 from .95

		{Name: "interval.false-pass.corrected", Compare: judge.AtMost, Number: .15},
	}
}

// engineGoals are the goals of the engine.
func engineGoals() judge.Goals {
	return judge.Goals{
		{Name: "batching.allocs.*", Compare: judge.Exactly, Number: 0},
		{Name: "batching.steps.*", Compare: judge.None},

		{Name: "overhead.p50.process", Compare: judge.AtMost, Number: 5},
		{Name: "overhead.p50.http-*", Compare: judge.AtMost, Number: 25},
		{Name: "overhead.allocs.submit", Compare: judge.Exactly, Number: 0},
		{Name: "overhead.allocs.http", Compare: judge.AtMost, Number: 8},
		{Name: "overhead.rate.delay-200us", Compare: judge.AtLeast, Number: .76},
		{Name: "overhead.rate.delay-0", Compare: judge.AtLeast, Number: .60},

		{Name: "nodes.wrong", Compare: judge.Exactly, Number: 0},
		{Name: "nodes.right", Compare: judge.AtLeast, Number: .95},
		{Name: "nodes.oip-wrong", Compare: judge.Exactly, Number: 0},
		{Name: "nodes.oip-right", Compare: judge.AtLeast, Number: .95},
		{Name: "nodes.grpc-wrong", Compare: judge.Exactly, Number: 0},
		{Name: "nodes.grpc-right", Compare: judge.AtLeast, Number: .95},
		{Name: "nodes.batches-wrong", Compare: judge.Exactly, Number: 0},
		{Name: "nodes.batches-right", Compare: judge.AtLeast, Number: 50},

		{Name: "serve.duty.encoder.process", Compare: judge.None}, // limited by the waking of callers
		{Name: "serve.waking.*", Compare: judge.None},
		{Name: "serve.share.*", Compare: judge.AtLeast, Number: .99},
		{Name: "serve.duty.encoder.http", Compare: judge.AtLeast, Number: .93},
		{Name: "serve.duty.*.process", Compare: judge.AtLeast, Number: .99},
		{Name: "serve.duty.*.http", Compare: judge.AtLeast, Number: .98},
		{Name: "serve.stretch.*", Compare: judge.AtMost, Number: 1.03},
		{Name: "serve.rate.encoder", Compare: judge.None}, // the traffic slows the runs: see serve.beside
		{Name: "serve.rate-beside.*", Compare: judge.AtLeast, Number: .93},
		{Name: "serve.beside.*", Compare: judge.None},
		{Name: "serve.rate.*", Compare: judge.AtLeast, Number: .93},
		{Name: "serve.workers-2.*", Compare: judge.None},

		{Name: "lengths.difference.*", Compare: judge.AtMost, Number: 1e-4},
		{Name: "lengths.ratio.best", Compare: judge.AtLeast, Number: 2},
		{Name: "lengths.ratio.*", Compare: judge.None},
		{Name: "lengths.error.*", Compare: judge.None}, // on a busy machine, mostly its changes of speed

		{Name: "apply.failed", Compare: judge.Exactly},
		{Name: "apply.lost", Compare: judge.Exactly},
		{Name: "apply.duplicated", Compare: judge.Exactly},
		{Name: "apply.mixed-up", Compare: judge.Exactly},
		{Name: "apply.refused", Compare: judge.Exactly},
		{Name: "apply.left.*", Compare: judge.Exactly},
		{Name: "apply.memory", Compare: judge.AtMost, Number: .02},
		{Name: "apply.tail.*", Compare: judge.AtMost, Number: 1.2},

		{Name: "soak.failed", Compare: judge.Exactly},
		{Name: "soak.lost", Compare: judge.Exactly},
		{Name: "soak.mixed-up", Compare: judge.Exactly},
		{Name: "soak.unclear", Compare: judge.Exactly},
		{Name: "soak.sweep.*", Compare: judge.Exactly},
		{Name: "soak.unaccounted", Compare: judge.Exactly},
		{Name: "soak.left.*", Compare: judge.Exactly},
		{Name: "soak.growth", Compare: judge.AtMost, Number: .01},
		{Name: "soak.growth.*", Compare: judge.None}, // parts of it, and the resident memory, whose free pieces vary by some percent

		{Name: "overload.passes-*", Compare: judge.Exactly},
		{Name: "overload.keeps-up-*", Compare: judge.AtLeast, Number: .9},
	}
}

// loadGoals are the goals of the load generator, and of the program that sends with it.
func loadGoals() judge.Goals {
	return judge.Goals{
		{Name: "loadgen.rate.error", Compare: judge.AtMost, Number: .0005},
		{Name: "loadgen.gaps.constant", Compare: judge.AtMost, Number: .15},
		{Name: "loadgen.gaps.poisson-off", Compare: judge.AtMost, Number: .03},
		{Name: "loadgen.p50.floor", Compare: judge.None}, // mostly how late the sleeping server wakes up: see the bare loop
		{Name: "loadgen.p50.leas*", Compare: judge.None},
		{Name: "loadgen.p50.bar*", Compare: judge.None},
		{Name: "loadgen.p50.rat*", Compare: judge.AtMost, Number: 1.25},
		{Name: "loadgen.p99.stalled", Compare: judge.AtMost, Number: .01},
		{Name: "loadgen.cpu.*-us", Compare: judge.None}, // the ratios need wrk2
		{Name: "loadgen.cpu.1k-bar*", Compare: judge.AtMost, Number: 1.3},
		{Name: "loadgen.cpu.5k-bar*", Compare: judge.AtMost, Number: 1.2},
		{Name: "loadgen.cpu.1k-*", Compare: judge.None},              // of wrk2, which sends late
		{Name: "loadgen.cpu.5k-*", Compare: judge.AtMost, Number: 2}, // what sending each request at its time takes
		{Name: "loadgen.rate.one-core", Compare: judge.AtLeast, Number: 40_000},

		{Name: "parent.cpu.*", Compare: judge.None}, // mostly sending and waking up the engine: see the bare loop
		{Name: "parent.share.*", Compare: judge.AtMost, Number: 1.3},
	}
}

// searchGoals are the goals of the search.
func searchGoals() judge.Goals {
	return judge.Goals{
		{Name: "search.regret.median.auto", Compare: judge.AtMost, Number: .002},
		{Name: "search.regret-tested.p90.auto", Compare: judge.AtMost, Number: .01},
		{Name: "search.regret.share.auto", Compare: judge.AtMost, Number: .8},
		{Name: "search.regret.p90.auto-hard", Compare: judge.AtMost, Number: .08},
		{Name: "search.tests.median.auto", Compare: judge.AtMost, Number: 5},
		{Name: "search.tests.auto", Compare: judge.AtMost, Number: 8},
		{Name: "search.trials.auto", Compare: judge.AtMost, Number: 5},
		{Name: "search.probes.auto", Compare: judge.AtMost, Number: 40},
		{Name: "search.error.median.auto", Compare: judge.AtMost, Number: .015},
		{Name: "search.error.p90.auto", Compare: judge.AtMost, Number: .05},
		{Name: "search.promise.kept", Compare: judge.AtLeast, Number: .95},
		{Name: "search.promise.validated", Compare: judge.AtLeast, Number: .99},
	}
}

// serverGoals are the goals of comparisons with other servers.
func serverGoals() judge.Goals {
	return judge.Goals{
		{Name: "torchserve.rate.mlp", Compare: judge.AtLeast, Number: 1.5},
		{Name: "torchserve.rate.cnn", Compare: judge.None}, // the model takes the cores: see torchserve.limit
		{Name: "torchserve.share.cnn", Compare: judge.AtLeast, Number: .85},
		{Name: "torchserve.share.*", Compare: judge.None},
		{Name: "torchserve.limit.*", Compare: judge.None},
		{Name: "torchserve.rate.small", Compare: judge.AtLeast, Number: 3},
		{Name: "torchserve.best.small", Compare: judge.AtLeast, Number: 3},
		{Name: "torchserve.rate.classifier", Compare: judge.AtLeast, Number: .97},
		{Name: "torchserve.p99.classifier", Compare: judge.AtMost, Number: 1.05},
		{Name: "torchserve.best.mlp", Compare: judge.None},
		{Name: "torchserve.best.cnn", Compare: judge.None}, // each at its own best settings
		{Name: "torchserve.cpu.*", Compare: judge.AtMost, Number: 1},
		{Name: "torchserve.tuning", Compare: judge.AtLeast, Number: 10},
		{Name: "torchserve.choice", Compare: judge.AtLeast, Number: .95},

		{Name: "peers.rate.*", Compare: judge.AtLeast, Number: 1},
		{Name: "peers.cpu.*", Compare: judge.AtMost, Number: 1},

		{Name: "carry.probe.*", Compare: judge.AtMost, Number: 60},
		{Name: "carry.rank.*.predicted", Compare: judge.AtLeast, Number: .9},
		{Name: "carry.regret.*.predicted", Compare: judge.AtMost, Number: .05},
		{Name: "carry.*", Compare: judge.None}, // what it is without the prediction, and the settings one by one
	}
}

// screenGoals are the goals of the screen.
func screenGoals() judge.Goals {
	return judge.Goals{
		{Name: "tui.frame.*.120x36", Compare: judge.AtMost, Number: 3},
		{Name: "tui.frame.*.200x60", Compare: judge.AtMost, Number: 8},
		{Name: "tui.growth", Compare: judge.AtMost, Number: .02},
		{Name: "tui.cpu.10-fps", Compare: judge.AtMost, Number: .03},
		{Name: "tui.cpu.4-fps", Compare: judge.AtMost, Number: .01},
		{Name: "tui.written.*", Compare: judge.AtMost, Number: 1024},
		{Name: "tui.allocated.*", Compare: judge.None},
		{Name: "tui.first-frame", Compare: judge.AtMost, Number: 150},
		{Name: "tui.key", Compare: judge.AtMost, Number: 50},
		{Name: "tui.effect.p99", Compare: judge.None},
		{Name: "tui.effect.share", Compare: judge.AtMost, Number: 1},

		{Name: "live.time", Compare: judge.AtMost, Number: .1},
		{Name: "live.ratio.top-*", Compare: judge.None},
		{Name: "live.ratio.median", Compare: judge.AtLeast, Number: .97},
		{Name: "live.ratio.low", Compare: judge.AtLeast, Number: .94},
		{Name: "live.promise.kept", Compare: judge.AtLeast, Number: 1},
	}
}

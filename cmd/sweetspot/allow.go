package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/torchserve"
)

// elsewhere returns those addresses that are not on this machine.
func elsewhere(addresses ...string) []string {
	var out []string
	for _, at := range addresses {
		if strings.Contains(at, "://") && !torchserve.IsLoopback(at) {
			out = append(out, at)
		}
	}
	return out
}

// allow asks on a terminal whether servers that are not on this machine may be loaded and changed, once for each
// target. Without a terminal it needs --yes.
func (a *app) allow(ctx context.Context, p plan.Plan) error {
	if !isRemote(p.Target) {
		return nil
	}
	hosts := elsewhere(append(plan.Targets(p.Target), a.remote.inference)...)
	if len(hosts) == 0 || a.remote.yes || a.allowed[p.Target] {
		return nil
	}
	names, are := strings.Join(hosts, ", "), "is"
	if len(hosts) > 1 {
		are = "are"
	}
	refused := withHint("add --yes if you may load that server and change its settings; --max-rate limits the load", "%s %s not on this machine", names, are)
	in, _ := terminal(a.in)
	out, _ := terminal(a.err)
	if !in || !out {
		return refused
	}
	fmt.Fprintf(a.err, "%s %s not on this machine. It gets load, at most %g requests/s, and its settings are changed meanwhile.\nGo on? [y/N] ", names, are, a.remote.rateFor(p))
	answer := make(chan string, 1)
	go func() { // it cannot be interrupted, and ends with the program
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return ctx.Err()
	case text := <-answer:
		if text != "y" && text != "yes" {
			return refused
		}
	}
	if a.allowed == nil {
		a.allowed = map[string]bool{}
	}
	a.allowed[p.Target] = true
	return nil
}

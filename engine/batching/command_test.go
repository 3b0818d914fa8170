package batching_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/batching"
)

// command is a line of a scenario: a word, then numbers, then NAME=VALUE.
// testdata/README.md lists the commands.
type command struct {
	word    string
	numbers []int
	values  map[string]string
}

// Bounds that keep scenarios, also fuzzed ones, short.
const (
	maxNumber = 1000
	maxTime   = time.Hour
)

func parseCommand(line string) (command, error) {
	fields := strings.Fields(line)
	c := command{word: fields[0], values: map[string]string{}}
	for _, f := range fields[1:] {
		if name, value, ok := strings.Cut(f, "="); ok {
			c.values[name] = value
			continue
		}
		n, err := number(f)
		if err != nil {
			return c, err
		}
		c.numbers = append(c.numbers, n)
	}
	return c, nil
}

func number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxNumber {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", s, maxNumber)
	}
	return n, nil
}

// intValue reads the number called name into to, if the command has it.
func (c command) intValue(name string, to *int) error {
	s, ok := c.values[name]
	if !ok {
		return nil
	}
	delete(c.values, name)
	n, err := number(s)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	*to = n
	return nil
}

// durationValue reads the duration called name into to, if the command has it.
func (c command) durationValue(name string, to *time.Duration) error {
	s, ok := c.values[name]
	if !ok {
		return nil
	}
	delete(c.values, name)
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 || v > maxTime {
		return fmt.Errorf("%s: %q is not a duration up to %v, such as 20ms", name, s, maxTime)
	}
	*to = v
	return nil
}

// unknownValues reports the values that the command does not have.
func (c command) unknownValues() error {
	if len(c.values) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no %s", c.word, strings.Join(slices.Sorted(maps.Keys(c.values)), ", "))
}

// do executes the command on o, or makes a new owner.
func (c command) do(o *owner) (*owner, error) {
	var err error
	switch {
	case c.word == "torchserve":
		o, err = c.newOwner(batching.TorchServe)
	case c.word == "eager":
		o, err = c.newOwner(batching.Eager)
	case o == nil:
		err = errors.New("want torchserve or eager first")
	default:
		err = c.execute(o)
	}
	if err = errors.Join(err, c.unknownValues()); err == nil {
		err = o.err
	}
	return o, err
}

func (c command) newOwner(rule batching.Rule) (*owner, error) {
	cfg := batching.Config{Rule: rule, Size: 1}
	workers, limit, service := 1, 100, time.Duration(0)
	err := errors.Join(c.config(&cfg), c.intValue("workers", &workers), c.intValue("queue", &limit), c.durationValue("service", &service))
	if err != nil {
		return nil, err
	}
	return newOwner(cfg, workers, service, limit), nil
}

func (c command) config(cfg *batching.Config) error {
	return errors.Join(c.intValue("size", &cfg.Size), c.durationValue("delay", &cfg.Delay))
}

// execute executes the command on o.
func (c command) execute(o *owner) error {
	n := 1
	if len(c.numbers) > 0 {
		n = c.numbers[0]
	}
	switch c.word {
	case "arrive", "arrive-abandoned":
		return c.arrivals(o, n)
	case "wait":
		var t time.Duration
		err := c.durationValue("time", &t)
		o.wait(t)
		return err
	case "skip":
		var t time.Duration
		err := c.durationValue("time", &t)
		o.flush()
		o.now += t
		return err
	case "abandon":
		return abandon(o, c.numbers)
	case "remove-abandoned":
		o.removeAbandoned()
	case "finish":
		if len(o.busy) == 0 {
			return errors.New("no worker is busy")
		}
		o.finish(slices.Min(o.busy))
	case "add-worker":
		o.addWorker()
	case "retire-worker":
		if o.idle == 0 {
			return errors.New("no worker is idle")
		}
		o.idle--
		o.step(batching.Event{Kind: batching.WorkerRetired})
	case "set":
		cfg := o.cfg
		if err := c.config(&cfg); err != nil {
			return err
		}
		o.configure(cfg)
	default:
		return errors.New("unknown command; want torchserve, eager, arrive, arrive-abandoned, wait, skip, abandon, remove-abandoned, finish, add-worker, retire-worker or set")
	}
	return nil
}

// arrivals makes n requests arrive, the first one now, the others at intervals.
func (c command) arrivals(o *owner, n int) error {
	var every time.Duration
	if err := c.durationValue("every", &every); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			o.wait(every)
		}
		o.arrive(c.word == "arrive-abandoned")
	}
	return nil
}

// abandon marks queued requests as abandoned; they stay until they are taken or removed.
func abandon(o *owner, which []int) error {
	for _, n := range which {
		i := slices.IndexFunc(o.queue, func(r request) bool { return r.n == n })
		if i < 0 {
			return fmt.Errorf("request %d is not in the queue", n)
		}
		o.queue[i].abandoned = true
	}
	return nil
}

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

// command is a line of a scenario: a word, then numbers, then NAME=VALUE. What
// they do is listed in testdata/README.md.
type command struct {
	word    string
	numbers []int
	values  map[string]string
}

// Bounds that keep a scenario readable, and a fuzzed one short.
const (
	mostNumber = 1000
	mostTime   = time.Hour
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
	if err != nil || n < 1 || n > mostNumber {
		return 0, fmt.Errorf("%q is no number from 1 to %d", s, mostNumber)
	}
	return n, nil
}

// count reads a value that is a number; what is not given stays as it is.
func (c command) count(name string, to *int) error {
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

// span likewise reads a duration.
func (c command) span(name string, to *time.Duration) error {
	s, ok := c.values[name]
	if !ok {
		return nil
	}
	delete(c.values, name)
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > mostTime {
		return fmt.Errorf("%s: %q is no duration up to %v, such as 20ms", name, s, mostTime)
	}
	*to = d
	return nil
}

// over reports what no reader of the command has asked for.
func (c command) over() error {
	if len(c.values) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no %s", c.word, strings.Join(slices.Sorted(maps.Keys(c.values)), ", "))
}

// do runs the command at d, or at the new desk that it opens.
func (c command) do(d *desk) (*desk, error) {
	var err error
	switch {
	case c.word == "torchserve":
		d, err = c.begin(batching.TorchServe)
	case c.word == "eager":
		d, err = c.begin(batching.Eager)
	case d == nil:
		err = errors.New("want torchserve or eager first")
	default:
		err = c.at(d)
	}
	if err = errors.Join(err, c.over()); err == nil {
		err = d.fault
	}
	return d, err
}

func (c command) begin(rule batching.Rule) (*desk, error) {
	cfg := batching.Config{Rule: rule, Size: 1}
	workers, limit, service := 1, 100, time.Duration(0)
	err := errors.Join(c.config(&cfg), c.count("workers", &workers), c.count("queue", &limit), c.span("service", &service))
	if err != nil {
		return nil, err
	}
	return newDesk(cfg, workers, service, limit), nil
}

func (c command) config(cfg *batching.Config) error {
	return errors.Join(c.count("size", &cfg.Size), c.span("delay", &cfg.Delay))
}

// at runs a command at an open desk.
func (c command) at(d *desk) error {
	n := 1
	if len(c.numbers) > 0 {
		n = c.numbers[0]
	}
	switch c.word {
	case "arrive", "dead":
		return c.arrivals(d, n)
	case "pass":
		var t time.Duration
		err := c.span("time", &t)
		d.pass(t)
		return err
	case "oversleep":
		var t time.Duration
		err := c.span("time", &t)
		d.flush()
		d.now += t
		return err
	case "cancel":
		return cancel(d, c.numbers)
	case "purge":
		d.purge()
	case "free":
		if len(d.busy) == 0 {
			return errors.New("no worker is busy")
		}
		d.free(slices.Min(d.busy))
	case "join":
		d.join()
	case "retire":
		if d.idle == 0 {
			return errors.New("no worker is idle")
		}
		d.idle--
		d.step(batching.Event{Kind: batching.Retired})
	case "set":
		cfg := d.cfg
		if err := c.config(&cfg); err != nil {
			return err
		}
		d.configure(cfg)
	default:
		return errors.New("unknown command; want torchserve, eager, arrive, dead, pass, oversleep, cancel, purge, free, join, retire or set")
	}
	return nil
}

// arrivals lets n requests arrive, the first now, and one each interval.
func (c command) arrivals(d *desk, n int) error {
	var every time.Duration
	if err := c.span("every", &every); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			d.pass(every)
		}
		d.arrive(c.word == "dead")
	}
	return nil
}

// cancel marks queued requests as dead; they stay until they are taken.
func cancel(d *desk, which []int) error {
	for _, n := range which {
		i := slices.IndexFunc(d.queue, func(r request) bool { return r.n == n })
		if i < 0 {
			return fmt.Errorf("request %d is not in the queue", n)
		}
		d.queue[i].dead = true
	}
	return nil
}

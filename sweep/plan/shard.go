package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// MaxShards is the largest number of shards of a grid.
const MaxShards = 10000

// Shard is one of several parts of a grid that are measured separately, usually on several
// machines. The zero value is the whole grid. It is not part of the plan: all shards have the
// plan's hash.
type Shard struct {
	Index int // 1 to Count; 0 is the whole grid
	Count int // number of shards, at most MaxShards
}

// ParseShard reads "2/4", the second of four shards.
func ParseShard(text string) (Shard, error) {
	index, count, ok := strings.Cut(text, "/")
	i, err := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	if !ok || err != nil || err2 != nil {
		return Shard{}, fmt.Errorf("shard %q: want i/n, such as 2/4 for the second of four", text)
	}
	s := Shard{i, n}
	return s, s.validate()
}

func (s Shard) validate() error {
	switch {
	case s.Count < 1 || s.Count > MaxShards:
		return fmt.Errorf("shard %v: the number of shards must be 1-%d", s, MaxShards)
	case s.Index < 1 || s.Index > s.Count:
		return fmt.Errorf("shard %v: with %d shards the first number must be 1-%d", s, s.Count, s.Count)
	}
	return nil
}

// IsWhole reports whether s is the whole grid.
func (s Shard) IsWhole() bool { return s == Shard{} }

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }

// MarshalText returns "i/n".
func (s Shard) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what [ParseShard] reads.
func (s *Shard) UnmarshalText(b []byte) (err error) {
	*s, err = ParseShard(string(b))
	return err
}

// Grid identifies the points that are divided, so that shards of different grids are not
// taken for parts of one. Equal plans have different grids if a range is auto and the machines
// differ.
type Grid struct {
	Points int    `json:"points"` // of all shards together
	SHA256 string `json:"sha256"` // of their settings and loads in order, hex
}

// Control is the setting that every shard measures before its first point and after its last one:
// the first point of the grid. The machines of the shards are compared by it.
type Control struct {
	Settings knob.Settings `json:"settings"`
	Load     load.Spec     `json:"load"`
}

// Part is what a shard measures.
type Part struct {
	Shard   Shard
	Grid    Grid
	Control Control
	Points  []Point // in the order of the plan
}

// Divide returns the part of a shard of all points of a plan, which it does not change.
//
// The points are dealt in the order of the plan, in blocks of n consecutive points, with n = Count:
// every shard gets one point of each block. In n consecutive blocks it gets every place in a block
// once: they are the rows of a Latin square, whose order and whose columns are drawn from the seed of the plan.
// So the shards together have every point once, their numbers of points differ by at most
// one, and cheap and expensive neighbours are spread over all shards. With every n-th point instead, a
// shard would have only one value of a knob that has n values.
func (p Plan) Divide(all []Point, s Shard) (Part, error) {
	if err := s.validate(); err != nil {
		return Part{}, err
	}
	if s.Count > len(all) {
		return Part{}, fmt.Errorf("shard %v: the grid has only %d points, so that there can be at most %d shards", s, len(all), len(all))
	}
	out := Part{Shard: s, Grid: gridOf(all), Control: Control{all[0].Settings, all[0].Load}}
	r := rand.New(rand.NewPCG(p.Seed, uint64(s.Count)))
	var columns, rows []int // of the Latin square
	for block := 0; block*s.Count < len(all); block++ {
		row := block % s.Count
		if row == 0 {
			columns, rows = r.Perm(s.Count), r.Perm(s.Count)
		}
		// The last block may be short: then only some shards have a point in it.
		if i := block*s.Count + (columns[s.Index-1]+rows[row])%s.Count; i < len(all) {
			out.Points = append(out.Points, all[i])
		}
	}
	return out, nil
}

// gridOf identifies points by their settings and loads.
func gridOf(points []Point) Grid {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range points {
		if err := enc.Encode(Control{p.Settings, p.Load}); err != nil {
			panic("plan: " + err.Error()) // settings and loads of points can be encoded
		}
	}
	return Grid{len(points), hex.EncodeToString(h.Sum(nil))}
}

// CheckShards returns an error if the plan cannot be measured in shards.
func (p Plan) CheckShards() error {
	switch {
	case p.Strategy != "grid":
		return fmt.Errorf("shards: strategy %s chooses each setting by the results before it, which a shard does not have; only strategy grid can be divided", p.Strategy)
	case p.Question.SeeksRate():
		return fmt.Errorf("shards: question %v has no load under which all shards could measure the same control setting; only question throughput can be divided", p.Question)
	case p.Hold > 0:
		return fmt.Errorf("shards: a hold of %v would be of the best setting of one shard; merge the shards and hold the choice of all", p.Hold)
	}
	return nil
}

package load

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
)

// maxKept is the largest answer that is kept.
const maxKept = 1 << 20

// Kept is an answer that the run has kept, of a request that succeeded.
type Kept struct {
	Body  int    // index in Config.Bodies
	Batch int32  // size of the batch of the request; 0 if the server does not report it
	Data  []byte // body of the answer
}

// keeper keeps answers of a few bodies: for each the one of the largest batch, the last one of
// equal batches.
//
// It copies few answers, so that it takes no time from the run: for each body those to its 1st,
// 2nd, 4th, 8th ... request, counted from a random one.
type keeper struct {
	bodies map[int32]int64 // chosen bodies, with the round of the first kept answer
	rounds int64           // number of bodies: a round uses each once

	mu   sync.Mutex // guards kept
	kept map[int32]Kept
}

// newKeeper keeps answers to the given bodies. It returns nil if there are none.
func newKeeper(keep []int, bodies int, seed uint64) *keeper {
	if len(keep) == 0 {
		return nil
	}
	k := &keeper{bodies: map[int32]int64{}, rounds: int64(bodies), kept: map[int32]Kept{}}
	rng := rand.New(rand.NewPCG(seed, 0x616e7377))
	for _, i := range keep {
		k.bodies[int32(i)] = rng.Int64N(4)
	}
	return k
}

// wants reports whether the answer to the n-th request, with the given body, is kept.
func (k *keeper) wants(n int64, body int32) bool {
	if k == nil {
		return false
	}
	first, ok := k.bodies[body]
	round := n/k.rounds - first
	return ok && round >= 0 && bits.OnesCount64(uint64(round+1)) == 1
}

// add keeps an answer. It copies data.
func (k *keeper) add(body, batch int32, data []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if old, ok := k.kept[body]; ok && old.Batch > batch {
		return
	}
	k.kept[body] = Kept{int(body), batch, slices.Clone(data)}
}

// all returns the kept answers in the order of their bodies.
func (k *keeper) all() []Kept {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]Kept, 0, len(k.kept))
	for _, a := range k.kept {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Kept) int { return a.Body - b.Body })
	return out
}

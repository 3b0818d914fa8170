// Package profiles keeps what a sweep or a live recording found: one JSON Lines
// file each, append-only, in the format of docs/profile-format.md.
//
// [Create] starts a profile and returns its [Writer], which is the sweep's
// recorder; every line is on disk when its call returns. [Read] reads a profile,
// finished or not, whole or torn at the end, [Follow] one that grows. [Find]
// turns what a person types (an ID, the start of one, a file, a folder, last) into
// a file, [Link] lets it find one that lies elsewhere,
// [List] sums up a folder and a [Filter] narrows it. [Annotate] adds notes and
// tags to a profile, [Merge] joins several, [Compare] holds one against another
// and says whether it is worse. What is shown of each has a form for people
// ([WriteShow] ...) and one for programs ([WriteShowJSON] ...).
//
// A profile can be handed on: it holds no host name, user, token or path. The
// writer sees to that, whatever it is given.
package profiles

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"sweetspot/sweep/trial"
)

// The format's name and the version written. Older versions stay readable.
const (
	Format  = "sweetspot-profile"
	Version = 1
)

const suffix = ".jsonl"

// Kind is how a profile came about.
type Kind string

// The kinds of profile.
const (
	Sweep Kind = "sweep" // a plan was run
	Live  Kind = "live"  // the workbench recorded
)

// State is how a profile ended. Only the last two are ever derived: a profile
// without an end line is Running while its writer holds it, else Interrupted.
type State string

// The states.
const (
	Done        State = "done"    // the plan ran to its end
	Stopped     State = "stopped" // a person or a signal ended it
	Failed      State = "failed"  // an error ended it
	Running     State = "running"
	Interrupted State = "interrupted"
)

// Header is a profile's first line.
type Header struct {
	ID      string    `json:"id"` // from NewID
	Kind    Kind      `json:"kind"`
	Created time.Time `json:"created"`
	Tool    string    `json:"tool"` // "sweetspot 0.1.0"
	Machine Machine   `json:"machine"`
	Model   Model     `json:"model"`
	// SLA is the promise, in the verdicts' form, so that readers need not know
	// the plan's; nil when there is none.
	SLA *trial.SLA `json:"sla"`
	// Plan is the canonical plan as a JSON object, {} for a live recording.
	// Paths and hosts in it are shortened when it is written, so it need not
	// hash to PlanHash, which is the hash of the plan as it was run.
	Plan     json.RawMessage `json:"plan"`
	PlanHash string          `json:"plan_hash"`
	Seed     uint64          `json:"seed"`
	Shard    *string         `json:"shard"`   // "i/n"; nil when not sharded
	Resumes  *string         `json:"resumes"` // ID of the profile this one continues
}

// validate reports every field without which a profile could not be found or
// compared.
func (h Header) validate() error {
	var errs []error
	if h.ID == "" || strings.ContainsAny(h.ID, `/\`) {
		errs = append(errs, fmt.Errorf("id %q: want one from NewID", h.ID))
	}
	if h.Kind != Sweep && h.Kind != Live {
		errs = append(errs, fmt.Errorf("kind %q: want sweep or live", h.Kind))
	}
	if h.Model.Name == "" {
		errs = append(errs, errors.New("model name: none"))
	}
	if len(h.Plan) > 0 && !json.Valid(h.Plan) {
		errs = append(errs, errors.New("plan: no JSON"))
	}
	return errors.Join(errs...)
}

// Model is the model a profile is about.
type Model struct {
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"`
	Source    string `json:"source"` // builtin:NAME, sim:NAME, or a file's base name
	SHA256    string `json:"sha256"` // of the model's bytes, hex
	BatchAxis bool   `json:"batch_axis"`
	Padding   string `json:"padding,omitempty"` // how rows of different lengths are padded, or why not
	Lengths   string `json:"lengths,omitempty"` // sizes of made requests in open dimensions

	Inputs  []Tensor `json:"inputs,omitempty"` // in the model's order; none when not known
	Outputs []Tensor `json:"outputs,omitempty"`
}

// Tensor is one input or output of a model, for one item.
type Tensor struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`  // as Open Inference Protocol v2 names it: FP32
	Shape []int64 `json:"shape"` // without the batch axis; -1 is open
}

// End is a profile's last line.
type End struct {
	At     time.Time `json:"at"`
	State  State     `json:"state"`
	Trials int       `json:"trials"`
	Choice *int      `json:"choice"` // the chosen trial; nil without one
	Exit   int       `json:"exit"`   // the command's exit code
}

// NewID returns the ID of a profile begun at now, such as
// 20261122T091500Z-7f3a. IDs sort by time; the end keeps those of one second apart.
func NewID(now time.Time) string {
	var b [2]byte
	rand.Read(b[:]) // never fails: it would end the program
	return now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

// Dir is the folder of a user's profiles, from the values of XDG_DATA_HOME and
// HOME. A relative XDG_DATA_HOME does not count, as its specification has it.
func Dir(xdgDataHome, home string) string {
	if !filepath.IsAbs(xdgDataHome) {
		xdgDataHome = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(xdgDataHome, "sweetspot", "profiles")
}

// Path is the place of the profile called id in dir.
func Path(dir, id string) string { return filepath.Join(dir, id+suffix) }

// Package profiles stores the results of sweeps and live recordings: one append-only
// JSON Lines file each, in the format of docs/profile-format.md.
//
// [Create] starts a profile and returns its [Writer], which is the recorder of a
// sweep; each line is on disk when its call returns. [Read] reads a profile, complete
// or not, also with an incomplete last line. [Follow] reads a profile while it is
// written. [Find] returns the file for a name that a person types (an ID, its first
// characters, a file, a folder, last), and [Link] makes a profile in another folder
// known to it. [List] summarizes the profiles of a folder, and a [Filter] selects
// some of them. [Annotate] adds notes and tags to a profile, [Merge] merges several
// profiles, and [Compare] compares two and says whether the second is worse. Each
// result is written as text for people ([WriteShow] ...) and as JSON for programs
// ([WriteShowJSON] ...).
//
// A profile can be given to other people: it has no host name, user, token or path,
// because the writer removes them from all values.
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

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// The name of the format, and the version that is written. Older versions can be read too.
const (
	Format  = "sweetspot-profile"
	Version = 1
)

const suffix = ".jsonl"

// Kind says what made a profile.
type Kind string

// The kinds of profile.
const (
	Sweep Kind = "sweep" // a sweep
	Live  Kind = "live"  // a recording of the workbench
	// FromSuite is read from results of TorchServe's benchmark suite, see [ReadSuite]: without
	// intervals, verdicts, errors and a machine.
	FromSuite Kind = "suite"
)

// State says how a profile ended. The first three are in its end line. A profile
// without an end line is Running while a writer has it locked, else Interrupted.
type State string

// The states.
const (
	Done        State = "done"    // the plan was completed
	Stopped     State = "stopped" // stopped by a person or a signal
	Failed      State = "failed"  // stopped by an error
	Running     State = "running"
	Interrupted State = "interrupted"
)

// Header is the first line of a profile.
type Header struct {
	ID      string    `json:"id"` // from NewID
	Kind    Kind      `json:"kind"`
	Created time.Time `json:"created"`
	Tool    string    `json:"tool"` // "sweetspot 0.1.0"
	Machine Machine   `json:"machine"`
	Model   Model     `json:"model"`
	// SLA is the promise, so that readers need not parse the plan; nil if there is none.
	SLA *trial.SLA `json:"sla"`
	// Plan is the canonical plan as a JSON object, {} for a live recording. Its paths
	// and hosts are shortened when it is written. PlanHash is the hash of the plan
	// before that, so that the two may differ.
	Plan     json.RawMessage `json:"plan"`
	PlanHash string          `json:"plan_hash"`
	Seed     uint64          `json:"seed"`
	Suite    string          `json:"suite,omitempty"`   // MODE_MODEL of a plan of TorchServe's benchmark suite; "" for others
	Shard    *plan.Shard     `json:"shard"`             // "i/n"; nil if it is not a shard
	Grid     *plan.Grid      `json:"grid,omitempty"`    // of a shard: the grid that is divided; nil for others
	Control  *plan.Control   `json:"control,omitempty"` // of a shard: what it measures before its first point and after its last one; nil for others
	Resumes  *string         `json:"resumes"`           // ID of the profile that this one resumes
	Merged   *Shards         `json:"merged,omitempty"`  // of shards that were merged; nil for others
}

// validate reports all invalid fields. Without them a profile cannot be found or
// compared.
func (h Header) validate() error {
	var errs []error
	if h.ID == "" || strings.ContainsAny(h.ID, `/\`) {
		errs = append(errs, fmt.Errorf("id %q: want one from NewID", h.ID))
	}
	if h.Kind != Sweep && h.Kind != Live && h.Kind != FromSuite {
		errs = append(errs, fmt.Errorf("kind %q: want sweep, live or suite", h.Kind))
	}
	if h.Model.Name == "" {
		errs = append(errs, errors.New("model name: none"))
	}
	if len(h.Plan) > 0 && !json.Valid(h.Plan) {
		errs = append(errs, errors.New("plan: not valid JSON"))
	}
	return errors.Join(errs...)
}

// Model is the model that was measured.
type Model struct {
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"`
	Source    string `json:"source"`               // builtin:NAME, sim:NAME, or the base name of a file
	SHA256    string `json:"sha256,omitempty"`     // of the bytes of the model, hex; "" is not known
	BatchAxis *bool  `json:"batch_axis,omitempty"` // nil is not known
	Backend   string `json:"backend,omitempty"`    // what ran it: onnx, python or simulated; "" is unknown
	Handler   string `json:"handler,omitempty"`    // of its archive, as the manifest names it; "" if it is no archive
	Padding   string `json:"padding,omitempty"`    // how rows of different lengths are padded, or why not
	Lengths   string `json:"lengths,omitempty"`    // sizes of made requests in open dimensions
	// BodiesSHA256 is of the bodies of --input, one after the other, hex; "" for made requests.
	BodiesSHA256 string `json:"bodies_sha256,omitempty"`

	Inputs  []Tensor `json:"inputs,omitempty"` // in the order of the model; none if they are not known
	Outputs []Tensor `json:"outputs,omitempty"`

	LargestBody    int64 `json:"largest_body,omitempty"`     // bytes of the largest request body that was sent; 0 is unknown
	MaxRequestSize int64 `json:"max_request_size,omitempty"` // bytes that the server was told to take; 0 if it was not
}

// Python is the Backend of models that are an archive with a handler in Python.
const Python = "python"

// Tensor describes one input or output of a model, for one item.
type Tensor struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`  // its name in the Open Inference Protocol v2, such as FP32
	Shape []int64 `json:"shape"` // without the batch axis; -1 is an open dimension
}

// End is the last line of a profile.
type End struct {
	At     time.Time `json:"at"`
	State  State     `json:"state"`
	Trials int       `json:"trials"`
	Choice *int      `json:"choice"` // number of the chosen trial; nil if none was chosen
	Exit   int       `json:"exit"`   // exit code of the command
}

// NewID returns a new ID for a profile that starts at now, such as
// 20261122T091500Z-7f3a. IDs sort by time. The random end distinguishes IDs of the
// same second.
func NewID(now time.Time) string {
	var b [2]byte
	rand.Read(b[:]) // never returns an error: a failure ends the program
	return now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

// Path returns the file of the profile with this ID in dir.
func Path(dir, id string) string { return filepath.Join(dir, id+suffix) }

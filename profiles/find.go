package profiles

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Last is the name for the newest profile.
const Last = "last"

// FileName is the name of the file of a profile in a folder of its own.
const FileName = "profile" + suffix

// Summary is an entry of a list of profiles.
type Summary struct {
	ID      string      `json:"id"`
	Path    string      `json:"-"`
	Name    string      `json:"name,omitempty"` // that a person gave it
	Note    string      `json:"note,omitempty"` // the last one
	Created time.Time   `json:"created"`
	Kind    Kind        `json:"kind"`
	Shard   *plan.Shard `json:"shard,omitempty"`  // which part of a grid it is
	Merged  bool        `json:"merged,omitempty"` // it was merged from shards
	Model   string      `json:"model"`
	SLA     *trial.SLA  `json:"sla"`
	Trials  int         `json:"trials"`
	Best    *Best       `json:"best"` // nil if no setting passed
	State   State       `json:"state"`
	Tags    []string    `json:"tags,omitempty"`
	Error   string      `json:"error,omitempty"` // why it cannot be read completely
}

// Best is the best setting of a summary. N is the trial that represents its runs; the
// figures are those of all runs.
type Best struct {
	N          int            `json:"n"`
	Settings   knob.Settings  `json:"settings"`
	Throughput trial.Estimate `json:"throughput_rps"`
	P99        trial.Estimate `json:"p99_ms"`
	Verdict    trial.Answer   `json:"verdict"`
}

// Summary returns the summary of the profile.
func (p *Profile) Summary() Summary {
	s := Summary{
		ID: p.Header.ID, Path: p.Path, Created: p.Header.Created, Kind: p.Header.Kind,
		Model: p.Header.Model.Name, Trials: len(p.Trials), State: p.State(), Tags: p.Tags(),
		Name: p.Name(), Note: p.Note(), Shard: p.Header.Shard, Merged: p.Header.Merged != nil,
	}
	if sla, ok := p.SLA(); ok {
		s.SLA = &sla
	}
	if row, ok := p.BestRow(); ok {
		t := row.Joined
		s.Best = &Best{t.N, t.Settings, t.Throughput, t.Latency.P99, t.Verdict.Result}
	}
	return s
}

// List returns summaries of the profiles in dir, newest first. A file that cannot be
// read is in the list with its error. Links to profiles that no longer exist are not in
// the list; see [Dangling]. For a folder that does not exist the list is empty.
func List(dir string) ([]Summary, error) {
	ids, _, err := idsIn(dir)
	if err != nil {
		return nil, err
	}
	out := make([]Summary, 0, len(ids))
	for _, id := range ids {
		p, err := Read(Path(dir, id))
		s := Summary{Path: Path(dir, id)}
		if p != nil {
			s = p.Summary()
		}
		s.ID = id // the name of the file, by which Find finds it; the ID in the file may differ
		if err != nil {
			s.Error = err.Error()
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b Summary) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return out, nil
}

// idsIn returns the names of the profiles in dir, sorted, and of the links whose profiles
// no longer exist.
func idsIn(dir string) (ids, dangling []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("profiles: %w", err)
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		switch {
		case !ok || e.IsDir():
		case e.Type()&fs.ModeSymlink != 0 && isDangling(dir, id):
			dangling = append(dangling, id)
		default:
			ids = append(ids, id)
		}
	}
	return ids, dangling, nil
}

// Open reads the profile with this name; see Find.
func Open(dir, name string) (*Profile, error) {
	path, err := Find(dir, name)
	if err != nil {
		return nil, err
	}
	return Read(path)
}

// Find returns the file of the profile with this name: an ID in dir or the unique first
// characters of one, a file, a folder that has a profile.jsonl, or last for the newest
// profile in dir.
func Find(dir, name string) (string, error) {
	ids, dangling, err := idsIn(dir)
	if err != nil {
		return "", err
	}
	if name == Last {
		return newest(dir, ids)
	}
	if strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, suffix) {
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("profiles: %s: no such file; sweetspot profiles list shows the recorded profiles", name)
		case err != nil:
			return "", fmt.Errorf("profiles: %w", err)
		}
		if info.IsDir() {
			return inFolder(name)
		}
		return name, nil
	}
	if name == "" {
		return "", errors.New(`profiles: no name; want an ID, its first characters, a file, or "last"`)
	}
	var found []string
	for _, id := range ids {
		if id == name {
			return Path(dir, id), nil
		}
		if strings.HasPrefix(id, name) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 1:
		return Path(dir, found[0]), nil
	case 0:
		info, err := os.Stat(name)
		switch {
		case err == nil && info.Mode().IsRegular():
			return name, nil
		case err == nil && info.IsDir():
			return inFolder(name)
		case slices.Contains(dangling, name):
			return "", fmt.Errorf("profiles: %s was written with --out to %s and is no longer there; give the path of the file", name, linkTarget(dir, name))
		}
		return "", fmt.Errorf("profiles: %q: no such profile in %s; %ssweetspot profiles list shows all", name, dir, suggestion(name, ids))
	}
	return "", fmt.Errorf("profiles: %q is the start of %s; type more characters", name, listSome(found))
}

// listSome lists the first names.
func listSome(names []string) string {
	const shown = 4
	text := strings.Join(names[:min(len(names), shown)], ", ")
	if len(names) > shown {
		text += fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return text
}

// inFolder returns the profile in a folder, such as the folder of --out. If that was a
// sweep of several plans, it has one folder per plan.
func inFolder(name string) (string, error) {
	path := filepath.Join(name, FileName)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return path, nil
	}
	below, err := filepath.Glob(filepath.Join(escapePattern(name), "*", FileName))
	if err != nil || len(below) == 0 {
		return "", fmt.Errorf("profiles: the folder %s has no %s", name, FileName)
	}
	for i := range below {
		below[i] = filepath.Dir(below[i])
	}
	return "", fmt.Errorf("profiles: the folder %s has several profiles; choose one: %s", name, listSome(below))
}

// escapePattern returns a pattern that matches only this path.
func escapePattern(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// suggestion asks whether a similar ID, or its first characters, was meant; it is "" if no
// ID is similar.
func suggestion(name string, ids []string) string {
	starts := make([]string, len(ids))
	for i, id := range ids {
		starts[i] = id[:min(len(id), len(name))]
	}
	if best, ok := knob.Nearest(name, starts); ok {
		return "did you mean " + best + "? "
	}
	return ""
}

// newest returns the profile with the latest time in its header. Files without a header are
// ignored.
func newest(dir string, ids []string) (string, error) {
	var best string
	var latest time.Time
	for _, id := range ids {
		created, ok := created(Path(dir, id))
		if ok && (best == "" || !created.Before(latest)) {
			best, latest = Path(dir, id), created
		}
	}
	if best == "" {
		return "", fmt.Errorf("profiles: none in %s yet; sweetspot MODEL --sweep creates one", filepath.Clean(dir))
	}
	return best, nil
}

// FindRunning returns the newest profile in dir that a sweep or a recording is writing now; "" if there
// is none.
func FindRunning(dir string) (string, error) {
	ids, _, err := idsIn(dir)
	if err != nil {
		return "", err
	}
	running := slices.DeleteFunc(ids, func(id string) bool { return !isWritten(Path(dir, id)) })
	if len(running) == 0 {
		return "", nil
	}
	return newest(dir, running)
}

// isWritten reports whether the profile at path is being written.
func isWritten(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	locked := isLocked(f)
	f.Close()
	if !locked {
		return false // Read would read all of it
	}
	p, _ := Read(path) // a damaged line is no reason not to follow it
	return p != nil && p.Running
}

// created returns when a profile was created; false without a complete header.
func created(path string) (time.Time, bool) {
	h, ok := headerOf(path)
	return h.Created, ok
}

// headerOf reads only the first line of a profile.
func headerOf(path string) (Header, bool) {
	f, err := os.Open(path)
	if err != nil {
		return Header{}, false
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		return Header{}, false
	}
	var p Profile
	if p.addLine(1, line) != nil {
		return Header{}, false
	}
	return p.Header, true
}

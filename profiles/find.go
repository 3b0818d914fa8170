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
	"sweetspot/sweep/trial"
)

// Last names the newest profile.
const Last = "last"

// InFolder is what a profile is called in a folder of its own.
const InFolder = "profile" + suffix

// Summary is one profile in a list.
type Summary struct {
	ID      string     `json:"id"`
	Path    string     `json:"-"`
	Created time.Time  `json:"created"`
	Kind    Kind       `json:"kind"`
	Model   string     `json:"model"`
	SLA     *trial.SLA `json:"sla"`
	Trials  int        `json:"trials"`
	Best    *Best      `json:"best"` // nil when nothing passed
	State   State      `json:"state"`
	Tags    []string   `json:"tags,omitempty"`
	Error   string     `json:"error,omitempty"` // why it cannot be read in full
}

// Best is the setting a summary shows: all its runs, by the trial that stands for
// them.
type Best struct {
	N          int            `json:"n"`
	Settings   knob.Settings  `json:"settings"`
	Throughput trial.Estimate `json:"throughput_rps"`
	P99        trial.Estimate `json:"p99_ms"`
	Verdict    trial.Answer   `json:"verdict"`
}

// Summary sums the profile up.
func (p *Profile) Summary() Summary {
	s := Summary{
		ID: p.Header.ID, Path: p.Path, Created: p.Header.Created, Kind: p.Header.Kind,
		Model: p.Header.Model.Name, Trials: len(p.Trials), State: p.State(), Tags: p.Tags(),
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

// List sums up the profiles in dir, newest first. What cannot be read is in the
// list with its error, what [Link] names and is gone is not: see [Gone]. A folder
// that does not exist is an empty one.
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
		s.ID = id // the name it is found by, should the two differ
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

// idsIn returns the names of the profiles in dir, sorted, and of those that are
// gone.
func idsIn(dir string) (ids, gone []string, err error) {
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
		case e.Type()&fs.ModeSymlink != 0 && dangles(dir, id):
			gone = append(gone, id)
		default:
			ids = append(ids, id)
		}
	}
	return ids, gone, nil
}

// Open reads the profile called name; see Find.
func Open(dir, name string) (*Profile, error) {
	path, err := Find(dir, name)
	if err != nil {
		return nil, err
	}
	return Read(path)
}

// Find returns the file of the profile called name: an ID in dir or the start of
// one that no other shares, a file, a folder that holds one as profile.jsonl, or
// last for the newest in dir.
func Find(dir, name string) (string, error) {
	ids, gone, err := idsIn(dir)
	if err != nil {
		return "", err
	}
	if name == Last {
		return newest(dir, ids)
	}
	if strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, suffix) {
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("profiles: %w", err)
		}
		if info.IsDir() {
			return inFolder(name)
		}
		return name, nil
	}
	if name == "" {
		return "", errors.New(`profiles: no name; want an ID, the start of one, a file, or "last"`)
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
		case slices.Contains(gone, name):
			return "", fmt.Errorf("profiles: %s was written with --out to %s, where it is no more; name the place it is at now", name, linked(dir, name))
		}
		return "", fmt.Errorf("profiles: %q: no such profile in %s; %ssweetspot profiles list shows what is there", name, dir, nearest(name, ids))
	}
	return "", fmt.Errorf("profiles: %q is the start of %s; type more of it", name, some(found))
}

// some lists names, not too many.
func some(names []string) string {
	const shown = 4
	text := strings.Join(names[:min(len(names), shown)], ", ")
	if len(names) > shown {
		text += fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return text
}

// inFolder is the profile of a folder, such as that of --out. One for several
// plans holds a folder each.
func inFolder(name string) (string, error) {
	path := filepath.Join(name, InFolder)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return path, nil
	}
	below, err := filepath.Glob(filepath.Join(quoteMeta(name), "*", InFolder))
	if err != nil || len(below) == 0 {
		return "", fmt.Errorf("profiles: the folder %s holds no %s", name, InFolder)
	}
	for i := range below {
		below[i] = filepath.Dir(below[i])
	}
	return "", fmt.Errorf("profiles: the folder %s holds several profiles; name one: %s", name, some(below))
}

// quoteMeta is a path as a pattern that matches only it.
func quoteMeta(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// nearest asks whether an ID, or the start of one, that is nearly name was meant;
// "" when there is none.
func nearest(name string, ids []string) string {
	starts := make([]string, len(ids))
	for i, id := range ids {
		starts[i] = id[:min(len(id), len(name))]
	}
	if best, near := knob.Nearest(name, starts); near {
		return "did you mean " + best + "? "
	}
	return ""
}

// newest is the profile with the latest header; files without one do not count.
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
		return "", fmt.Errorf("profiles: none in %s yet; sweetspot MODEL --sweep makes one", filepath.Clean(dir))
	}
	return best, nil
}

// created is when a profile was begun; false without a whole header.
func created(path string) (time.Time, bool) {
	h, ok := headerOf(path)
	return h.Created, ok
}

// headerOf reads no more of a profile than its first line.
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
	if p.line(1, line) != nil {
		return Header{}, false
	}
	return p.Header, true
}

package catalog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/backend/simulated"
	"sweetspot/engine/servicetime"
)

// scheme is the prefix of models that are service-time tables.
const scheme = "sim:"

// IsSimulated reports whether MODEL, or NAME=MODEL, is a simulated model.
func IsSimulated(arg string) bool {
	_, model, err := splitName(arg)
	return err == nil && isSimulated(request{model: model})
}

func isSimulated(r request) bool { return strings.HasPrefix(r.model, scheme) }

func openSimulated(_ context.Context, r request, _ Options) (*engine.Model, error) {
	m, _, err := r.simulated()
	return m, err
}

// OpenSimulated opens sim:NAME, a built-in table, or sim:PATH.csv, a file in the format of
// servicetime.Parse. It returns the model and its table. A NAME= before it names the model.
func OpenSimulated(arg string) (*engine.Model, *servicetime.Table, error) {
	name, model, err := splitName(arg)
	if err != nil {
		return nil, nil, err
	}
	r := request{name: name, model: model}
	if !isSimulated(r) {
		return nil, nil, fmt.Errorf("%s is not a simulated model; use sim:%s or sim:PATH.csv", model, servicetime.Names()[0])
	}
	return r.simulated()
}

func (r request) simulated() (*engine.Model, *servicetime.Table, error) {
	what := strings.TrimPrefix(r.model, scheme)
	t, err := openTable(what)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.model, err)
	}
	name := r.modelName(strings.TrimSuffix(filepath.Base(what), filepath.Ext(what)))
	return simulated.Model(name, r.model, t), t, nil
}

// StudyOf returns the study of the table of a simulated model, if the table is built in and
// has one.
func StudyOf(arg string) (servicetime.Study, bool) {
	_, model, err := splitName(arg)
	name, ok := strings.CutPrefix(model, scheme)
	if err != nil || !ok {
		return servicetime.Study{}, false
	}
	return servicetime.StudyOf(name)
}

func openTable(what string) (*servicetime.Table, error) {
	if !strings.EqualFold(filepath.Ext(what), ".csv") {
		t, err := servicetime.Named(what)
		if err != nil {
			return nil, fmt.Errorf("%w; for your own table use sim:PATH.csv", err)
		}
		return t, nil
	}
	f, err := os.Open(what)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return servicetime.Parse(f)
}

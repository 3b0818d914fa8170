package wire

import (
	"errors"
	"net/http"
	"strings"
)

// ModelReady answers GET /v1/models/{name}, the readiness of KServe v1: 200 if the model can
// answer requests now, else 503.
func ModelReady(w http.ResponseWriter, r *http.Request, name string, canAnswer func(name string) (ready, found bool)) error {
	if r.Method != http.MethodGet {
		return NotAllowed(w, r, http.MethodGet)
	}
	ready, found := canAnswer(name)
	if !found {
		return ForKServe(Errorf(http.StatusNotFound, ModelNotFound, "Model not found: %s", name))
	}
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	JSON(w, status, struct {
		Name  string `json:"name"`
		Ready bool   `json:"ready"`
	}{name, ready})
	return nil
}

// FailOn is Fail before the route of r is known: on the paths of KServe's protocols the error has
// the member error too.
func FailOn(w http.ResponseWriter, r *http.Request, err error) {
	if first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); first == "v1" || first == "v2" {
		err = ForKServe(err)
	}
	Fail(w, err)
}

// ForKServe adds the member error to an Error, which clients of KServe read.
func ForKServe(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		c := *e
		c.Text = e.Message
		return &c
	}
	return err
}

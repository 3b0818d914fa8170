package inference

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"sweetspot/engine/api/openapi"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/payload"
)

// target is what a request predicts with. The zero value means that it is no prediction.
type target struct {
	model, version string
	rest           string // of the path, after the version; for handlers
	explain        bool
	kserve         bool // errors and answers are those of KServe's protocols
	instances      bool // the body is that of KServe v1
	parameters     bool // those of the query are inputs
}

// predictionsTarget returns the target of /predictions/{model}[/{version}[/...]].
func predictionsTarget(path string) (target, bool) {
	rest, ok := strings.CutPrefix(path, "/predictions/")
	if !ok {
		return target{}, false
	}
	return modelTarget(strings.TrimRight(rest, "/"))
}

// modelTarget reads {model}[/{version}[/...]].
func modelTarget(path string) (t target, ok bool) {
	var versioned bool
	t.model, path, versioned = strings.Cut(path, "/")
	t.version, t.rest, _ = strings.Cut(path, "/")
	return t, t.model != "" && (t.version != "" || !versioned)
}

// route answers a request that is no prediction, and then returns the zero target, or returns
// what it predicts with. If it returns an error, it has written no more than headers.
func (h *Handler) route(w http.ResponseWriter, r *http.Request) (target, error) {
	s := wire.Segments(r.URL.Path)
	switch {
	case len(s) == 0:
		return target{}, h.root(w, r)
	case len(s) == 1:
		return h.routeOne(w, r, s[0])
	case s[0] == "explanations":
		t, ok := modelTarget(strings.Join(s[1:], "/"))
		t.explain = true
		if ok {
			return t, nil
		}
		return target{}, t.unnamed()
	case s[0] == "predictions":
		t, _ := modelTarget(strings.Join(s[1:], "/"))
		return target{}, t.unnamed()
	case s[0] == "models" && len(s) == 3 && s[2] == "invoke":
		return target{model: s[1], parameters: true}.check(r)
	case s[0] == "v1" && s[1] == "models" && len(s) <= 3:
		return h.kserve(w, r, s[2:])
	case s[0] == "models":
	case len(s) == 2 && s[1] == "predict":
		return target{model: s[0], parameters: true}.check(r)
	case len(s) == 3 && s[2] == "predict":
		return target{model: s[0], version: s[1], parameters: true}.check(r)
	}
	return target{}, wire.NoRoute(r)
}

// unnamed returns the error of a path with an empty model or version: two slashes.
func (t target) unnamed() error {
	if t.model == "" {
		return wire.Errorf(http.StatusNotFound, wire.ModelNotFound, "Model not found: %s", t.model)
	}
	return wire.Errorf(http.StatusNotFound, wire.VersionNotFound, "Model version: %s does not exist for model: %s", t.version, t.model)
}

// check returns an error if the path of t has an empty name.
func (t target) check(r *http.Request) (target, error) {
	if t.model == "" {
		return target{}, wire.NoRoute(r)
	}
	return t, nil
}

// routeOne is route for a path of one segment.
func (h *Handler) routeOne(w http.ResponseWriter, r *http.Request, name string) (target, error) {
	switch name {
	case "ping":
		h.ping(w)
		return target{}, nil
	case "ready":
		h.ready(w)
		return target{}, nil
	case "api-description":
		wire.JSON(w, http.StatusOK, openapi.Inference())
		return target{}, nil
	case "invocations":
		return h.invocations(r)
	}
	return target{}, wire.NoRoute(r)
}

// root answers OPTIONS /.
func (h *Handler) root(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodOptions {
		return wire.NotAllowed(w, r, http.MethodOptions)
	}
	wire.JSON(w, http.StatusOK, openapi.Inference())
	return nil
}

// invocations finds the model of /invocations: the parameter model_name, or the only model.
func (h *Handler) invocations(r *http.Request) (target, error) {
	name := r.URL.Query().Get("model_name")
	if name == "" {
		names := h.names()
		if len(names) != 1 {
			return target{}, wire.Errorf(http.StatusBadRequest, wire.BadRequest,
				"Parameter model_name is required. Write /invocations?model_name=NAME; served here: %s", orNothing(names))
		}
		name = names[0]
	}
	return target{model: name, parameters: true}, nil
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// names returns the names of the models, sorted.
func (h *Handler) names() []string {
	names := []string{}
	for _, s := range h.engine.Services() {
		names = append(names, s.Model().Name)
	}
	return slices.Compact(names)
}

// accept returns the Accept header, with which the format of the answer is negotiated. KServe
// v1 has only JSON, and a description is always JSON.
func (t target) accept(r *http.Request) string {
	if t.kserve || r.Method == http.MethodOptions {
		return ""
	}
	return r.Header.Get("Accept")
}

// header returns the headers for the handler: those of the request, and what TorchServe adds.
func (t target) header(r *http.Request) []payload.Field {
	fields := make([]payload.Field, 0, len(r.Header)+3)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		values := r.Header[name]
		fields = append(fields, payload.Field{Name: name, Value: values[len(values)-1]})
	}
	fields = append(fields, payload.Field{Name: "Host", Value: r.Host})
	if t.parameters {
		return fields // as in TorchServe, which adds the others on the routes of its own
	}
	explain := "False"
	if t.explain {
		explain = "True"
	}
	return append(fields, payload.Field{Name: "url_path", Value: t.rest}, payload.Field{Name: "explain", Value: explain})
}

// query returns the parameters of the query that are inputs, sorted by name.
func (t target) query(r *http.Request) []payload.Part {
	if !t.parameters || r.URL.RawQuery == "" {
		return nil
	}
	var parts []payload.Part
	all := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, value := range all[name] {
			parts = append(parts, payload.Part{Name: name, Data: []byte(value)})
		}
	}
	return parts
}

package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/api/management"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/server"
)

// collectionVariable names the file test/postman/management_data.json of TorchServe's source.
const collectionVariable = "SWEETSPOT_TORCHSERVE_COLLECTION"

// collectionDifferences has the requests of TorchServe's collection to which we answer
// otherwise: our status and the reason.
var collectionDifferences = map[string]struct {
	status int
	why    string
}{
	"Model Re-Registration Densenet161":                                                         {404, "no URL is allowed by default"},
	"Register Model - Invalid URL":                                                              {404, "no URL is allowed by default"},
	"Register Model - Empty URL , Valid Model Name":                                             {400, "an empty url is none"},
	"Scale Invalid Mnist Handler Model with Min Workers - Synchronous":                          {200, "the handler of a request is not run"},
	"Register Model with Non integer Batch Size":                                                {400, "a number that is none is an error"},
	"UnRegister Model Resnet152":                                                                {404, "it was not registered"},
	"UnRegister Model Resnet-18":                                                                {404, "it was not registered"},
	"Register Model with integer Batch Size but non integer max batch delay parameter":          {400, "a number that is none is an error"},
	"Register Model non boolean Synchronous value":                                              {400, "a truth value that is none is an error"},
	"Scale Workers - Valid \"min_worker\" value, Invalid \"synchronous\"":                       {400, "a truth value that is none is an error"},
	"Scale Workers - Invalid parameter values for both \"synchronous\" & \"min_worker\" params": {400, "a number that is none is an error"},
	"Scale worker by calling Update Worker API with negative min worker Count":                  {400, "a bad parameter is no error of the server"},
}

// anyStore is a model store with the archives of the collection, each with a model of the name
// of the request.
type anyStore struct{ cfg knob.Config }

func (s anyStore) Open(_ context.Context, r management.Registration) (management.Opened, error) {
	if strings.Contains(r.URL, "://") {
		return management.Opened{}, management.NotFound(errors.New("no URL is allowed"))
	}
	name := strings.TrimSuffix(path.Base(r.URL), ".mar")
	if r.Name != "" {
		name = r.Name
	}
	return management.Opened{Model: wordModel(name, "1.0", r.URL), Config: s.cfg}, nil
}

// TorchServe's own requests to its management API get the statuses that its project expects,
// but for the differences above.
func TestTorchServeCollection(t *testing.T) {
	file := os.Getenv(collectionVariable)
	if file == "" {
		t.Skipf("needs TorchServe's source: %s=.../test/postman/management_data.json", collectionVariable)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var requests []struct {
		Test, Method, Path string
		Status             int `json:"status_code"`
	}
	if err := json.Unmarshal(data, &requests); err != nil {
		t.Fatal(err)
	}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: &enginetest.Backend{}}, Cores: 4})
	c := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	a, _ := serve(t, server.Config{Models: management.Config{ModelAPI: true, Opener: anyStore{c}}}, e)
	same, used := 0, map[string]bool{}
	for i, r := range requests {
		query := strings.NewReplacer("{{mar_path_", "", "}}", ".mar").Replace(r.Path)
		status, body, err := call(t.Context(), strings.ToUpper(r.Method), "http://"+a.Management+"/"+query, "")
		if err != nil {
			t.Fatal(err)
		}
		want := r.Status
		if want == 0 {
			want = http.StatusOK
		}
		d, differs := collectionDifferences[r.Test]
		switch {
		case status == want:
			same++
		case differs && status == d.status:
			used[r.Test] = true
		default:
			t.Errorf("%d %s: %s %s: %d, want %d: %s", i, r.Test, r.Method, query, status, want, body)
		}
	}
	for name := range collectionDifferences {
		if !used[name] {
			t.Errorf("there is no difference %q", name)
		}
	}
	t.Logf("%d of %d requests get the expected status, %d others as listed", same, len(requests), len(requests)-same)
}

package inference_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/wire"
)

// TestLargestAnswer checks that an answer above max_response_size is an error of its own request,
// and that the model answers the next one.
func TestLargestAnswer(t *testing.T) {
	e, _, _ := start(t, nil)
	h := inference.New(e, inference.Limits{Limits: wire.Limits{Size: 1 << 16}, Response: 6})
	for _, tc := range []struct {
		body string
		code int
		want string
	}{
		{"[1,2]", 200, "[2,4]\n"}, // 6 bytes
		{"[1,50]", 500, `"message": "the answer has 8 bytes, above max_response_size, 6"`},
		{"[3,4]", 200, "[6,8]\n"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/predictions/m", strings.NewReader(tc.body)))
		if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s: %d %s, want %d with %s", tc.body, w.Code, w.Body, tc.code, tc.want)
		}
	}
}

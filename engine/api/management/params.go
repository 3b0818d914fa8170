package management

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/api/wire"
)

// Bounds of the JSON body of a registration.
const (
	maxBody  = 64 << 10
	bodyTime = 10 * time.Second
)

func badRequest(format string, a ...any) error {
	return wire.Errorf(http.StatusBadRequest, wire.BadRequest, format, a...)
}

// Parameters are the parameters of a request by their names in the REST API. An empty value is
// as good as none.
type Parameters map[string]string

// params reads parameters and keeps the first error.
type params struct {
	values Parameters
	err    error
}

// queryOf returns the parameters of the query. It must be well formed.
func queryOf(r *http.Request) (Parameters, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("query: %v", err)
	}
	p := Parameters{}
	for name := range values {
		p[name] = values.Get(name)
	}
	return p, nil
}

// paramsOf returns the parameters of the JSON body, if the content type says that there is
// one, or else of the query.
func paramsOf(w http.ResponseWriter, r *http.Request) (Parameters, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != wire.TypeJSON {
		return queryOf(r)
	}
	body, err := wire.ReadBody(w, r, nil, wire.Limits{Size: maxBody, Time: bodyTime}, nil)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return queryOf(r) // some clients send the type with every request
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var members map[string]any
	if err := d.Decode(&members); err != nil {
		return nil, badRequest("the body is no JSON object: %v", err)
	}
	p := Parameters{}
	for name, v := range members {
		switch v := v.(type) {
		case nil:
		case string, bool, json.Number:
			p[name] = fmt.Sprint(v)
		default:
			return nil, badRequest("parameter %s: want a text, a number, true or false", name)
		}
	}
	return p, nil
}

func (p *params) text(name string) string { return strings.TrimSpace(p.values[name]) }

func (p *params) has(name string) bool { return p.text(name) != "" }

func (p *params) fail(format string, a ...any) {
	if p.err == nil {
		p.err = badRequest(format, a...)
	}
}

// number reads a whole number from low to high.
func (p *params) number(name string, byDefault, low, high int) int {
	text := p.text(name)
	if text == "" {
		return byDefault
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		p.fail("parameter %s: %q: want a whole number from %d to %d", name, text, low, high)
		return byDefault
	}
	return n
}

// flag reads true or false.
func (p *params) flag(name string, byDefault bool) bool {
	switch text := p.text(name); {
	case text == "":
	case strings.EqualFold(text, "true"):
		return true
	case strings.EqualFold(text, "false"):
		return false
	default:
		p.fail("parameter %s: %q: want true or false", name, text)
	}
	return byDefault
}

// maxSeconds and maxDelay bound times.
const (
	maxSeconds = 7 * 24 * 3600
	maxDelay   = time.Hour
)

// seconds reads a time in whole seconds. -1 and 0 are as good as none, as in TorchServe.
func (p *params) seconds(name string) time.Duration {
	return time.Duration(max(0, p.number(name, 0, -1, maxSeconds))) * time.Second
}

// delay reads a batch delay in ms; ok is false if there is none.
func (p *params) delay(name string) (d time.Duration, ok bool) {
	text := p.text(name)
	if text == "" {
		return 0, false
	}
	ms, err := strconv.ParseFloat(text, 64)
	if err != nil || !(ms >= 0 && ms <= float64(maxDelay.Milliseconds())) {
		p.fail("parameter %s: %q: want a number of ms from 0 to %d", name, text, maxDelay.Milliseconds())
		return 0, false
	}
	return time.Duration(ms * float64(time.Millisecond)), true
}

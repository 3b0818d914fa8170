package config

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// TorchServe has the values of a config.properties. Empty and 0 mean not set.
type TorchServe struct {
	InferenceAddress  string // URL, such as http://127.0.0.1:8080
	ManagementAddress string
	MetricsAddress    string

	ModelStore string // folder of the archives
	LoadAll    bool   // load_models=all
	LoadModels []Load
	Models     []Model // in the file's order

	DefaultWorkers  int  // workers of a model that is not in the block
	QueueSize       int  // jobs that may wait, per model version
	NumberOfGPU     *int // upper bound; 0 forces the CPU; nil is all
	ResponseTimeout int  // s
	StartupTimeout  int  // s
	MaxRequestSize  int  // bytes of the body of a request
	MaxResponseSize int  // bytes of the body of an answer

	UnregisterTimeout int // s

	CPULauncher   bool // each worker has cores of its own
	LauncherCores int  // how many; 0 is an equal share
	GRPC
	Security
	Metrics
}

// GRPC says where the gRPC listeners are.
type GRPC struct {
	GRPCInferenceHost  string // without a port
	GRPCManagementHost string
	GRPCInferencePort  int
	GRPCManagementPort int
	GRPCSecure         bool // enable_grpc_ssl
	GRPCInferenceAge   Age
	GRPCManagementAge  Age
}

// Age is the time after which a connection is closed, and then the longest wait for its calls,
// in ms; 0 is no limit.
type Age struct{ Max, Grace int }

// Security says who may do what.
type Security struct {
	NoTokens     bool
	TokenMinutes float64 // 0 is 60
	ModelAPI     bool
	Envelope     string // service_envelope; "" is none
	AllowedURLs  string // regular expressions, with commas; "" is any, which TorchServe warns about
	Keystore     string // file
	KeystoreType string // "" is PKCS12
	PrivateKey   string // file
	Certificate  string // file
	CORSOrigin   string
	CORSMethods  string
	CORSHeaders  string
}

// Metrics says which metrics there are.
type Metrics struct {
	NoMetrics bool   // enable_metrics_api=false
	Mode      string // log, prometheus, legacy; "" is log
	Config    string // path of metrics.yaml; "" is TorchServe's own
	NoSystem  bool   // disable_system_metrics: none of the machine
	Interval  int    // s between two measurements of the machine; 0 is 60
}

// Load is one entry of load_models.
type Load struct {
	Name string // "" when the archive names its model
	File string // in the model store, or a URL
}

// Model returns the block's entry for a model version.
func (t TorchServe) Model(name, version string) (Model, bool) {
	for _, m := range t.Models {
		if m.Name == name && m.Version == version {
			return m, true
		}
	}
	return Model{}, false
}

// TorchServe reads the file as TorchServe does. The error joins the errors of all values that
// TorchServe would refuse. The warnings are about values that it would understand
// differently than they look. Each starts with file:line.
func (f *File) TorchServe() (TorchServe, []string, error) {
	t, list := f.Check(nil)
	var warnings []string
	var errs []error
	for _, finding := range list {
		switch finding.Severity {
		case Refuses:
			errs = append(errs, errors.New(finding.String()))
		case Differs:
			warnings = append(warnings, finding.String())
		}
	}
	return t, warnings, errors.Join(errs...)
}

// checker reads and checks the pairs of a file.
type checker struct {
	findings
	f     *File
	store Store
	t     TorchServe

	inForce   map[string]int // index of the last pair, by key
	suggested int            // unknown keys so far
	joinedTo  int            // the last line of a block that its finding covers; see joined
}

// Check reads the file as TorchServe does and returns, by line, what TorchServe does with
// each place that it understands differently than it looks. store has the archives of
// load_models; nil means that they are unknown.
func (f *File) Check(store Store) (TorchServe, []Finding) {
	v := &checker{findings: findings{file: f.Name}, f: f, store: store}
	v.inForce = f.inForce()
	for i, l := range f.Lines {
		if l.Kind != Pair {
			continue
		}
		if last := v.inForce[l.Key]; last > i {
			v.addf(Differs, l, "", removePair(l), "remove this line", "line %d has the key again, and the last one wins", f.Lines[last].Number)
			continue
		}
		v.pair(l)
	}
	v.across()
	return v.t, v.sorted()
}

// lookup is File.Lookup in constant time.
func (v *checker) lookup(key string) (Line, bool) {
	if i, ok := v.inForce[key]; ok {
		return v.f.Lines[i], true
	}
	return Line{}, false
}

// pair reads one pair that is in force.
func (v *checker) pair(l Line) {
	k, known := lookupKey(l.Key)
	if !known {
		v.unknown(l)
		return
	}
	v.environment(l)
	switch {
	case k.Kind == Number:
		v.setNumber(l, v.number(l, k))
	case k.Kind == Boolean:
		v.setBoolean(l.Key, v.boolean(l))
	case k.Kind == Float:
		n := v.float(l)
		if l.Key == keyTokenMinutes {
			v.t.TokenMinutes = n
		}
	default:
		v.text(l, k)
	}
	v.startScript(l)
}

// setNumber keeps a number that this project uses.
func (v *checker) setNumber(l Line, n int) {
	switch l.Key {
	case keyGRPCInference:
		v.t.GRPCInferencePort = n
	case keyGRPCManagement:
		v.t.GRPCManagementPort = n
	case keyGRPCAge:
		v.t.GRPCInferenceAge.Max = n
	case keyGRPCGrace:
		v.t.GRPCInferenceAge.Grace = n
	case keyGRPCManageAge:
		v.t.GRPCManagementAge.Max = n
	case keyGRPCManageGrace:
		v.t.GRPCManagementAge.Grace = n
	case keyDefaultWorkers:
		v.t.DefaultWorkers = n
		if n == 0 && strings.TrimSpace(l.Value) == "0" {
			v.addf(Note, l, "", nil, "", "0 is not set: one worker for each GPU, or for each core")
		}
	case keyQueueSize:
		v.t.QueueSize = n
	case keyResponseTimeout:
		v.t.ResponseTimeout = n
		v.seconds(l.Number, l.Key, n)
	case keyStartupTimeout:
		v.t.StartupTimeout = n
	case "unregister_model_timeout":
		v.t.UnregisterTimeout = n
	case keyMetricInterval:
		v.t.Interval = n
	case keyMaxResponseSize:
		v.t.MaxResponseSize = n
	case keyMaxRequestSize:
		v.t.MaxRequestSize = n
	case keyNumberOfGPU:
		v.t.NumberOfGPU = &n
	}
}

// text reads a text; trailing blanks and a # in it belong to the value.
func (v *checker) text(l Line, k Key) {
	value := l.Value
	switch body, comment, inline := cutComment(l.Value); {
	case inline && k.Kind == Address:
		value = body
		v.addf(Refuses, l, "", commentAbove(l, body, comment), "give the comment a line of its own",
			"a comment needs a line of its own: %s is no address, and TorchServe does not start", quoteText(l.Value))
	case inline && l.Key != keyModels && l.Key != keySnapshot:
		v.addf(Differs, l, "", commentAbove(l, body, comment), "give the comment a line of its own",
			"a comment needs a line of its own: the value is %s", quoteText(l.Value))
	case strings.TrimRight(l.Value, " \t") != l.Value && l.Key != keyModels && l.Key != keySnapshot:
		value = strings.TrimRight(l.Value, " \t")
		severity := Differs
		if k.Kind == Address {
			severity = Refuses
		}
		v.addf(severity, l, "", setPair(l, value), "remove the blanks at the end", "%s ends in blanks, which belong to the value", quoteText(l.Value))
	}
	v.setText(l, value)
	if k.Kind == Address && value == l.Value {
		v.address(l)
	}
}

// setText keeps a text that this project uses, or reads its parts.
func (v *checker) setText(l Line, value string) {
	t := &v.t
	for key, dst := range map[string]*string{
		keyInference: &t.InferenceAddress, keyManagement: &t.ManagementAddress, keyMetrics: &t.MetricsAddress,
		keyGRPCHost: &t.GRPCInferenceHost, keyGRPCManageHost: &t.GRPCManagementHost,
		keyModelStore: &t.ModelStore, keyAllowedURLs: &t.AllowedURLs, keyEnvelope: &t.Envelope,
		keyMetricsConfig: &t.Metrics.Config, keyKeystore: &t.Keystore, keyKeystoreType: &t.KeystoreType, keyPrivateKey: &t.PrivateKey, keyCertificate: &t.Certificate,
		keyCORSOrigin: &t.CORSOrigin, keyCORSMethods: &t.CORSMethods, keyCORSHeaders: &t.CORSHeaders,
	} {
		if l.Key == key {
			*dst = value
		}
	}
	switch l.Key {
	case keyLoadModels:
		t.LoadAll, t.LoadModels = v.loadModels(l)
	case keyModels:
		t.Models = v.models(l)
	case keySnapshot:
		v.snapshot(l)
	case keyMetricsMode:
		t.Mode = v.metricsMode(l)
	}
}

// number reads an int as Java does: nothing but a sign and digits.
func (v *checker) number(l Line, k Key) int {
	text, comment, inline := cutComment(l.Value)
	n, err := strconv.ParseInt(text, 10, 64)
	const fails = "TorchServe cannot read it and ends, at its start or when it first needs the value"
	switch {
	case err != nil:
		v.addf(Refuses, l, "", nil, "write a whole number", "%s is not a whole number: %s", quoteText(l.Value), fails)
		return 0
	case inline:
		v.addf(Refuses, l, "", commentAbove(l, text, comment), "give the comment a line of its own",
			"%s is not a whole number; a comment needs a line of its own, here it is part of the value: %s", quoteText(l.Value), fails)
	case text != l.Value:
		v.addf(Refuses, l, "", setPair(l, text), "remove the blanks at the end",
			"%s ends in blanks, which belong to the value: %s", quoteText(l.Value), fails)
	}
	if n < k.Low || n > k.High {
		v.addf(Refuses, l, "", nil, "", "%d is outside %d-%d: TorchServe ends, or does not load the model", n, k.Low, k.High)
		return 0
	}
	return int(n)
}

// boolean checks a boolean: only the word true, in any case, is true.
func (v *checker) boolean(l Line) bool {
	if isTrue(l.Value) || strings.EqualFold(l.Value, "false") {
		return isTrue(l.Value)
	}
	text, comment, inline := cutComment(l.Value)
	meant := "false"
	if slices.Contains([]string{"true", "yes", "on", "1", "y", "t"}, strings.ToLower(text)) {
		meant = "true"
	}
	if inline {
		v.addf(Differs, l, "", commentAbove(l, meant, comment), "give the comment a line of its own",
			"%s reads as false; a comment needs a line of its own, here it is part of the value", quoteText(l.Value))
		return false
	}
	v.addf(Differs, l, "", setPair(l, meant), "write "+meant, "%s reads as false: only true is true", quoteText(l.Value))
	return false
}

// setBoolean keeps a boolean that this project uses.
func (v *checker) setBoolean(key string, b bool) {
	switch key {
	case keyGRPCSecure:
		v.t.GRPCSecure = b
	case keyNoTokens:
		v.t.NoTokens = b
	case keyModelAPI:
		v.t.ModelAPI = b
	case keyMetricsAPI:
		v.t.NoMetrics = !b
	case keyNoSystem:
		v.t.NoSystem = b
	case keyCPULauncher:
		v.t.CPULauncher = b
	}
}

func (v *checker) float(l Line) float64 {
	text, comment, inline := cutComment(l.Value)
	if n, err := strconv.ParseFloat(strings.TrimSpace(l.Value), 64); err == nil || math.IsInf(n, 0) {
		return v.minutes(l, n)
	}
	var fix func() []edit
	write := "write a number"
	if _, err := strconv.ParseFloat(text, 64); err == nil && inline {
		fix, write = commentAbove(l, text, comment), "give the comment a line of its own"
	}
	v.addf(Differs, l, "", fix, write, "%s is not a number: TorchServe takes 60", quoteText(l.Value))
	return 0
}

// The range of token_expiration_min.
const (
	minMinutes = 1e-4
	maxMinutes = 100 * 365 * 24 * 60
)

// minutes checks a life of keys.
func (v *checker) minutes(l Line, n float64) float64 {
	switch {
	case n >= minMinutes && n <= maxMinutes:
		return n
	case n > maxMinutes:
		v.addf(Refuses, l, "", nil, fmt.Sprintf("write a number up to %d, which is 100 years", maxMinutes), "%s is too large: TorchServe cannot compute when the keys expire", quoteText(l.Value))
	default: // NaN too
		v.addf(Refuses, l, "", nil, fmt.Sprintf("write a number of minutes, %g or more", minMinutes), "%s is no time: the keys would have expired when they are made", quoteText(l.Value))
	}
	return 0
}

// loadModels reads load_models. TorchServe does not trim its parts.
func (v *checker) loadModels(l Line) (all bool, out []Load) {
	if strings.EqualFold(strings.TrimSpace(l.Value), "all") {
		return true, nil
	}
	var trimmed []string
	blanks := false
	for part := range strings.SplitSeq(strings.TrimRight(l.Value, " \t"), ",") {
		clean := strings.TrimSpace(part)
		name, file, named := strings.Cut(part, "=")
		if !named {
			name, file = "", part
		}
		switch {
		case clean == "":
			continue
		case strings.TrimSpace(file) == "" || named && strings.TrimSpace(name) == "":
			v.addf(Refuses, l, "", nil, "", "%s: want FILE, NAME=FILE or a URL", quoteText(clean))
			continue
		}
		if named {
			clean = strings.TrimSpace(name) + "=" + strings.TrimSpace(file)
		}
		trimmed = append(trimmed, clean)
		blanks = blanks || clean != part
		if strings.TrimSpace(file) == file { // else it is not found
			out = append(out, Load{name, file})
		}
	}
	if blanks {
		v.addf(Differs, l, "", setPair(l, strings.Join(trimmed, ",")), "remove the blanks",
			"blanks between the entries belong to the names: such a file is not found, and TorchServe starts without it; such a model has a blank in its name")
	}
	return false, out
}

// stem returns a file name without folder and extension, which is usually the name of the
// archive's model.
func stem(file string) string {
	base := strings.TrimSuffix(path.Base(file), ".gz")
	return strings.TrimSuffix(base, path.Ext(base))
}

package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// ModelConfig has what TorchServe's frontend reads in a model-config.yaml. A number of 0 means
// not set; a value of another type is not set either.
type ModelConfig struct {
	MinWorkers, MaxWorkers int // both count only if MaxWorkers >= MinWorkers > 0
	BatchSize              int
	MaxBatchDelay          int // ms
	ResponseTimeout        int // s; 120 if the file does not have it
	StartupTimeout         int // s; 120 if the file does not have it
	JobQueueSize           int
	DeviceType             string // cpu, gpu, or "" for the host's
	DeviceIDs              []int
	ParallelType           string
	ParallelLevel          int
	MaxRetryTimeout        int // s
	ClientTimeout          int // ms; 0 is off
	UseJobTicket           bool
	UseVenv                bool
	ContinuousBatching     bool
	SequenceBatching       bool
	AsyncCommunication     bool
}

// The timeouts of a file that does not have them.
const (
	configTimeout = 120 // s
	retryTimeout  = 300 // s
)

// Workers returns the workers at start, if the file sets them.
func (c ModelConfig) Workers() (low, high int, ok bool) {
	return c.MinWorkers, c.MaxWorkers, c.MinWorkers > 0 && c.MaxWorkers >= c.MinWorkers
}

// over returns the value with which the file overrules a key of the block; 0 is none.
func (c ModelConfig) over(key string) int {
	low, high, ok := c.Workers()
	switch {
	case key == "minWorkers" && ok:
		return low
	case key == "maxWorkers" && ok:
		return high
	case key == "batchSize":
		return c.BatchSize
	case key == "maxBatchDelay":
		return c.MaxBatchDelay
	case key == "responseTimeout":
		return c.ResponseTimeout
	case key == "startupTimeout":
		return c.StartupTimeout
	}
	return 0
}

// The keys of the frontend, by type.
var (
	configNumbers = strings.Fields(`minWorkers maxWorkers batchSize maxBatchDelay responseTimeout startupTimeout
		parallelLevel maxRetryTimeoutInSec clientTimeoutInMills jobQueueSize sequenceMaxIdleMSec sequenceTimeoutMSec
		maxSequenceJobQueueSize maxNumSequence`)
	configBooleans = strings.Fields(`useJobTicket continuousBatching sequenceBatching asyncCommunication useVenv`)
	configOthers   = strings.Fields(`deviceType deviceIds parallelType torchrun`)
	configKeys     = slices.Concat(configNumbers, configBooleans, configOthers)

	torchrunKeys = strings.Fields("nnodes nproc-per-node rdzv-id rdzv-backend rdzv-endpoint rdzv-conf monitor-interval node-rank OMP_NUMBER_THREADS")
)

// otherModelKeys are names that people write for a key of a model.
var otherModelKeys = map[string]string{
	"batchdelay": "maxBatchDelay", "delay": "maxBatchDelay", "batchtimeout": "maxBatchDelay",
	"initialworkers": "minWorkers", "queuesize": "jobQueueSize", "maxqueuesize": "jobQueueSize",
	"defaultresponsetimeout": "responseTimeout", "defaultstartuptimeout": "startupTimeout",
	"clienttimeout": "clientTimeoutInMills", "clienttimeoutinmillis": "clientTimeoutInMills", "jobticket": "useJobTicket",
	"device": "deviceType", "gpuids": "deviceIds",
}

// modelKey returns the key of a model that a name means; "" if it is none. Case, _ and -
// do not count.
func modelKey(name string) string {
	plain := strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
	for _, k := range configKeys {
		if strings.ToLower(k) == plain && k != "torchrun" {
			return k
		}
	}
	return otherModelKeys[plain]
}

// yamlChecker reads and checks a model-config.yaml.
type yamlChecker struct {
	findings
	lines [][]byte
	c     ModelConfig
	at    map[string]int  // lines of the keys that were read
	meant map[string]bool // keys that are there with a wrong name or in a wrong place
}

// ParseModelConfig reads a model-config.yaml as TorchServe does: by YAML 1.1, and a value of
// the wrong type does not count. The findings are by line. The error is that of a file that
// TorchServe cannot read, which it ignores as a whole; it names file and line.
func ParseModelConfig(name string, data []byte) (ModelConfig, []Finding, error) {
	v := &yamlChecker{
		findings: findings{file: name}, lines: physicalLines(data), at: map[string]int{}, meant: map[string]bool{},
		c: ModelConfig{ResponseTimeout: configTimeout, StartupTimeout: configTimeout, MaxRetryTimeout: retryTimeout},
	}
	root, err := v.parse(data)
	if err != nil {
		return ModelConfig{}, nil, err
	}
	pairs := mapping(root)
	inForce := map[string]*ast.MappingValueNode{}
	for _, p := range pairs {
		inForce[keyText(p)] = p
	}
	for _, p := range pairs {
		if last := inForce[keyText(p)]; last != p {
			v.addf(Differs, p, v.removeKey(p), "remove this one", "line %d has the key again, and the last one wins", line(last.Key))
			continue
		}
		v.key(p)
	}
	v.across()
	return v.c, v.sorted(), nil
}

// parse returns the map of the file.
func (v *yamlChecker) parse(data []byte) (root ast.Node, err error) {
	if len(data) > maxModelConfig {
		return nil, fmt.Errorf("%s:1: %d bytes, expected at most %d", v.file, len(data), maxModelConfig)
	}
	defer func() { // the library panics on some malformed texts
		if r := recover(); r != nil {
			root, err = nil, fmt.Errorf("%s:1: not YAML: %v", v.file, r)
		}
	}()
	f, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlError(v.file, err)
	}
	var bodies []ast.Node
	for _, d := range f.Docs {
		if _, comment := d.Body.(*ast.CommentGroupNode); d.Body != nil && !comment {
			bodies = append(bodies, d.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		return nil, fmt.Errorf("%s:1: the file has no key: TorchServe ends with an error when it loads the archive", v.file)
	case len(bodies) > 1:
		return nil, fmt.Errorf("%s:%d: a second document, after ---", v.file, line(bodies[1]))
	case mapping(bodies[0]) == nil:
		return nil, fmt.Errorf("%s:%d: want keys with values, such as batchSize: 8", v.file, line(bodies[0]))
	}
	return bodies[0], nil
}

// yamlError gives an error of the library the form file:line: text.
func yamlError(file string, err error) error {
	var at interface {
		error
		GetMessage() string
	}
	text, n := strings.SplitN(err.Error(), "\n", 2)[0], 1
	if errors.As(err, &at) {
		text = at.GetMessage()
	}
	if rest, found := strings.CutPrefix(err.Error(), "["); found {
		fmt.Sscanf(rest, "%d:", &n) //nolint:errcheck // 1 without it
	}
	return fmt.Errorf("%s:%d: not YAML: %s", file, max(1, n), text)
}

func (v *yamlChecker) addf(s Severity, p *ast.MappingValueNode, fix func() []edit, write, format string, a ...any) {
	v.add(s, line(p.Key), keyText(p), fmt.Sprintf(format, a...), write, fix)
}

// key reads one key of the top level.
func (v *yamlChecker) key(p *ast.MappingValueNode) {
	name := keyText(p)
	v.at[name] = line(p.Key)
	switch {
	case slices.Contains(configNumbers, name):
		v.number(p)
	case slices.Contains(configBooleans, name):
		v.boolean(p)
	case name == "deviceType", name == "parallelType":
		v.word(p)
	case name == "deviceIds":
		v.deviceIDs(p)
	case name == "torchrun":
		v.torchrun(p)
	case modelKey(name) != "":
		v.misspelled(p, modelKey(name))
	default:
		v.section(p)
	}
}

// misspelled reports a name that only looks like a key of the frontend.
func (v *yamlChecker) misspelled(p *ast.MappingValueNode, meant string) {
	const does = "TorchServe does not read %s, only %s"
	v.meant[meant] = true
	if slices.ContainsFunc(v.lines, func(l []byte) bool { return strings.HasPrefix(string(l), meant+":") }) {
		v.addf(Differs, p, v.removeKey(p), "remove it, "+meant+" is there", does, keyText(p), meant)
		return
	}
	v.addf(Differs, p, v.renameKey(p, meant), "write "+meant, does, keyText(p), meant)
}

// section looks for keys of the frontend in a section that is for the handler.
func (v *yamlChecker) section(p *ast.MappingValueNode) {
	for _, inner := range mapping(p.Value) {
		name := keyText(inner)
		meant := modelKey(name)
		if meant == "" || meant == "deviceType" && name != "deviceType" {
			continue
		}
		v.meant[meant] = true
		v.add(Differs, line(inner.Key), keyText(p)+"."+name,
			fmt.Sprintf("TorchServe reads %s only at the top level of the file; in %s it is a value for the handler", meant, keyText(p)),
			"move it to the top level", v.moveUp(p, inner, meant))
	}
}

// torchrun reports keys of torchrun that TorchServe does not read.
func (v *yamlChecker) torchrun(p *ast.MappingValueNode) {
	inner := mapping(p.Value)
	if inner == nil {
		v.addf(Differs, p, nil, "write a map, such as nproc-per-node: 2", "not a map: TorchServe ignores it")
		return
	}
	v.c.ParallelLevel = 1
	for _, q := range inner {
		switch name := keyText(q); {
		case name == "nproc-per-node":
			if n, ok := yamlInt(q.Value); ok && n > 0 {
				v.c.ParallelLevel = n
			}
		case name == "OMP_NUM_THREADS":
			v.add(Differs, line(q.Key), "torchrun."+name, "TorchServe does not read it, only OMP_NUMBER_THREADS", "write OMP_NUMBER_THREADS", v.renameKey(q, "OMP_NUMBER_THREADS"))
		case !slices.Contains(torchrunKeys, name):
			v.add(Differs, line(q.Key), "torchrun."+name, "TorchServe does not read it here", "remove it", v.removeKey(q))
		}
	}
}

package config

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// plain returns the text of a scalar, and whether it has no quotes.
func plain(n ast.Node) (text string, unquoted, ok bool) {
	s, scalar := n.(ast.ScalarNode)
	if !scalar || n.GetToken() == nil {
		return "", false, false
	}
	switch n.(type) {
	case *ast.LiteralNode, *ast.MergeKeyNode:
		return "", false, false
	}
	t := s.GetToken()
	return t.Value, t.Type != token.SingleQuoteType && t.Type != token.DoubleQuoteType, true
}

// Integers of YAML 1.1, which TorchServe reads: with underscores, a leading 0 is octal, and
// colons are base 60.
var (
	yamlDecimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9_]*)$`)
	yamlBinary  = regexp.MustCompile(`^[-+]?0b_*[01][01_]*$`)
	yamlOctal   = regexp.MustCompile(`^[-+]?0[0-7_]+$`)
	yamlHex     = regexp.MustCompile(`^[-+]?0x[0-9a-fA-F_]+$`)
	yamlSixty   = regexp.MustCompile(`^[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+$`)
)

// yamlInt returns the value of an unquoted integer of 32 bits.
func yamlInt(n ast.Node) (int, bool) {
	text, unquoted, ok := plain(n)
	if !ok || !unquoted {
		return 0, false
	}
	digits, negative := strings.CutPrefix(strings.ReplaceAll(text, "_", ""), "-")
	digits = strings.TrimPrefix(digits, "+")
	v := new(big.Int)
	switch {
	case yamlDecimal.MatchString(text):
		_, ok = v.SetString(digits, 10)
	case yamlBinary.MatchString(text):
		_, ok = v.SetString(digits[2:], 2)
	case yamlOctal.MatchString(text):
		_, ok = v.SetString(digits, 8)
	case yamlHex.MatchString(text):
		_, ok = v.SetString(digits[2:], 16)
	case yamlSixty.MatchString(text):
		for part := range strings.SplitSeq(digits, ":") {
			d, _ := strconv.Atoi(part)
			v.Add(v.Mul(v, big.NewInt(60)), big.NewInt(int64(d)))
		}
	default:
		return 0, false
	}
	if negative {
		v.Neg(v)
	}
	if !ok || !v.IsInt64() || int64(int32(v.Int64())) != v.Int64() {
		return 0, false
	}
	return int(v.Int64()), true
}

// yamlBool returns the value of an unquoted boolean of YAML 1.1.
func yamlBool(n ast.Node) (value, ok bool) {
	text, unquoted, ok := plain(n)
	if !ok || !unquoted {
		return false, false
	}
	for i, words := range []string{"yes Yes YES true True TRUE on On ON", "no No NO false False FALSE off Off OFF"} {
		if slices.Contains(strings.Fields(words), text) {
			return i == 0, true
		}
	}
	return false, false
}

// indirect reports whether a value is written elsewhere: an alias, an anchor or a tag.
func indirect(n ast.Node) bool {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		return true
	}
	return false
}

// number reads a number of the frontend.
func (v *yamlChecker) number(p *ast.MappingValueNode) {
	name := keyText(p)
	text, _, scalar := plain(p.Value)
	n, ok := yamlInt(p.Value)
	switch {
	case ok && strconv.Itoa(n) != text:
		v.addf(Differs, p, v.setValue(p, strconv.Itoa(n)), fmt.Sprintf("write %d, or what was meant", n), "%s is %d in YAML 1.1, which TorchServe reads", text, n)
	case ok:
	case indirect(p.Value):
		v.addf(Note, p, nil, "", "the value is written elsewhere in the file, and was not checked")
		return
	default:
		var fix func() []edit
		write := "write a whole number without quotes"
		if guess, whole := wholeNumber(strings.TrimSuffix(strings.TrimSpace(text), ".0")); scalar && whole {
			fix, write = v.setValue(p, strconv.Itoa(guess)), fmt.Sprintf("write %d", guess)
		}
		v.addf(Differs, p, fix, write, "%s is no whole number to TorchServe, which ignores the key", describeNode(p.Value))
		return
	}
	v.checkRange(p, name, n)
	v.set(name, n)
}

func wholeNumber(text string) (int, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil
}

func describeNode(n ast.Node) string {
	text, unquoted, ok := plain(n)
	switch {
	case ok && unquoted:
		return text
	case ok:
		return quoteText(text)
	case n == nil:
		return "nothing"
	}
	return "a " + strings.ToLower(n.Type().YAMLName())
}

// checkRange reports numbers that TorchServe changes or ignores.
func (v *yamlChecker) checkRange(p *ast.MappingValueNode, name string, n int) {
	switch {
	case n > 0 || n == 0 && slices.Contains([]string{"clientTimeoutInMills", "maxRetryTimeoutInSec", "parallelLevel", "sequenceMaxIdleMSec", "sequenceTimeoutMSec"}, name):
		if name == "responseTimeout" || name == "startupTimeout" {
			v.seconds(line(p.Key), name, n)
		}
	case name == "minWorkers" || name == "batchSize":
		v.addf(Differs, p, v.setValue(p, "1"), "write 1", "TorchServe reads %d as 1", n)
	case name == "maxBatchDelay":
		v.addf(Differs, p, v.setValue(p, "1"), "write 1, the shortest delay", "TorchServe reads %d as not set: the delay is that of config.properties, else 100 ms", n)
	case name == "responseTimeout" || name == "startupTimeout":
		v.addf(Differs, p, v.setValue(p, "120"), "write the seconds", "TorchServe ignores %d: the timeout is %d s", n, configTimeout)
	case name == "jobQueueSize":
		v.addf(Differs, p, v.removeKey(p), "remove it", "TorchServe reads %d as not set: the queue is that of job_queue_size", n)
	default:
		v.addf(Differs, p, v.removeKey(p), "remove it", "TorchServe reads %d as not set", n)
	}
}

// set keeps a number as TorchServe's setters do.
func (v *yamlChecker) set(name string, n int) {
	switch name {
	case "minWorkers":
		v.c.MinWorkers = max(1, n)
	case "maxWorkers":
		v.c.MaxWorkers = max(0, n)
	case "batchSize":
		v.c.BatchSize = max(1, n)
	case "maxBatchDelay":
		v.c.MaxBatchDelay = max(0, n)
	case "responseTimeout":
		if n > 0 {
			v.c.ResponseTimeout = n
		}
	case "startupTimeout":
		if n > 0 {
			v.c.StartupTimeout = n
		}
	case "jobQueueSize":
		v.c.JobQueueSize = max(0, n)
	case "parallelLevel":
		v.c.ParallelLevel = max(0, n)
	case "maxRetryTimeoutInSec":
		v.c.MaxRetryTimeout = max(0, n)
	case "clientTimeoutInMills":
		v.c.ClientTimeout = max(0, n)
	}
}

// boolean reads a boolean of the frontend.
func (v *yamlChecker) boolean(p *ast.MappingValueNode) {
	b, ok := yamlBool(p.Value)
	if !ok && indirect(p.Value) {
		v.addf(Note, p, nil, "", "the value is written elsewhere in the file, and was not checked")
		return
	}
	if !ok {
		text, _, scalar := plain(p.Value)
		var fix func() []edit
		write := "write true or false, without quotes"
		if low := strings.ToLower(strings.TrimSpace(text)); scalar && (low == "true" || low == "false") {
			fix, write = v.setValue(p, low), "write "+low
		}
		v.addf(Differs, p, fix, write, "%s is no boolean to TorchServe, which ignores the key", describeNode(p.Value))
		return
	}
	switch keyText(p) {
	case "useJobTicket":
		v.c.UseJobTicket = b
	case "useVenv":
		v.c.UseVenv = b
	case "continuousBatching":
		v.c.ContinuousBatching = b
	case "sequenceBatching":
		v.c.SequenceBatching = b
	case "asyncCommunication":
		v.c.AsyncCommunication = b
	}
}

// word reads deviceType or parallelType.
func (v *yamlChecker) word(p *ast.MappingValueNode) {
	name := keyText(p)
	dst, known, write := &v.c.DeviceType, []string{"cpu", "gpu"}, "write cpu or gpu"
	if name == "parallelType" {
		dst, known, write = &v.c.ParallelType, []string{"pp", "tp", "pptp", "custom"}, "write pp, tp, pptp or custom"
	}
	text, _, scalar := plain(p.Value)
	if low := strings.ToLower(text); scalar && slices.Contains(known, low) {
		*dst = low
		return
	}
	v.addf(Differs, p, nil, write, "TorchServe does not know %s and ignores the key", describeNode(p.Value))
}

// deviceIDs reads the numbers of the GPUs. One bad entry drops all.
func (v *yamlChecker) deviceIDs(p *ast.MappingValueNode) {
	list, ok := p.Value.(*ast.SequenceNode)
	if !ok {
		var fix func() []edit
		text, _, _ := plain(p.Value)
		var ids []string
		for part := range strings.SplitSeq(strings.Trim(text, "[] "), ",") {
			if n, whole := wholeNumber(strings.TrimSpace(part)); whole && n >= 0 {
				ids = append(ids, strconv.Itoa(n))
			}
		}
		if len(ids) > 0 && len(ids) == strings.Count(text, ",")+1 {
			fix = v.setValue(p, "["+strings.Join(ids, ", ")+"]")
		}
		v.addf(Differs, p, fix, "write a list, such as [0, 1]", "%s is no list: TorchServe ignores the key", describeNode(p.Value))
		return
	}
	for _, e := range list.Values {
		n, ok := yamlInt(e)
		if !ok || n < 0 {
			v.c.DeviceIDs = nil
			v.addf(Differs, p, nil, "write numbers, such as [0, 1]", "%s is no number of a GPU: TorchServe ignores the whole list", describeNode(e))
			return
		}
		v.c.DeviceIDs = append(v.c.DeviceIDs, n)
	}
}

// across reports what several keys together do.
func (v *yamlChecker) across() {
	c := v.c
	switch low, high := c.MinWorkers, c.MaxWorkers; {
	case v.meant["minWorkers"] || v.meant["maxWorkers"]: // its finding says it
	case low > 0 && high == 0:
		v.add(Differs, v.at["minWorkers"], "minWorkers", "without maxWorkers TorchServe ignores it and starts its default number of workers",
			fmt.Sprintf("write maxWorkers: %d too", low), v.insertBound("minWorkers", low))
	case high > 0 && low == 0:
		v.add(Differs, v.at["maxWorkers"], "maxWorkers", "without minWorkers TorchServe ignores it and starts its default number of workers",
			fmt.Sprintf("write minWorkers: %d too", high), v.insertBound("maxWorkers", high))
	case low > high:
		v.add(Differs, v.at["minWorkers"], "minWorkers", fmt.Sprintf("%d is above maxWorkers %d: TorchServe ignores both and starts its default number of workers", low, high),
			"write the same number for both", v.rewrite("maxWorkers", low))
	case low > 0 && low < high:
		v.add(Note, v.at["maxWorkers"], "maxWorkers", fmt.Sprintf("TorchServe starts %d workers and never adds one by itself: maxWorkers only bounds later calls of the management API", low), "", nil)
	}
	v.batching()
	if c.ParallelLevel > 0 && c.ParallelType == "" {
		key := "parallelLevel"
		if v.at["torchrun"] > 0 {
			key = "torchrun"
		}
		v.add(Differs, v.at[key], key, "without parallelType TorchServe ignores it", "write parallelType: tp, pp, pptp or custom", nil)
	}
	for _, key := range []string{"responseTimeout", "startupTimeout"} {
		if v.at[key] == 0 && !v.meant[key] {
			v.add(Note, 1, key, fmt.Sprintf("not in this file, so it is %d s, whatever config.properties and the management API say", configTimeout), "", nil)
		}
	}
	if c.ClientTimeout > 0 {
		v.add(Note, v.at["clientTimeoutInMills"], "clientTimeoutInMills", "an expired request gets no answer at all: the client waits until it gives up itself", "", nil)
	}
}

func (v *yamlChecker) batching() {
	c := v.c
	switch {
	case c.BatchSize > 1 && c.MaxBatchDelay == 0 && v.at["maxBatchDelay"] == 0 && !v.meant["maxBatchDelay"]:
		v.add(Differs, v.at["batchSize"], "batchSize", "without maxBatchDelay a batch that is not full waits as long as config.properties says, else 100 ms",
			"write the delay", v.insertKey("batchSize", "maxBatchDelay: 100"))
	case c.BatchSize == 1 && c.MaxBatchDelay > 0:
		v.add(Note, v.at["maxBatchDelay"], "maxBatchDelay", fmt.Sprintf("%d has no effect at batch size 1", c.MaxBatchDelay), "", nil)
	}
	if c.JobQueueSize > 0 && c.JobQueueSize < c.BatchSize {
		v.add(Hinders, v.at["jobQueueSize"], "jobQueueSize",
			fmt.Sprintf("the queue holds %d requests, fewer than a batch of %d: more are refused with 503 while a batch forms", c.JobQueueSize, c.BatchSize),
			fmt.Sprintf("write %d or more", c.BatchSize), v.rewrite("jobQueueSize", c.BatchSize))
	}
}

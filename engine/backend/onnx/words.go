package onnx

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
)

// runtimeError is an error of ONNX Runtime in plain words. Its own text has C++ signatures
// and paths of its source code; it is logged at the level Debug.
type runtimeError struct{ words, raw string }

func (e *runtimeError) Error() string { return e.words }

// plain returns an error of the runtime in plain words and logs its own text.
func plain(err error, log *slog.Logger) error {
	if err == nil {
		return nil
	}
	raw := oneLine(err)
	e := &runtimeError{translate(raw), raw}
	log.Debug("onnx runtime", "error", raw)
	return e
}

// isOutputMismatch reports whether a run failed because an output has another shape than the
// buffer that it was given.
func isOutputMismatch(err error) bool {
	e, ok := errors.AsType[*runtimeError](err)
	return ok && outputMismatch.MatchString(e.raw)
}

var outputMismatch = regexp.MustCompile(`(?i)invalid (dimensions|rank) for output|output OrtValue provided|shape verification failed`)

// A phrase translates an error text that contains the pattern.
type phrase struct {
	pattern *regexp.Regexp
	words   string // $1 is the first part in parentheses
}

func say(pattern, words string) phrase { return phrase{regexp.MustCompile(pattern), words} }

// phrases are tried in order. Each says the cause, what this runtime reads, and what usually
// helps.
var phrases = []phrase{
	say(`Unsupported model IR version: (\d+), max supported IR version: (\d+)`,
		"its file format is IR version $1, and this ONNX Runtime reads up to $2; export it again with an older onnx package, or save it with ir_version = $2"),
	say(`Opset (\d+) is under development.*domain (\S+) is till opset (\d+)`,
		"it uses opset $1 of the domain $2, and this ONNX Runtime reads up to $3; export it again with opset_version=$3 or lower"),
	say(`Opset (\d+) is under development`,
		"it uses opset $1, which is newer than this ONNX Runtime; export it again with a lower opset_version"),
	say(`(?:Fatal error: )?(\S+?):(\S+?)\(-?\d+\) is not a registered function/op`,
		"it uses the operator $1.$2, which is neither in ONNX nor in ONNX Runtime; export it without custom operators"),
	say(`No Op registered for (\S+) with domain_version of (\d+)`,
		"opset $2 has no operator $1; export it again with another opset_version, or without custom operators"),
	say(`Could not find an implementation for (\S+?)\(\d+\)`,
		"this ONNX Runtime has no $1 for these types on a CPU; export it in FP32, or with another operator"),
	say(`Duplicate definition-site for \(([^)]*)\)`,
		"its graph defines the name \"$1\" twice; give each input and output its own name and export it again"),
	say(`External data path does not exist: "([^"]*)"`,
		"its external weights are missing: there is no file $1; copy it beside the model, under that name"),
	say(`[Ee]xternal data path.*escapes`,
		"its external weights are outside the folder of the model; put both into one folder"),
	say(`External initializer: (\S+) offset: (-?\d+) size to read: (\d+) given file_length: (\d+)`,
		"its external weights are not complete: the tensor $1 has $3 bytes from byte $2 on, and the file has $4 bytes; copy or download it again"),
	say(`TensorProto: (\S+) external data size mismatch\. Computed size: (\d+), external_data\.length: (\d+)`,
		"the tensor $1 has $2 bytes, and the model says that $3 of them are in its external weights; export it again"),
	say(`Missing 'location'`,
		"a tensor has external weights, and the model does not name their file; export it again"),
	say(`(?i)protobuf parsing failed`,
		"the file is damaged or no ONNX model; copy or download it again"),
	say(`ModelProto does not have a graph`,
		"the file has no graph; copy or download it again"),
	say(`Failed to construct locale with name:\s*([\w.@-]+)`,
		"it compares strings by the locale $1, which this machine does not have; install it, such as with locale-gen $1"),
	say(`Failed to allocate memory for requested buffer of size (\d+)`,
		"there is not enough memory for a buffer of $1 bytes; use smaller batches or fewer workers"),
	say(`SimplifiedLayerNormFusion|InsertedPrecisionFreeCast`,
		"the fusion SimplifiedLayerNormFusion of this ONNX Runtime makes an invalid graph of it; open it with the graph level basic (in a plan options: {graph: basic}), or with a newer ONNX Runtime"),
	say(`Got invalid dimensions for input: (\S+) .*?index: (\d+) Got: (\d+) Expected: (\d+)`,
		"dimension $2 of input $1 is $3, and the graph has it fixed to $4"),
	say(`Invalid rank for input: (\S+) Got: (\d+) Expected: (\d+)`,
		"input $1 has $2 dimensions, and the graph declares $3"),
	say(`Got invalid dimensions for output: (\S+) .*?index: (\d+) Got: (\d+) Expected: (\d+)`,
		"dimension $2 of output $1 is $3, and the graph declares $4"),
	say(`idx=(-?\d+) must be within the inclusive range \[(-?\d+),(-?\d+)\]`,
		"an index is $1, and the table has $2 to $3"),
	say(`input tensor cannot be reshaped to the requested shape\. Input shape:\{([\d,]*)\}, requested shape:\{([\d,-]*)\}`,
		"a tensor of shape [$1] cannot become [$2]"),
	say(`left operand cannot broadcast on dim (\d+) LeftShape: \{([\d,]*)\}, RightShape: \{([\d,]*)\}`,
		"tensors of the shapes [$2] and [$3] do not fit together"),
	say(`Node with schema\([^)]*::(\w+):(\d+)\) has (input|output) size (\d+) not in range \[min=(\d+), max=2147483647\]`,
		"an operator $1 has $4 ${3}s, and since opset $2 it has at least $5; export it again"),
	say(`Node with schema\([^)]*::(\w+):(\d+)\) has (input|output) size (\d+) not in range \[min=(\d+), max=(\d+)\]`,
		"an operator $1 has $4 ${3}s, and since opset $2 it has at least $5 and at most $6; export it again"),
	say(`Failed to parse value: "`,
		"a number in the file cannot be read, such as the offset of external weights; export it again"),
	say(`^sto(?:d|f|ld|i|l|ll|ul|ull)$`,
		"a text is not a number of the type that it becomes"),
	say(`shape has no dimensions`,
		"an output has no dimensions, although the graph declares some"),
}

var (
	failedNode = regexp.MustCompile(`running (\S+) node\. Name:'([^']*)' Status Message: (.*)$`)
	badNode    = regexp.MustCompile(`Node ?\(([^)]*)\) Op \((\w+)\) \[\w+\] (.*)$`)
	wrongNode  = regexp.MustCompile(`In Node, \("(.*?)", (\w+), "[^"]*", -?\d+\) : .* , Error (.*)$`)
)

// translate returns the runtime's text in plain words: a known phrase, or else what remains
// without C++ signatures, paths and codes.
func translate(raw string) string {
	where := ""
	if m := failedNode.FindStringSubmatch(raw); m != nil {
		where, raw = operator(m[1], m[2])+" failed: ", m[3]
	} else if m := badNode.FindStringSubmatch(raw); m != nil {
		where, raw = operator(m[2], m[1])+" is not valid: ", m[3]
	}
	for _, p := range phrases {
		if m := p.pattern.FindStringSubmatchIndex(raw); m != nil {
			return where + string(p.pattern.ExpandString(nil, p.words, raw, m))
		}
	}
	if m := wrongNode.FindStringSubmatch(raw); m != nil { // the phrases name the operator themselves
		where, raw = operator(m[2], m[1])+" is not valid: ", m[3]
	}
	text := withoutCode(raw)
	if text == "" {
		text = "the runtime gives a reason only in its own words, which --verbose shows"
	}
	return where + text
}

// operator names a node; many have no name.
func operator(kind, name string) string {
	if name == "" {
		return "operator " + kind
	}
	return fmt.Sprintf("operator %s (%s)", kind, name)
}

var (
	errorCode = regexp.MustCompile(`\[ONNXRuntimeError\] : \d+ : \w+ : ?`)
	loadOf    = regexp.MustCompile(`^(?:(?:Exception during initialization: |Load model from .*? failed: ?|(?:This is an i|I)nvalid model\. |(?:Type )?Error: )\s*)+`)
	sourceAt  = regexp.MustCompile(`\S*\w\.(?:cc|h|cpp|cu|cuh):\d+ `)
	assertion = regexp.MustCompile(`^.*? was false\.? ?`)
	codeLike  = regexp.MustCompile(`::|\.(cc|h|cpp):\d|\bconst\b|/onnxruntime`)
)

// withoutCode removes error codes, paths of source files with the signatures after them, and
// failed assertions. It returns "" if code remains.
func withoutCode(text string) string {
	text = loadOf.ReplaceAllString(errorCode.ReplaceAllString(text, ""), "")
	for range 4 { // an error may be wrapped in others of its kind
		at := sourceAt.FindStringIndex(text)
		if at == nil {
			break
		}
		text = strings.TrimSpace(text[:at[0]]) + " " + afterSignature(text[at[1]:])
	}
	text = strings.TrimSpace(text)
	text = loadOf.ReplaceAllString(text, "")
	text = assertion.ReplaceAllString(text, "")
	text = strings.TrimSpace(strings.TrimSuffix(text, "."))
	if codeLike.MatchString(text) {
		return ""
	}
	return text
}

// signature matches the beginning of a C++ function's whole signature; elsewhere the runtime
// writes only its name.
var signature = regexp.MustCompile(`^(?:(?:static|virtual|inline|constexpr|const|void|bool|int|unsigned|long|float|double|char|auto|size_t|u?int\d+_t)\b|[^\s(]*::|\w+[*&]? [^\s(]*::)`)

// afterSignature returns the text after the C++ function at its beginning, which is its
// signature or one word.
func afterSignature(text string) string {
	open := strings.IndexByte(text, '(')
	if open < 0 || !signature.MatchString(text) {
		_, rest, _ := strings.Cut(text, " ")
		return rest
	}
	depth := 0
	for i := open; i < len(text); i++ {
		switch text[i] {
		case '(', '<', '[', '{':
			depth++
		case ')', '>', ']', '}':
			depth--
		case ' ':
			rest := text[i+1:]
			if depth == 0 && !strings.HasPrefix(rest, "const ") && !strings.HasPrefix(rest, "[with ") && !strings.HasPrefix(text[max(0, i-6):i], " const") {
				return rest
			}
		}
	}
	return ""
}

// oneLine returns the runtime's error text without line breaks and without the wrapper's
// prefixes, which repeat our own.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, p := range []string{"Error creating C session from file: ", "Error creating C session: ", "Error running network: "} {
		text = strings.TrimPrefix(text, p)
	}
	return strings.TrimSuffix(text, ".")
}

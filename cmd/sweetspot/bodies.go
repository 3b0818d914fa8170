package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"sweetspot/engine"
	"sweetspot/engine/archive"
	"sweetspot/engine/config"
	"sweetspot/engine/handler"
	"sweetspot/engine/handler/torchserve"
	"sweetspot/engine/server"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
)

// bodyFlags say what the bodies of requests may be.
type bodyFlags struct {
	maxRequest byteSize
	image      string
}

func (f *bodyFlags) bind(fs *pflag.FlagSet) {
	fs.Var(&f.maxRequest, "max-request-size", fmt.Sprintf("largest request body: bytes, or a number with KB, MB, KiB or MiB (default: %d, more for a model whose inputs need more)", server.DefaultMaxRequestSize))
	fs.StringVar(&f.image, "image", "", "how JPEG and PNG files become an input: normalize=none|0..1|-1..1|imagenet, or mean=M:M:M,std=S:S:S; "+
		"order=rgb|bgr; layout=nchw|nhwc|hw; resize=crop|stretch|pad; with commas between them (default: by the input, printed at the start)")
}

// overlay sets in a plan what was given.
func (f *bodyFlags) overlay(p *plan.Plan) error {
	if f.maxRequest > 0 {
		p.MaxRequestSize = int(f.maxRequest)
	}
	if f.image != "" {
		p.Image = f.image
	}
	_, err := parseImage(p.Image)
	return err
}

// bodyArgs are the flags for an engine child.
func bodyArgs(p plan.Plan) []string {
	var out []string
	if p.MaxRequestSize > 0 {
		out = append(out, "--max-request-size="+strconv.Itoa(p.MaxRequestSize))
	}
	if p.Image != "" {
		out = append(out, "--image="+p.Image)
	}
	return out
}

func parseImage(text string) (handler.ImageOptions, error) {
	o, err := handler.ParseImageOptions(text)
	if err != nil {
		return o, fmt.Errorf("--image: %w", err)
	}
	return o, nil
}

// setImages sets how images become the inputs of the models: as the flag says, else as the
// model-config.yaml in a model's folder says, else by default. It logs a line for each model
// that takes images.
func (f *bodyFlags) setImages(models []*engine.Model, log *slog.Logger) error {
	flag, err := parseImage(f.image)
	if err != nil {
		return err
	}
	var inputs []string
	taken := false
	for _, m := range models {
		took, err := setImages(m, flag, log)
		if err != nil {
			return err
		}
		taken = taken || took
		for _, s := range m.Inputs {
			inputs = append(inputs, s.String())
		}
	}
	if !taken && !flag.IsZero() {
		return withHint("leave --image out", "--image: no input is an image that it describes: %s", strings.Join(inputs, "; "))
	}
	return nil
}

// setImages is bodyFlags.setImages for one model. It reports whether m takes images.
func setImages(m *engine.Model, flag handler.ImageOptions, log *slog.Logger) (bool, error) {
	if h, ok := m.Handler.(*torchserve.Handler); ok {
		log.Info("handler", "model", m.Name, "takes", h.Steps().Describe())
		return true, nil
	}
	if m.Handler != nil || len(m.Inputs) == 0 {
		return false, nil // it takes bytes, or nothing
	}
	file, from, err := folderImages(m.Source)
	if err != nil {
		return false, err
	}
	if err := file.Check(m.Inputs); err != nil {
		return false, fmt.Errorf("%s: handler: image: %w", from, err)
	}
	o := flag.Or(file)
	text := o.Describe(m.Inputs)
	if text == "" {
		return false, nil
	}
	if err := o.Check(m.Inputs); err != nil {
		return false, fmt.Errorf("--image: %w", err)
	}
	set := "by default; --image sets it"
	switch {
	case !flag.IsZero():
		set = "by --image"
	case !file.IsZero():
		set = "by " + from
	}
	if !o.IsZero() {
		m.Handler = &handler.Tensors{Images: o}
	}
	log.Info("images", "model", m.Name, "become", text, "set", set)
	return true, nil
}

// modelConfig reads the model-config.yaml of the folder or archive that a model was named by. path
// is for messages; "" if there is none.
func modelConfig(source string) (path string, data []byte, err error) {
	st, err := os.Stat(source)
	if err != nil {
		return "", nil, nil // the model is no file: builtin:NAME
	}
	if archive.IsArchive(source) || st.IsDir() && archive.IsFolder(source) {
		a, err := archive.Open(source, archive.Limits{})
		if err != nil || a.Config == nil {
			return "", nil, err
		}
		return source + ": " + a.Manifest.Model.Config, a.Config, nil
	}
	if !st.IsDir() {
		return "", nil, nil
	}
	path = filepath.Join(source, "model-config.yaml")
	data, err = os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil, nil
	}
	return path, data, err
}

// folderImages reads the options of that file; the zero options if there is none.
func folderImages(source string) (o handler.ImageOptions, path string, err error) {
	path, data, err := modelConfig(source)
	if err != nil || path == "" {
		return o, path, err
	}
	pairs, err := config.ImageOptions(path, data)
	if err != nil {
		return o, path, err
	}
	for _, p := range pairs {
		if err := o.Set(p.Name, p.Value); err != nil {
			return o, path, fmt.Errorf("%s:%d: handler: image: %w", path, p.Line, err)
		}
	}
	return o, path, nil
}

// saySize logs that a model needs larger bodies than TorchServe takes, and that they are
// taken.
func (f *bodyFlags) saySize(m *engine.Model, log *slog.Logger) {
	if n := handler.BodySize(m.Inputs); f.maxRequest == 0 && n > server.DefaultMaxRequestSize {
		log.Info("request size", "model", m.Name, "largest_body", n, "why",
			fmt.Sprintf("its inputs need it; TorchServe takes %d bytes unless max_request_size says more", server.DefaultMaxRequestSize))
	}
}

// sizeNote says that bodies are larger than TorchServe takes by default; "" if they are not.
func sizeNote(m sweep.ModelInfo) string {
	if m.LargestBody <= server.DefaultMaxRequestSize {
		return ""
	}
	return fmt.Sprintf("bodies of up to %d bytes; TorchServe takes %d by default, so exports set max_request_size", m.LargestBody, server.DefaultMaxRequestSize)
}

// byteSize is a flag with a number of bytes; 0 is not given.
type byteSize int64

// byteUnits are the units of a byteSize, the longer names first.
var byteUnits = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"", 1}}

// Set is pflag.Value's.
func (b *byteSize) Set(text string) error {
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 1 || n > math.MaxInt32/u.bytes {
			break
		}
		*b = byteSize(n * u.bytes)
		return nil
	}
	return fmt.Errorf("want a number of bytes from 1 to %d, such as 30000000, 30MB or 64MiB", math.MaxInt32)
}

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type is pflag.Value's.
func (b *byteSize) Type() string { return "size" }

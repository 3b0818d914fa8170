package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sweetspot/engine"
	"sweetspot/engine/archive"
	"sweetspot/engine/config"
	"sweetspot/engine/handler"
	"sweetspot/engine/handler/torchserve"
	"sweetspot/engine/onnxgraph"
)

// HandlerChoice says which of TorchServe's handlers a model of tensors has. The zero value leaves it to the
// manifest of an archive.
type HandlerChoice struct {
	Handler    string // NAME or NAME,OPTION=VALUE,... as torchserve.Parse reads it; "" is that of the manifest
	Labels     string // the file with the labels; "" is index_to_name.json of the archive or folder
	Vocabulary string // the file of text_classifier; "" is vocab.json of the archive or folder
	// Envelope is the service_envelope of a configuration, which overrides that of an archive; "" is none.
	Envelope string
}

// largestText bounds the files of labels and vocabularies.
const largestText = 256 << 20

// handlerOf is what the files of a model say about its handler.
type handlerOf struct {
	name, envelope string // of the manifest
	dir            string // with the labels and the vocabulary; "" is none
	config         []byte // the model-config.yaml; nil is none
	configName     string // for messages
}

// images returns how pictures become the input: as chosen, else as the model-config.yaml says.
func (h handlerOf) images(chosen handler.ImageOptions) (handler.ImageOptions, error) {
	pairs, err := config.ImageOptions(h.configName, h.config)
	if err != nil {
		return chosen, err
	}
	var file handler.ImageOptions
	for _, p := range pairs {
		if err := file.Set(p.Name, p.Value); err != nil {
			return chosen, fmt.Errorf("%s:%d: handler: image: %w", h.configName, p.Line, err)
		}
	}
	return chosen.Or(file), nil
}

// folderHandler returns what the files of a folder say.
func folderHandler(dir string) (handlerOf, error) {
	h := handlerOf{dir: dir, configName: filepath.Join(dir, "model-config.yaml")}
	var err error
	h.config, _, err = readEither("", dir, "model-config.yaml")
	return h, err
}

// choice returns the choice for a model: that of its name, or else the one for all models.
func (o Options) choice(name string) HandlerChoice {
	if c, ok := o.Handlers[name]; ok {
		return c
	}
	return o.Handlers[""]
}

// newHandler returns the function that makes the handler of a model, not yet initialized; nil if it has none.
func (o Options) newHandler(name, version string, of handlerOf) (func() *torchserve.Handler, error) {
	c := o.choice(name)
	text := c.Handler
	if text == "" && torchserve.IsNamed(of.name) {
		text = of.name
	}
	if text == "" {
		if c.Labels != "" || c.Vocabulary != "" {
			return nil, errors.New("labels and vocabularies are read by a handler; name one with --handler, such as --handler image_classifier")
		}
		return nil, nil
	}
	images, err := of.images(o.Images)
	if err != nil {
		return nil, err
	}
	options, cfg := torchserve.Options{Images: images}, torchserve.Config{Model: name, Version: version}
	envelope := c.Envelope
	if envelope == "" {
		envelope = of.envelope
	}
	if err := cfg.Envelope.UnmarshalText([]byte(envelope)); err != nil {
		return nil, fmt.Errorf("service_envelope: %w", err)
	}
	kind, err := torchserve.Parse(text, &options, &cfg.Envelope)
	if err != nil {
		return nil, fmt.Errorf("handler: %w", err)
	}
	if err := readLabels(&options, c.Labels, of.dir); err != nil {
		return nil, err
	}
	if kind == "text_classifier" {
		if err := readVocabulary(&options, c.Vocabulary, of.dir); err != nil {
			return nil, err
		}
	}
	return func() *torchserve.Handler {
		steps, err := torchserve.Named(kind, options)
		if err != nil {
			panic("catalog: " + err.Error()) // Parse knows the name
		}
		return torchserve.New(steps, cfg)
	}, nil
}

// withHandler gives a model its handler, if it has one.
func withHandler(newHandler func() *torchserve.Handler) func(*engine.Model, error) (*engine.Model, error) {
	return func(m *engine.Model, err error) (*engine.Model, error) {
		if err != nil || newHandler == nil {
			return m, err
		}
		h := newHandler()
		if err := h.Steps().Initialize(m.Inputs, m.Outputs); err != nil { // the engine does it again when it loads the model
			return nil, err
		}
		m.Handler = h
		return m, nil
	}
}

// takesOneText reports whether the handler fills the only dimension of the first input with the tokens of a text, so that
// it is no batch axis: the models of TorchServe's text_classifier begin with an EmbeddingBag.
func takesOneText(newHandler func() *torchserve.Handler, info *onnxgraph.Info) bool {
	if newHandler == nil || len(info.Inputs) == 0 || len(info.Inputs[0].Dims) != 1 {
		return false
	}
	_, ok := newHandler().Steps().(*torchserve.TextClassifier)
	return ok
}

// readLabels reads the labels of a file, or else those of a folder if it has some.
func readLabels(o *torchserve.Options, file, dir string) error {
	data, path, err := readEither(file, dir, torchserve.LabelsFile)
	if err != nil || data == nil {
		return err
	}
	if o.Labels, err = torchserve.ParseLabels(data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readVocabulary reads the vocabulary of a file, or else that of a folder.
func readVocabulary(o *torchserve.Options, file, dir string) error {
	data, path, err := readEither(file, dir, torchserve.VocabularyFile)
	switch {
	case err != nil:
		return err
	case data == nil && dir != "":
		if _, err := os.Stat(filepath.Join(dir, torchserve.PickledFile)); err == nil {
			return torchserve.PickledVocabulary()
		}
		return nil // the handler says what is missing
	case data == nil:
		return nil
	}
	if o.Vocabulary, err = torchserve.ParseVocabulary(data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readEither reads file, or if that is "" the file called name in dir. Without one data is nil.
func readEither(file, dir, name string) (data []byte, path string, err error) {
	path = file
	if path == "" {
		if dir == "" {
			return nil, "", nil
		}
		path = filepath.Join(dir, name)
	}
	info, err := os.Stat(path)
	switch {
	case file == "" && errors.Is(err, fs.ErrNotExist):
		return nil, "", nil
	case err != nil:
		return nil, path, err
	case !info.Mode().IsRegular() || info.Size() > largestText:
		return nil, path, fmt.Errorf("%s: not a file of at most %d bytes", path, largestText)
	}
	data, err = os.ReadFile(path)
	return data, path, err
}

// unusedHandler returns a warning about a handler of an archive that is not run; "" if there is none.
func unusedHandler(m *engine.Model, manifest archive.Model) string {
	if m.Handler != nil || manifest.Handler == "" || manifest.Handler == archive.HandlerFile {
		return ""
	}
	return fmt.Sprintf("the handler %s of the archive is not run: requests have the inputs of the ONNX model, and answers its outputs", manifest.Handler)
}

// Package openapi describes the REST routes in the form in which TorchServe describes its own:
// OpenAPI 3.0.1 with an operation for each method of a path. [Inference],
// [Management] and [Metrics] describe listeners; [Predict] and [Manage] the routes of one
// model.
package openapi

import "maps"

// Version is the version of TorchServe whose API the routes have.
const Version = "0.12.0"

// Document is a description. Its JSON is the answer.
type Document struct {
	OpenAPI string          `json:"openapi"`
	Info    Info            `json:"info"`
	Paths   map[string]Path `json:"paths"`
}

// Info is about the whole API.
type Info struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Version     string `json:"version"`
}

// Path has the operations of a path.
type Path struct {
	Get     *Operation `json:"get,omitempty"`
	Put     *Operation `json:"put,omitempty"`
	Post    *Operation `json:"post,omitempty"`
	Delete  *Operation `json:"delete,omitempty"`
	Options *Operation `json:"options,omitempty"`
}

// Operation is what one method of a path does.
type Operation struct {
	Description string              `json:"description,omitempty"`
	OperationID string              `json:"operationId"`
	Parameters  []Parameter         `json:"parameters"`
	RequestBody *Body               `json:"requestBody,omitempty"`
	Responses   map[string]Response `json:"responses"`
	Deprecated  bool                `json:"deprecated,omitempty"`
}

// Parameter is a part of a path or of a query.
type Parameter struct {
	In          string `json:"in"` // path, query
	Name        string `json:"name"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
	Schema      Schema `json:"schema"`
}

// Body is the body of a request.
type Body struct {
	Description string           `json:"description"`
	Content     map[string]Media `json:"content"`
	Required    bool             `json:"required"`
}

// Response is an answer with one status.
type Response struct {
	Description string           `json:"description"`
	Content     map[string]Media `json:"content,omitempty"`
}

// Media is a body of one media type.
type Media struct {
	Schema Schema `json:"schema"`
}

// Schema is the type of a value.
type Schema struct {
	Type        string            `json:"type,omitempty"`
	Format      string            `json:"format,omitempty"`
	Required    []string          `json:"required,omitempty"`
	Properties  map[string]Schema `json:"properties,omitempty"`
	Items       *Schema           `json:"items,omitempty"`
	Description string            `json:"description,omitempty"`
	Default     string            `json:"default,omitempty"`
	Enum        []string          `json:"enum,omitempty"`
}

// newDocument returns a description of the paths and of what every listener has.
func newDocument(paths ...map[string]Path) *Document {
	d := &Document{
		OpenAPI: "3.0.1",
		Info:    Info{"TorchServe APIs", "sweetspot serves models with the API of TorchServe.", Version},
		Paths:   map[string]Path{},
	}
	for _, part := range paths {
		maps.Copy(d.Paths, part)
	}
	return d
}

// Inference describes the inference listener.
func Inference() *Document {
	return newDocument(inference(), explanations(), openInference(), description(), metrics())
}

// Management describes the management listener.
func Management() *Document { return newDocument(management(), description(), metrics()) }

// Metrics describes the metrics listener.
func Metrics() *Document { return newDocument(description(), metrics()) }

// Predict describes the predictions of one model. input and output describe its data.
func Predict(model, input, output string) *Document {
	o := predict("predict", "Predicts with the model "+model+".", input, output)
	return newDocument(map[string]Path{
		"/predictions/" + model:                      {Post: o},
		"/v1/models/" + model + ":predict":           {Post: o},
		"/v2/models/" + model + "/infer":             {Post: o},
		"/models/" + model + "/invoke":               {Post: o},
		"/" + model + "/predict":                     {Post: o},
		"/predictions/" + model + "/{model_version}": {Post: o.with(pathParameter("model_version", "Version of the model."))},
		"/explanations/" + model:                     {Post: explain("explain")},
		"/v1/models/" + model + ":explain":           {Post: explain("v1_explain")},
	})
}

// Manage describes the management of one model.
func Manage() *Document {
	all := management()
	delete(all, "/models")
	return newDocument(all)
}

// jsonType is the media type of most answers.
const jsonType = "application/json"

func object(properties map[string]Schema, required ...string) Schema {
	return Schema{Type: "object", Properties: properties, Required: required}
}

func text(description string) Schema { return Schema{Type: "string", Description: description} }

func content(media string, s Schema) map[string]Media { return map[string]Media{media: {s}} }

// failure is an answer with an error body.
func failure(description string) Response {
	return Response{description, content(jsonType, object(map[string]Schema{
		"code":    {Type: "integer", Description: "The status."},
		"type":    text("The kind of error."),
		"message": text("What is wrong, and what to do."),
	}, "code", "type", "message"))}
}

// status is an answer with a status text.
func status(description string) Response {
	return Response{description, content(jsonType, object(map[string]Schema{"status": text("What has happened.")}, "status"))}
}

func pathParameter(name, description string) Parameter {
	return Parameter{"path", name, description, true, Schema{Type: "string"}}
}

// query is an optional parameter; byDefault is "" if there is no default.
func query(name, kind, byDefault, description string) Parameter {
	return Parameter{In: "query", Name: name, Description: description, Schema: Schema{Type: kind, Default: byDefault}}
}

// with returns the operation with one more parameter.
func (o *Operation) with(p Parameter) *Operation {
	c := *o
	c.Parameters = append(append([]Parameter{}, o.Parameters...), p)
	return &c
}

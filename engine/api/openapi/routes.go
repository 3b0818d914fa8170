package openapi

// description has the routes of the descriptions themselves.
func description() map[string]Path {
	answer := map[string]Response{
		"200": {"An OpenAPI 3.0.1 description.", content(jsonType, object(map[string]Schema{
			"openapi": text("3.0.1"), "info": {Type: "object"}, "paths": {Type: "object"},
		}, "openapi", "info", "paths"))},
		"500": failure("Internal error."),
	}
	op := func(id string, old bool) *Operation {
		return &Operation{Description: "Describes the API.", OperationID: id, Parameters: []Parameter{}, Responses: answer, Deprecated: old}
	}
	return map[string]Path{
		"/":                {Options: op("apiDescription", false)},
		"/api-description": {Get: op("api-description", true)},
	}
}

func metrics() map[string]Path {
	return map[string]Path{"/metrics": {Get: &Operation{
		Description: "Metrics in the text format of Prometheus, on the metrics listener.", OperationID: "metrics",
		Parameters: []Parameter{query("name[]", "string", "", "Only the metrics of this name; may be repeated.")},
		Responses:  map[string]Response{"200": {"The metrics.", content("text/plain; version=0.0.4; charset=utf-8", text(""))}},
	}}}
}

// predict is a prediction.
func predict(id, description, input, output string) *Operation {
	bytes := content("*/*", Schema{Type: "string", Format: "binary"})
	return &Operation{
		Description: description, OperationID: id, Parameters: []Parameter{},
		RequestBody: &Body{input, bytes, true},
		Responses: map[string]Response{
			"200": {output, bytes},
			"400": failure("The body is not valid for the model."),
			"404": failure("There is no such model or version."),
			"413": failure("The body is too large."),
			"500": failure("The model failed."),
			"503": failure("The queue is full or no worker can run the request; Retry-After says when to try again."),
		},
	}
}

// The parameters of a model's path.
var (
	modelName    = pathParameter("model_name", "Name of the model.")
	modelVersion = pathParameter("model_version", "Version of the model.")
)

func inference() map[string]Path {
	const in, out = "As the model defines it.", "As the model defines it."
	one := predict("predictions", "Predicts with the default version of a model.", in, out).with(modelName)
	version := predict("version_predictions", "Predicts with a version of a model.", in, out).with(modelName).with(modelVersion)
	state := func(id, what string, statuses map[string]Response) *Operation {
		return &Operation{Description: what, OperationID: id, Parameters: []Parameter{}, Responses: statuses}
	}
	invocations := predict("invocations", "Predicts with a model; without a name with the only one.", in, out)
	return map[string]Path{
		"/ping":                           {Get: state("ping", "Health of the server.", map[string]Response{"200": status("Healthy."), "500": status("A model has too few workers.")})},
		"/ready":                          {Get: state("ready", "Whether all models can answer.", map[string]Response{"200": status("Ready."), "503": status("Some cannot.")})},
		"/predictions/{model_name}":       {Post: one},
		"/v1/models":                      {Get: state("v1_models", "Names of the models.", map[string]Response{"200": {"The names.", content(jsonType, Schema{Type: "object"})}})},
		"/v1/models/{model_name}":         {Get: state("v1_ready", "Whether a model can answer.", map[string]Response{"200": {"It can.", nil}, "503": {"It cannot.", nil}}).with(modelName)},
		"/v1/models/{model_name}:predict": {Post: one},
		"/invocations":                    {Post: invocations.with(query("model_name", "string", "", "Name of the model."))},
		"/models/{model_name}/invoke":     {Post: one},
		"/{model_name}/predict":           {Post: one},
		"/predictions/{model_name}/{model_version}": {Post: version},
	}
}

// explanations are the routes of explanations.
func explanations() map[string]Path {
	one := explain("explanations").with(modelName)
	v1 := explain("v1_explain").with(modelName)
	version := explain("version_explanations").with(modelName).with(modelVersion)
	return map[string]Path{
		"/explanations/{model_name}": {Post: one}, "/v1/models/{model_name}:explain": {Post: v1},
		"/explanations/{model_name}/{model_version}": {Post: version},
	}
}

// explain is an explanation.
func explain(id string) *Operation {
	o := predict(id, "Explains an output of a model by feature ablation or occlusion.", "As for a prediction.", "A number for each element of the input, nested as the input.")
	o.Parameters = []Parameter{
		query("method", "string", "default", "ablation or occlusion; default is occlusion for pictures."),
		query("input", "string", "", "Name of the input; the first one without it."),
		query("output", "string", "", "Name of the output; the first one without it."),
		query("target", "string", "", "Index of the explained element of the output; the largest one without it."),
		query("baseline", "number", "0", "What replaces the elements of a feature."),
		query("window", "string", "", "Of an occlusion: a size for each axis, such as 3,16,16."),
		query("stride", "string", "", "Of an occlusion: a step for each axis, or one for all."),
		query("features", "string", "elements", "Of an ablation: elements, channels or rows."),
		query("mask", "string", "", "Of an ablation: the number of the feature of each element."),
		query("answer", "string", "attributions", "attributions, details or grid."),
	}
	o.Responses["501"] = failure("The model has no explanations.")
	return o
}

// openInference has the routes of the Open Inference Protocol.
func openInference() map[string]Path {
	get := func(id, what string, answer Response) *Operation {
		return &Operation{Description: what, OperationID: id, Parameters: []Parameter{}, Responses: map[string]Response{"200": answer}}
	}
	object := func(description string) Response {
		return Response{description, content(jsonType, Schema{Type: "object"})}
	}
	ready := func(id, what string) *Operation {
		o := get(id, what, object("It can."))
		o.Responses["503"] = object("It cannot.")
		return o
	}
	paths := map[string]Path{
		"/v2":                  {Get: get("v2_server", "Describes the server, for clients of the Open Inference Protocol.", object("Name, version and extensions."))},
		"/v2/health/live":      {Get: get("v2_live", "Whether the server lives.", object("It does."))},
		"/v2/health/ready":     {Get: ready("v2_ready", "Whether all models can answer.")},
		"/v2/models":           {Get: get("v2_models", "Names of the models.", object("The names."))},
		"/v2/repository/index": {Post: get("v2_index", "All versions with their states.", Response{"The versions.", content(jsonType, Schema{Type: "array", Items: &Schema{Type: "object"}})})},
	}
	infer := predict("v2_infer", "Predicts with the tensors of a model.", "Inputs as JSON, or JSON with the bytes of tensors behind it and its length in the header Inference-Header-Content-Length.", "Outputs in the same form.")
	one := func(id, path string, with func(*Operation) *Operation) {
		paths[path] = Path{Get: with(get("v2"+id+"_model", "Inputs, outputs and versions of a model.", object("The description.")))}
		paths[path+"/ready"] = Path{Get: with(ready("v2"+id+"_model_ready", "Whether a model can answer."))}
		o := *infer
		o.OperationID += id
		paths[path+"/infer"] = Path{Post: with(&o)}
	}
	one("", "/v2/models/{model_name}", func(o *Operation) *Operation { return o.with(modelName) })
	one("_version", "/v2/models/{model_name}/versions/{model_version}", func(o *Operation) *Operation { return o.with(modelName).with(modelVersion) })
	return paths
}

func management() map[string]Path {
	manage := func(id string, more ...Parameter) Path {
		return Path{
			Get: describe(id).withAll(more), Put: scale(id).withAll(more), Delete: unregister(id).withAll(more),
		}
	}
	return map[string]Path{
		"/models":                              {Get: list(), Post: register()},
		"/models/{model_name}":                 manage("", modelName),
		"/models/{model_name}/{model_version}": manage("version_", modelName, modelVersion),
		"/models/{model_name}/{model_version}/set-default": {Put: &Operation{
			Description: "Makes a version the default one, which answers requests that name none.", OperationID: "setDefault",
			Parameters: []Parameter{modelName, modelVersion},
			Responses:  map[string]Response{"200": status("It is the default version."), "404": failure("There is no such model or version.")},
		}},
	}
}

// withAll returns the operation with parameters before its own.
func (o *Operation) withAll(first []Parameter) *Operation {
	c := *o
	c.Parameters = append(append([]Parameter{}, first...), o.Parameters...)
	return &c
}

func list() *Operation {
	model := object(map[string]Schema{"modelName": text("Name of the model."), "modelUrl": text("Where it is from.")}, "modelName", "modelUrl")
	return &Operation{
		Description: "Lists the models by name.", OperationID: "listModels",
		Parameters: []Parameter{
			query("limit", "integer", "100", "Most models in the answer, 1 to 100."),
			query("next_page_token", "integer", "0", "The nextPageToken of the answer before."),
		},
		Responses: map[string]Response{"200": {"The models.", content(jsonType, object(map[string]Schema{
			"nextPageToken": text("For the next request; absent if there are no more models."),
			"models":        {Type: "array", Items: &model},
		}, "models"))}},
	}
}

func register() *Operation {
	return &Operation{
		Description: "Registers a model.", OperationID: "registerModel",
		Parameters: []Parameter{
			{"query", "url", "A file or folder of the model store, or a URL if the server allows it.", true, Schema{Type: "string"}},
			query("model_name", "string", "", "Name of the model; its own by default."),
			query("handler", "string", "", "Handler; that of the model by default."),
			query("runtime", "string", "", "Runtime; that of the model by default."),
			query("batch_size", "integer", "1", "Most requests in a batch."),
			query("max_batch_delay", "number", "100", "Longest wait for a batch to fill, in ms."),
			query("initial_workers", "integer", "0", "Number of workers."),
			query("synchronous", "boolean", "true", "Answer when the workers are ready."),
			query("response_timeout", "integer", "", "Longest run of a batch, in s."),
			query("startup_timeout", "integer", "120", "Longest start of the workers, in s."),
		},
		Responses: map[string]Response{
			"200": status("The model is registered."), "202": status("The workers are being started."),
			"206": status("Fewer workers run than were asked for."),
			"400": failure("The request or the model is not valid."), "404": failure("There is no such file, or it is not allowed."),
			"405": failure("The server does not allow it."), "409": failure("The model is registered already."), "500": failure("The workers did not start."),
		},
	}
}

func describe(id string) *Operation {
	return &Operation{
		Description: "Describes a model; the version all stands for all of them.", OperationID: id + "describeModel",
		Parameters: []Parameter{query("customized", "boolean", "false", "Also what the model itself says.")},
		Responses: map[string]Response{
			"200": {"A list of versions.", content(jsonType, Schema{Type: "array", Items: &Schema{Type: "object"}})},
			"404": failure("There is no such model or version."),
		},
	}
}

func scale(id string) *Operation {
	return &Operation{
		Description: "Sets the range of the number of workers, and the batch size and delay.", OperationID: id + "setAutoScale",
		Parameters: []Parameter{
			query("min_worker", "integer", "1", "Fewest workers."),
			query("max_worker", "integer", "", "Most workers; min_worker by default."),
			query("batch_size", "integer", "", "Most requests in a batch; unchanged by default."),
			query("max_batch_delay", "number", "", "Longest wait for a batch to fill, in ms; unchanged by default."),
			query("synchronous", "boolean", "false", "Answer when it is done."),
			query("timeout", "integer", "-1", "Longest time that a synchronous request waits, in s; then 206. -1 waits until it is done."),
		},
		Responses: map[string]Response{
			"200": status("It is done."), "202": status("It is being done."), "206": status("It is not done yet, and continues."),
			"400": failure("A parameter is not valid."), "404": failure("There is no such model or version."), "500": failure("It failed, and nothing has changed."),
		},
	}
}

func unregister(id string) *Operation {
	return &Operation{
		Description: "Unregisters a version; requests that it has accepted are answered.", OperationID: id + "unregisterModel",
		Parameters: []Parameter{},
		Responses: map[string]Response{
			"200": status("It is unregistered."), "403": failure("It is the default version, and there are others."),
			"404": failure("There is no such model or version."), "405": failure("The server does not allow it."), "408": failure("Its requests were not answered in time."),
		},
	}
}

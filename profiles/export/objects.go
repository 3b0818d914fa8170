package export

// The Kubernetes objects of a KServe file, with the fields that are written.
type (
	configMap struct {
		APIVersion string            `yaml:"apiVersion"`
		Kind       string            `yaml:"kind"`
		Metadata   metadata          `yaml:"metadata"`
		Data       map[string]string `yaml:"data"`
	}
	inferenceService struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   metadata `yaml:"metadata"`
		Spec       struct {
			Predictor predictor `yaml:"predictor"`
		} `yaml:"spec"`
	}
	metadata struct {
		Name string `yaml:"name"`
	}
	predictor struct {
		MinReplicas          int         `yaml:"minReplicas"`
		ContainerConcurrency int         `yaml:"containerConcurrency"`
		ScaleMetric          string      `yaml:"scaleMetric,omitempty"`
		ScaleTarget          int         `yaml:"scaleTarget,omitempty"`
		Containers           []container `yaml:"containers"`
		Volumes              []volume    `yaml:"volumes"`
	}
	container struct {
		Name           string   `yaml:"name"`
		Image          string   `yaml:"image"`
		Command        []string `yaml:"command,flow"`
		Args           []string `yaml:"args,flow"`
		Env            []env    `yaml:"env"`
		Ports          []port   `yaml:"ports"`
		ReadinessProbe struct {
			HTTPGet struct {
				Path string `yaml:"path"`
				Port int    `yaml:"port"`
			} `yaml:"httpGet"`
		} `yaml:"readinessProbe"`
		Resources struct {
			Requests map[string]string `yaml:"requests"`
			Limits   map[string]string `yaml:"limits"`
		} `yaml:"resources"`
		VolumeMounts []mount `yaml:"volumeMounts"`
	}
	env struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	}
	port struct {
		Name string `yaml:"name"`
		Port int    `yaml:"containerPort"`
	}
	mount struct {
		Name string `yaml:"name"`
		Path string `yaml:"mountPath"`
	}
	volume struct {
		Name      string   `yaml:"name"`
		ConfigMap metadata `yaml:"configMap"`
	}
)

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// latencyCores is how many cores the launcher's --latency_mode gives each worker.
const latencyCores = 4

// The reasons why sweetspot serve ignores an option of the launcher.
const (
	noProgram  = "no other program is started"
	allowedSet = "workers have the cores that the process may use; taskset, numactl or the container limits them"
	byWorkers  = "the number of workers of the model decides"
)

// launcherOption is an option of PyTorch's torch.backends.xeon.run_cpu. Newer ones take its name
// with - as well as with _.
type launcherOption struct {
	name    string
	value   bool   // the next word is its value
	number  bool   // which is a whole number
	ignored string // why sweetspot serve ignores it; "" if it does not
}

// launcherOptions has the options of PyTorch 1.13 to 2.6.
var launcherOptions = []launcherOption{
	{"ncores_per_instance", true, true, ""},
	{"latency_mode", false, false, ""},
	{"ninstances", true, true, byWorkers},
	{"rank", true, true, byWorkers},
	{"throughput_mode", false, false, "each worker has an equal share of the cores"},
	{"node_id", true, true, allowedSet},
	{"core_list", true, false, allowedSet},
	{"use_logical_core", false, false, "all cores that the process may use count, logical ones too"},
	{"skip_cross_node_cores", false, false, allowedSet},
	{"disable_numactl", false, false, noProgram},
	{"disable_taskset", false, false, noProgram},
	{"enable_tcmalloc", false, false, noProgram},
	{"enable_jemalloc", false, false, noProgram},
	{"use_default_allocator", false, false, noProgram},
	{"disable_iomp", false, false, noProgram},
	{"log_path", true, false, noProgram},
	{"log_file_prefix", true, false, noProgram},
	{"multi_instance", false, false, byWorkers},
	{"no_python", false, false, noProgram},
	{"module", false, false, noProgram},
}

// findLauncherOption finds an option by its name without the dashes, or by the beginning of one
// name only, as the launcher does.
func findLauncherOption(name string) (launcherOption, bool) {
	name = strings.ReplaceAll(name, "-", "_")
	var found []launcherOption
	for _, o := range launcherOptions {
		if o.name == name {
			return o, true
		}
		if name != "" && strings.HasPrefix(o.name, name) {
			found = append(found, o)
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	return launcherOption{}, false
}

// launcherArg is an option as it is written in cpu_launcher_args.
type launcherArg struct {
	launcherOption
	text  string // with its dashes
	value string
	n     int // of a number
	wrong string
}

// readLauncher reads cpu_launcher_args, up to the first word that the launcher refuses.
func readLauncher(value string) []launcherArg {
	var out []launcherArg
	words := strings.Fields(value)
	for len(words) > 0 {
		a := launcherArg{}
		var inline bool
		a.text, a.value, inline = strings.Cut(words[0], "=")
		words = words[1:]
		o, known := findLauncherOption(strings.TrimPrefix(a.text, "--"))
		a.launcherOption = o
		switch {
		case a.text == "-m":
			a.launcherOption, known = launcherOption{name: "module", ignored: noProgram}, true
		case !strings.HasPrefix(a.text, "--"):
			a.launcherOption, known = launcherOption{}, false
		}
		takes := a.launcherOption.value
		if takes && !inline && len(words) > 0 && !strings.HasPrefix(words[0], "--") {
			a.value, words, inline = words[0], words[1:], true
		}
		var err error
		if a.number && inline {
			a.n, err = strconv.Atoi(a.value)
		}
		switch {
		case !known:
			a.wrong = "is no option of torch.backends.xeon.run_cpu"
		case takes && !inline:
			a.wrong = "has no value"
		case !takes && inline:
			a.wrong = "takes no value"
		case err != nil:
			a.wrong = "needs a whole number, not " + quoteText(a.value)
		}
		out = append(out, a)
		if a.wrong != "" {
			break
		}
	}
	return out
}

// launcherCores returns how many cores the arguments give each worker; 0 if they do not say.
func launcherCores(args []launcherArg) int {
	cores := 0
	for _, a := range args {
		if a.wrong != "" {
			return 0 // the launcher refuses all
		}
		if a.name == "ncores_per_instance" {
			cores = max(0, a.n)
		}
	}
	if slices.ContainsFunc(args, func(a launcherArg) bool { return a.name == "latency_mode" }) {
		return latencyCores // it has priority
	}
	return cores
}

// launcher reports what the CPU launcher does with cpu_launcher_args.
func (v *checker) launcher() {
	l, ok := v.lookup(keyLauncherArgs)
	if !ok || strings.TrimSpace(l.Value) == "" {
		return
	}
	if !v.t.CPULauncher {
		v.addf(Differs, l, "", nil, "write cpu_launcher_enable=true too, or remove it", "it has no effect without cpu_launcher_enable=true")
		return
	}
	args := readLauncher(l.Value)
	const unpinned = "TorchServe starts the workers without the launcher, and no worker has cores of its own"
	for _, a := range args {
		if a.wrong != "" {
			v.addf(Differs, l, "", nil, "", "%s %s: %s", a.text, a.wrong, unpinned)
			return
		}
	}
	if clean := strings.Join(strings.Fields(l.Value), " "); clean != strings.TrimRight(l.Value, " ") {
		v.addf(Differs, l, "", setPair(l, clean), "write one blank", "two blanks together are an empty argument, the program to start: %s", unpinned)
	}
	v.t.LauncherCores = launcherCores(args)
	named := func(name string) bool {
		return slices.ContainsFunc(args, func(a launcherArg) bool { return a.name == name })
	}
	switch {
	case named("latency_mode"), named("throughput_mode"):
		v.addf(Hinders, l, "", nil, "write --ncores_per_instance",
			"a mode decides how many instances there are, whatever the workers: a model of one worker gets several processes at one socket, and workers beyond the instances do not start")
	case named("ncores_per_instance") && !named("ninstances"):
		v.addf(Hinders, l, "", setPair(l, strings.TrimSpace(l.Value)+" --ninstances 1"), "add --ninstances 1",
			"for a model of one worker the launcher starts a process for each group of cores, all at one socket; TorchServe says --ninstances itself for more workers")
	}
	for _, a := range args {
		if strings.Contains(strings.TrimPrefix(a.text, "--"), "-") && a.text != "-m" {
			v.addf(Note, l, "", nil, "", "older PyTorch, such as 1.13, knows %s with _ only, and starts the workers without the launcher", a.text)
		}
		if a.ignored != "" && !(a.name == "ninstances" && a.n == 1) {
			v.addf(Note, l, "", nil, "", "sweetspot serve ignores %s: %s", a.text, a.ignored)
		}
	}
}

// unusedLauncher returns a line for each option that sweetspot serve ignores.
func (f *File) unusedLauncher(l Line) []string {
	var out []string
	for _, a := range readLauncher(l.Value) {
		if a.ignored != "" && a.wrong == "" {
			out = append(out, fmt.Sprintf("%s: %s: %s is ignored: %s", f.From(l.Key), l.Key, a.text, a.ignored))
		}
	}
	return out
}

package export

import (
	"errors"
	"fmt"
	"strings"

	"sweetspot/engine/config"
)

// storeInContainer is the folder of archives in the image of TorchServe.
const storeInContainer = "/home/model-server/model-store"

// script returns a shell script that contains the configuration and starts a server with
// it. It overwrites no file.
func script(title string, s Source, notes []string, f *config.File, commands string) []byte {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	b.Write(heading(title, s, notes))
	b.WriteString("set -eu\nconfig=$(mktemp)\ntrap 'rm -f \"$config\"' EXIT HUP INT TERM\ncat >\"$config\" <<'END'\n")
	b.Write(f.Encode())
	b.WriteString("END\n" + commands)
	return []byte(b.String())
}

func writeShell(s Source) []byte {
	env := []string{threadsEnv("OMP", s), threadsEnv("MKL", s)}
	if n := visibleGPU(s); n != "" {
		env = append(env, "CUDA_VISIBLE_DEVICES="+n)
	}
	return script("TorchServe", s, shellNotes(s), properties(s),
		strings.Join(env, " ")+" \\\n  torchserve --start --foreground --ncs --ts-config \"$config\"\n")
}

func threadsEnv(library string, s Source) string {
	return fmt.Sprintf("%s_NUM_THREADS=%d", library, s.Settings.Threads)
}

// visibleGPU returns the number of the GPU for CUDA_VISIBLE_DEVICES; "" if the settings have
// no number, because TorchServe accepts only numbers.
func visibleGPU(s Source) string {
	if ids := deviceIDs(s); ids != nil {
		return itoa(ids[0])
	}
	return ""
}

func shellNotes(s Source) []string {
	out := append(torchServeNotes(s, true), sizeNotes(s, true)...)
	if id, on := gpu(s.Settings.Device); on && id != "" && visibleGPU(s) == "" {
		out = append(out, fmt.Sprintf("device %s is not set: TorchServe accepts only numbers in CUDA_VISIBLE_DEVICES; add the number of that GPU.", s.Settings.Device))
	}
	return append(out, fmt.Sprintf("model_store is the folder that contains %s: change it to your folder.", archive(s)))
}

func shellFields(s Source) []field {
	out := append(propertiesFields(s),
		field{"OMP_NUM_THREADS", itoa(s.Settings.Threads)},
		field{"MKL_NUM_THREADS", itoa(s.Settings.Threads)},
		field{"command", "torchserve --start --foreground --ncs --ts-config $config"},
	)
	if n := visibleGPU(s); n != "" {
		out = append(out, field{"CUDA_VISIBLE_DEVICES", n})
	}
	return out
}

// readShell parses the configuration in the script, and its last command with its
// environment variables.
func readShell(data []byte, s Source) (map[string]string, error) {
	out, last, err := readScript(data, s)
	if err != nil {
		return nil, err
	}
	for len(last) > 0 {
		name, value, set := strings.Cut(last[0], "=")
		if !set {
			break
		}
		out[name], last = value, last[1:]
	}
	out["command"] = strings.Join(last, " ")
	return out, nil
}

// dockerSource returns s with the folder of archives in the container.
func dockerSource(s Source) Source {
	s.ModelStore, s.Envelope = storeInContainer, ""
	return s
}

func writeDocker(s Source) []byte {
	lines := []string{
		"docker run --rm --init --shm-size 1g",
		fmt.Sprintf("--env %s --env %s", threadsEnv("OMP", s), threadsEnv("MKL", s)),
		"--publish 127.0.0.1:8080:8080 --publish 127.0.0.1:8082:8082",
		fmt.Sprintf(`--mount "type=bind,\"source=$store\",target=%s,readonly"`, storeInContainer),
		`--mount "type=bind,\"source=$config\",target=/home/model-server/config.properties,readonly"`,
	}
	if d := dockerGPU(s); d != "" {
		lines = append(lines, "--gpus "+quote(d))
	}
	lines = append(lines, "--entrypoint torchserve "+image(s), "--start --foreground --ncs --ts-config /home/model-server/config.properties")
	return script("TorchServe's container", s, dockerNotes(s), containerProperties(dockerSource(s)),
		"chmod 644 \"$config\"\nstore=$(cd -- "+quote(s.ModelStore)+" && pwd)\n"+strings.Join(lines, " \\\n  ")+"\n")
}

// dockerGPU returns the value of --gpus; "" for the CPU.
func dockerGPU(s Source) string {
	id, on := gpu(s.Settings.Device)
	switch {
	case !on:
		return ""
	case id == "":
		return "device=0"
	}
	return "device=" + id
}

func dockerNotes(s Source) []string {
	return append(append(torchServeNotes(s, true), sizeNotes(s, true)...),
		fmt.Sprintf("The folder in the line store= contains %s: change it to your folder.", archive(s)),
		"The ports are open on this machine only: inference on 8080, metrics on 8082. Tokens are disabled, and the management API can be reached only in the container.",
	)
}

func dockerFields(s Source) []field {
	return append(propertiesFields(dockerSource(s)),
		field{"inference_address", "http://0.0.0.0:8080"},
		field{"OMP_NUM_THREADS", itoa(s.Settings.Threads)},
		field{"MKL_NUM_THREADS", itoa(s.Settings.Threads)},
		field{"image", image(s)},
		field{"store", s.ModelStore},
		field{"--gpus", dockerGPU(s)},
		field{"arguments", "--start --foreground --ncs --ts-config /home/model-server/config.properties"},
	)
}

// readDocker parses the configuration in the script and the arguments of docker run.
func readDocker(data []byte, s Source) (map[string]string, error) {
	out, last, err := readScript(data, dockerSource(s))
	if err != nil {
		return nil, err
	}
	if len(last) < 2 || last[0] != "docker" || last[1] != "run" {
		return nil, errors.New("the last command is not docker run")
	}
	out["--gpus"] = ""
	switches := []string{"--rm", "--init"} // flags without a value
	words := last[2:]
	for len(words) > 1 && strings.HasPrefix(words[0], "--") {
		if words[0] == switches[0] || words[0] == switches[1] {
			words = words[1:]
			continue
		}
		flag, value := words[0], words[1]
		words = words[2:]
		if name, set, ok := strings.Cut(value, "="); ok && flag == "--env" {
			out[name] = set
		} else {
			out[flag] = value
		}
	}
	if len(words) > 0 {
		out["image"], out["arguments"] = words[0], strings.Join(words[1:], " ")
	}
	return out, nil
}

// readScript parses a script: the configuration in its here-document, the model store, and
// the words of its last command.
func readScript(data []byte, s Source) (out map[string]string, last []string, err error) {
	before, rest, ok := strings.Cut(string(data), "<<'END'\n")
	text, after, complete := strings.Cut(rest, "\nEND\n")
	if !ok || !complete {
		return nil, nil, errors.New("no configuration between <<'END' and END")
	}
	if out, err = readProperties([]byte(text+"\n"), s); err != nil {
		return nil, nil, err
	}
	f, err := config.Parse("config.properties", []byte(text+"\n"))
	if err != nil {
		return nil, nil, err
	}
	out["inference_address"] = f.Get("inference_address")
	for _, part := range []string{before, after} {
		commands, err := split(part)
		if err != nil {
			return nil, nil, err
		}
		for _, words := range commands {
			last = words
			if dir, ok := strings.CutPrefix(words[0], "store="); ok {
				if out["store"], err = folder(dir); err != nil {
					return nil, nil, err
				}
			}
		}
	}
	return out, last, nil
}

// folder returns FOLDER of $(cd -- FOLDER && pwd).
func folder(text string) (string, error) {
	inner := strings.TrimSuffix(strings.TrimPrefix(text, "$("), ")")
	commands, err := split(inner)
	if err != nil {
		return "", err
	}
	if len(commands) != 1 || len(commands[0]) != 5 || commands[0][0] != "cd" {
		return "", fmt.Errorf("store=%s: want $(cd -- FOLDER && pwd)", text)
	}
	return commands[0][2], nil
}

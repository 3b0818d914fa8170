package provider

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Libraries returns the file names of the libraries that a provider needs beside ONNX Runtime's own;
// none if it is part of that.
func Libraries(n Name) []string {
	switch n {
	case CUDA:
		return []string{"libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"}
	case TensorRT:
		return []string{"libonnxruntime_providers_shared.so", "libonnxruntime_providers_tensorrt.so"}
	}
	return nil
}

// Needed returns the libraries that the provider at library needs of the system, from the files of the
// provider in the folder of the library, and the missing files. It reads the files and loads nothing.
func Needed(n Name, library string) (needed, missing []string, err error) {
	dir := filepath.Dir(library)
	if real, err := filepath.EvalSymlinks(library); err == nil {
		dir = filepath.Dir(real)
	}
	for _, name := range Libraries(n) {
		f, err := elf.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, filepath.Join(dir, name))
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
		names, err := f.ImportedLibraries()
		f.Close()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
		for _, one := range names {
			if isOfGPU(one) && !slices.Contains(needed, one) {
				needed = append(needed, one)
			}
		}
	}
	return needed, missing, nil
}

// isOfGPU reports whether a library belongs to NVIDIA's driver, CUDA, cuDNN or TensorRT; the others are
// on every machine.
func isOfGPU(name string) bool {
	for _, part := range []string{"libcu", "libnv"} {
		if strings.HasPrefix(name, part) {
			return true
		}
	}
	return false
}

// parts says what to install for a missing library, by the start of its name; the first that fits.
var parts = []struct{ prefix, what string }{
	{"libcuda.so", "the NVIDIA driver"},
	{"libcudnn", "cuDNN"},
	{"libnvinfer", "TensorRT"},
	{"libnvonnxparser", "TensorRT"},
	{"libcu", toolkit},
	{"libnv", toolkit},
}

const toolkit = "the CUDA toolkit"

// partOf returns what a library is part of, with the major version that its name has: "cuDNN 9".
func partOf(library string) string {
	for _, p := range parts {
		if !strings.HasPrefix(library, p.prefix) {
			continue
		}
		_, version, _ := strings.Cut(library, ".so.")
		// The numbers of some parts of the toolkit are their own; that of the runtime is the toolkit's.
		if p.what == "the NVIDIA driver" || version == "" || p.what == toolkit && !strings.HasPrefix(library, "libcudart") {
			return p.what
		}
		return p.what + " " + version
	}
	return ""
}

// The texts of ONNX Runtime 1.24-1.30 and of the dynamic linker.
var (
	missingFile = regexp.MustCompile(`(lib[\w.+-]+\.so[\w.]*): cannot open shared object file`)
	noVulkan    = regexp.MustCompile(`(?i)Couldn't load Vulkan|No supported adapters|Failed to get a WebGPU adapter`)
	noHalf      = regexp.MustCompile(`(?i)requires f16|shader-f16|device does not support it`)
	notBuilt    = regexp.MustCompile(`(?i)not supported in this build|Unknown provider name|not enabled in this build|Failed to find symbol|is not available`)
	noDevice    = regexp.MustCompile(`(?i)no CUDA-capable device|CUDA driver version is insufficient|cudaErrorNoDevice|CUDA failure 100|CUDA failure 35`)
	noMemory    = regexp.MustCompile(`(?i)out of memory|CUDA failure 2\b|Available memory of`)
)

// Diagnose returns what an error of a probe means, and what to do. missing are the libraries that the
// linker does not find; empty if that is not known.
func Diagnose(n Name, text string, missing []string) (why, fix string) {
	if m := missingFile.FindAllStringSubmatch(text, -1); len(missing) == 0 {
		for _, one := range m {
			missing = append(missing, one[1])
		}
	}
	switch {
	case noHalf.MatchString(text):
		return "the GPU or its driver has no 16-bit arithmetic (shader-f16)", ""
	case len(missing) > 0:
		return missingText(n, missing)
	case noVulkan.MatchString(text):
		return "WebGPU finds no GPU that it can use", "install the Vulkan loader (Debian, Ubuntu: libvulkan1) and the Vulkan driver of the GPU"
	case noDevice.MatchString(text):
		return "CUDA finds no GPU, or the NVIDIA driver is older than this CUDA needs", "compare nvidia-smi with the CUDA version of the library, and look at CUDA_VISIBLE_DEVICES"
	case noMemory.MatchString(text):
		return "the memory of the GPU is used up", "end other programs on it"
	case notBuilt.MatchString(text):
		return fmt.Sprintf("this ONNX Runtime was built without %s", n), getOne(n)
	}
	return text, ""
}

// missingText names the missing libraries and what has them.
func missingText(n Name, missing []string) (why, fix string) {
	var install []string
	own := false
	for _, name := range missing {
		base := filepath.Base(name)
		if strings.HasPrefix(base, "libonnxruntime_providers_") {
			own = true
			continue
		}
		what := partOf(base)
		if i := slices.Index(install, toolkit); i >= 0 && strings.HasPrefix(what, toolkit) {
			install[i] = what // it has a version now
		} else if what != "" && !slices.ContainsFunc(install, func(s string) bool { return strings.HasPrefix(s, what) }) {
			install = append(install, what)
		}
	}
	why = strings.Join(missing, ", ") + " is missing"
	if len(missing) > 1 {
		why = strings.Join(missing, ", ") + " are missing"
	}
	switch {
	case own:
		return why, getOne(n)
	case len(install) > 0:
		return why, "install " + strings.Join(install, ", ")
	}
	return why, ""
}

// getOne says how to get an ONNX Runtime with a provider.
func getOne(n Name) string {
	if n == WebGPU {
		return "that of make ort has it on linux/amd64"
	}
	return "this ONNX Runtime runs on the CPU and on WebGPU; for " + string(n) +
		" install the wheel onnxruntime-gpu of the same release and set SWEETSPOT_ONNXRUNTIME to its libonnxruntime.so, see docs/gpu.md"
}

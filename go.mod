module sweetspot

go 1.26.8

require (
	charm.land/bubbles/v2 v2.2.1 // key bindings and spinner of the screen
	charm.land/bubbletea/v2 v2.0.10 // the screen's loop; v2.1.1 needs a module that cannot be had everywhere
	charm.land/lipgloss/v2 v2.0.6 // colours of the screen
	github.com/HdrHistogram/hdrhistogram-go v1.4.0 // latency histograms and their exchange format
	github.com/NVIDIA/go-nvml v0.13.0-1 // GPU utilization
	github.com/aymanbagabas/go-udiff v0.4.1 // export --diff
	github.com/charmbracelet/colorprofile v0.4.3 // NO_COLOR and --no-color
	github.com/charmbracelet/x/ansi v0.11.9 // widths of text on screens and in tables
	github.com/charmbracelet/x/exp/golden v0.1.0 // tests: golden screens
	github.com/creack/pty v1.1.24 // tests and bench tui: a terminal
	github.com/goccy/go-yaml v1.19.2 // plans, with line and column in errors
	github.com/google/go-cmp v0.7.0 // tests: differences
	github.com/grafana/grafana-foundation-sdk/go v0.0.22 // tests: the schema of the Grafana dashboard
	github.com/guptarohit/asciigraph v0.10.0 // lines of the charts
	github.com/hinshun/vt10x v0.0.0-20220301184237-5011da428d02 // tests and bench tui: a terminal emulator
	github.com/invopop/jsonschema v0.14.0 // tests: schemas from types
	github.com/prometheus/client_golang v1.25.0 // the metrics listener
	github.com/prometheus/client_model v0.6.3 // the metrics of a scrape
	github.com/prometheus/common v0.72.0 // their text format
	github.com/rogpeppe/go-internal v1.16.0 // tests: scripts of commands
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // tests: does JSON match its schema
	github.com/shirou/gopsutil/v4 v4.26.10 // CPU outside Linux, memory and disk
	github.com/spf13/cobra v1.10.2 // commands, flags, completion
	github.com/spf13/pflag v1.0.9 // flags
	github.com/x448/float16 v0.8.4 // half-precision tensors
	github.com/yalue/onnxruntime_go v1.27.0 // ONNX Runtime
	golang.org/x/image v0.47.0 // resizing pictures; charts as PNG
	golang.org/x/sys v0.49.0 // the generator's clock
	golang.org/x/term v0.47.0 // is it a terminal, how wide, how to restore it
	golang.org/x/text v0.43.0 // letters without accents, for text_classifier
	google.golang.org/grpc v1.85.0 // the gRPC listeners, and load over gRPC
	google.golang.org/protobuf v1.36.12 // ONNX files, the messages of gRPC
)

require (
	github.com/bahlo/generic-list-go v0.2.0 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/buger/jsonparser v1.1.2 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/charmbracelet/ultraviolet v0.0.0-20260811164956-006e29f97886 // indirect
	github.com/charmbracelet/x/term v0.2.2 // indirect
	github.com/charmbracelet/x/termios v0.1.1 // indirect
	github.com/charmbracelet/x/windows v0.2.2 // indirect
	github.com/clipperhouse/displaywidth v0.11.0 // indirect
	github.com/clipperhouse/uax29/v2 v2.7.0 // indirect
	github.com/cpuguy83/go-md2man/v2 v2.0.6 // indirect
	github.com/ebitengine/purego v0.11.2 // indirect
	github.com/go-ole/go-ole v1.2.6 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/lucasb-eyer/go-colorful v1.4.1 // indirect
	github.com/lufia/plan9stats v0.0.0-20211012122336-39d0f177ccd0 // indirect
	github.com/mattn/go-runewidth v0.0.27 // indirect
	github.com/muesli/cancelreader v0.2.2 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/pb33f/ordered-map/v2 v2.3.1 // indirect
	github.com/power-devops/perfstat v0.0.0-20260805114148-88456608a4f6 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/russross/blackfriday/v2 v2.1.0 // indirect
	github.com/tklauser/go-sysconf v0.4.0 // indirect
	github.com/tklauser/numcpus v0.12.0 // indirect
	github.com/xo/terminfo v0.0.0-20220910002029-abceb7e1c41e // indirect
	github.com/yusufpapurcu/wmi v1.2.4 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	go.yaml.in/yaml/v4 v4.0.0-rc.2 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
)

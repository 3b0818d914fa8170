package tui

import (
	"strings"
	"testing"

	"sweetspot/engine/knob"
)

// gpuModel is live traffic on the CPU of a machine whose GPU runs FP32 only.
func gpuModel() *model {
	s := serving()
	s.Info.Fixed = nil
	s.Info.Limits.Places = []knob.Place{{Device: "cpu", Precision: knob.FullPrecision}, {Device: "cpu", Precision: knob.HalfPrecision}, {Device: "gpu", Precision: knob.FullPrecision}}
	s.Info.Limits.NoPlaces = []knob.NoPlace{{Device: "gpu", Precision: knob.HalfPrecision, Why: "no 16-bit arithmetic"}}
	return &model{snap: s, pending: map[knob.Name]string{}}
}

// selectKnob makes a knob the selected one.
func (m *model) selectKnob(t *testing.T, n knob.Name) {
	t.Helper()
	for i, k := range m.shownKnobs() {
		if k.Name == n {
			m.knobIndex = i
			return
		}
	}
	t.Fatalf("%s is not among the knobs", n)
}

// TestDeviceKnob turns the device, and FP16 on each device.
func TestDeviceKnob(t *testing.T) {
	m := gpuModel()
	m.selectKnob(t, knob.Device)
	m.changeKnob(1, false)
	if got := m.pending[knob.Device]; got != "gpu" {
		t.Errorf("pending device %q, want gpu", got)
	}
	m.changeKnob(1, false) // there is no next one
	if got := m.pending[knob.Device]; got != "gpu" {
		t.Errorf("pending device %q after the last one", got)
	}
	m.selectKnob(t, knob.FP16)
	m.changeKnob(1, false)
	if _, pending := m.pending[knob.FP16]; pending || !strings.Contains(m.notice.Text, "cannot run on gpu in fp16: no 16-bit arithmetic") {
		t.Errorf("FP16 on the GPU: pending %v, %q", pending, m.notice.Text)
	}
	m.selectKnob(t, knob.Device)
	m.changeKnob(-1, false)
	if got, pending := m.pending[knob.Device]; pending {
		t.Errorf("the device in force is pending: %q", got)
	}
	m.selectKnob(t, knob.FP16)
	m.changeKnob(1, false)
	if got := m.pending[knob.FP16]; got != "fp16" {
		t.Errorf("FP16 on the CPU: pending %q", got)
	}
}

// TestNoFP16Note: the knob says why FP16 does not run before anybody asks for it.
func TestNoFP16Note(t *testing.T) {
	m := gpuModel()
	m.selectKnob(t, knob.FP16)
	if got := m.knobNotes()[0].s; strings.Contains(got, "16-bit") {
		t.Errorf("on the CPU: %q", got)
	}
	m.snap.Settings.Device = "gpu"
	if got := m.knobNotes()[0].s; got != "FP16: no 16-bit arithmetic" {
		t.Errorf("on the GPU: %q", got)
	}
	if got := m.noGPUText(m.snap.Live.Use.GPU); strings.HasPrefix(got, "no GPU:") {
		t.Errorf("a model on a GPU: %q", got)
	}
}

// TestDeviceWithoutGPU: the knob is shown, cannot be changed, and says why. Of another machine it is one of the other settings.
func TestDeviceWithoutGPU(t *testing.T) {
	m := gpuModel()
	m.snap.Info.Limits.Places, m.snap.Info.Limits.NoPlaces = nil, nil
	m.snap.Info.Fixed = map[knob.Name]string{knob.Device: "this machine has no GPU"}
	m.selectKnob(t, knob.Device)
	if got := m.cannotChangeKnob(); got != "device: this machine has no GPU" {
		t.Errorf("cannotChangeKnob = %q", got)
	}
	if got := m.otherSettingsText(); strings.Contains(got, "cpu") {
		t.Errorf("the device is shown twice: %q", got)
	}
	m.snap.Info.Machine = "gpu-box:8080"
	if m.showsDevice() || !strings.HasPrefix(m.otherSettingsText(), "cpu") {
		t.Errorf("another machine: %q", m.otherSettingsText())
	}
}

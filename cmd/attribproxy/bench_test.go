package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkRunOverhead is what run adds to a command that does nothing: whole
// processes of the program as it is released, in turn with the bare command.
func BenchmarkRunOverhead(b *testing.B) {
	dir := b.TempDir()
	program := filepath.Join(dir, "bin", "attribproxy")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	took := func(name string, args ...string) time.Duration {
		cmd := exec.CommandContext(b.Context(), name, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_STATE_HOME=" + dir}
		begin := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		return time.Since(begin)
	}
	took(program, "run", "--", "true") // makes the state directory
	var bare, through time.Duration
	for b.Loop() {
		bare += took("true")
		through += took(program, "run", "--", "true")
	}
	b.ReportMetric(float64((through-bare).Microseconds())/1000/float64(b.N), "ms-added")
}

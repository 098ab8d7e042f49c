package machine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Limits of the pause before a process that ended is started again; it doubles each time, and is short again after a
// process has lived for the longest.
const (
	shortestPause = 500 * time.Millisecond
	longestPause  = 10 * time.Second
)

// How long a process may take to end when asked to.
const patience = 15 * time.Second

// Process is a program that is to run for as long as the node does.
type Process struct {
	name string
	path string
	args []string

	cancel context.CancelFunc
	ended  chan struct{}
}

// output keeps the lines of several processes whole.
var output sync.Mutex

// Run starts a program and starts it again whenever it ends, until Stop.
func Run(name, path string, args ...string) *Process {
	ctx, cancel := context.WithCancel(context.Background())
	process := &Process{name: name, path: path, args: args, cancel: cancel, ended: make(chan struct{})}
	go process.keepRunning(ctx)
	return process
}

// Stop ends the process, by force if it does not end when asked.
func (p *Process) Stop() {
	p.cancel()
	<-p.ended
}

func (p *Process) keepRunning(ctx context.Context) {
	defer close(p.ended)
	pause := shortestPause
	for {
		started := time.Now()
		err := p.once(ctx)
		if ctx.Err() != nil {
			return
		}
		slog.Error("process ended", "name", p.name, "error", err, "again in", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
		if time.Since(started) > longestPause {
			pause = shortestPause
		}
	}
}

func (p *Process) once(ctx context.Context) error {
	command := exec.CommandContext(ctx, p.path, p.args...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = patience
	// A group of its own: what is sent to the node's is not meant for it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	reader, writer := io.Pipe()
	command.Stdout, command.Stderr = writer, writer
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		p.copyLines(reader)
	}()
	err := command.Run()
	writer.Close()
	<-copied
	return err
}

// copyLines puts the process's name before each of its lines.
func (p *Process) copyLines(reader io.Reader) {
	lines := bufio.NewReader(reader)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			output.Lock()
			fmt.Fprintf(os.Stdout, "%-18s | %s", p.name, line)
			if err != nil {
				fmt.Fprintln(os.Stdout)
			}
			output.Unlock()
		}
		if err != nil {
			return
		}
	}
}

package machine

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopPods asks the main process of every container in the pods to end, as the kubelet would, and waits for as long as
// they may take. Without it they would be killed together with the node, databases among them.
func stopPods(limit time.Duration) {
	deadline := time.Now().Add(limit)
	asked := map[int]bool{}
	for time.Now().Before(deadline) {
		left := 0
		for _, process := range podProcesses() {
			if !asked[process] {
				_ = syscall.Kill(process, syscall.SIGTERM)
				asked[process] = true
			}
			left++
		}
		if left == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// podProcesses are those that are process 1 in a container of a pod, but for the ones that only hold a pod's network.
func podProcesses() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []int
	for _, entry := range entries {
		process, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		folder := filepath.Join("/proc", entry.Name())
		groups, err := os.ReadFile(filepath.Join(folder, "cgroup"))
		if err != nil || !strings.Contains(string(groups), "/kubepods") {
			continue
		}
		status, err := os.ReadFile(filepath.Join(folder, "status"))
		if err != nil || !isFirst(string(status)) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		if err == nil && !isPause(string(line)) {
			found = append(found, process)
		}
	}
	return found
}

// isFirst reads the line `NSpid: 812 1` of a process's status: its numbers, from the outside in.
func isFirst(status string) bool {
	for line := range strings.Lines(status) {
		if numbers, found := strings.CutPrefix(line, "NSpid:"); found {
			fields := strings.Fields(numbers)
			return len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}
	return false
}

// isPause knows the command of the image that containerd starts for each pod.
func isPause(line string) bool {
	return slices.Equal(strings.Split(strings.TrimRight(line, "\x00"), "\x00"), []string{"/bin/busybox", "sleep", "2147483647"})
}

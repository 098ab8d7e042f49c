package machine

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const cgroups = "/sys/fs/cgroup"

// hostSettings belong to the whole machine, and the kubelet wants them so. It gets to see them so, and leaves alone
// those of the machine that this container happens to run on.
var hostSettings = map[string]string{
	"/proc/sys/vm/overcommit_memory":     "1",
	"/proc/sys/vm/panic_on_oom":          "0",
	"/proc/sys/kernel/panic":             "10",
	"/proc/sys/kernel/panic_on_oops":     "1",
	"/proc/sys/kernel/keys/root_maxkeys": "1000000",
	"/proc/sys/kernel/keys/root_maxbytes": "25000000",
}

// ownSettings are those of the container's own network.
var ownSettings = map[string]string{
	"/proc/sys/net/ipv4/ip_forward":                 "1",
	"/proc/sys/net/ipv4/conf/all/rp_filter":         "0",
	"/proc/sys/net/ipv4/conf/default/rp_filter":     "0",
	"/proc/sys/net/ipv4/neigh/default/gc_thresh1":   "80000",
}

// prepareMounts makes a container as Docker starts it fit for running containers inside.
func prepareMounts(run string) error {
	// Mounts of volumes must reach the pods that are given them.
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount --make-rshared /: %w", err)
	}
	if err := openCgroups(); err != nil {
		return err
	}
	shadows := filepath.Join(run, "host-settings")
	if err := os.MkdirAll(shadows, 0o755); err != nil {
		return err
	}
	for setting, value := range hostSettings {
		if _, err := os.Stat(setting); err != nil {
			continue
		}
		shadow := filepath.Join(shadows, strings.ReplaceAll(strings.TrimPrefix(setting, "/proc/sys/"), "/", "."))
		if err := os.WriteFile(shadow, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(shadow, setting, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("shadowing %s: %w", setting, err)
		}
	}
	for setting, value := range ownSettings {
		// What this kernel does not have, or keeps for itself, is not needed either.
		if err := os.WriteFile(setting, []byte(value), 0o644); err != nil && !isRefused(err) {
			return fmt.Errorf("%s: %w", setting, err)
		}
	}
	return nil
}

func isRefused(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) ||
		errors.Is(err, unix.EINVAL)
}

// openCgroups lets the kubelet make groups of its own below the container's.
func openCgroups() error {
	mounts, err := mountsBelow(cgroups)
	if err != nil {
		return err
	}
	if len(mounts) == 0 {
		return fmt.Errorf("no cgroups are mounted at %s: expected those of Docker, version 1 or 2", cgroups)
	}
	for _, mount := range mounts {
		if err := unix.Mount("", mount, "", unix.MS_REMOUNT|unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount -o remount,bind,rw %s: %w", mount, err)
		}
	}
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		return delegateControllers()
	}
	return nil
}

// delegateControllers is for cgroups of version 2: a group with processes of its own can't hand its controllers down,
// so the processes that are here move into a group beside those of the pods.
func delegateControllers() error {
	own := filepath.Join(cgroups, "node")
	if err := os.MkdirAll(own, 0o755); err != nil {
		return err
	}
	processes, err := os.ReadFile(filepath.Join(cgroups, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, process := range strings.Fields(string(processes)) {
		// One that has ended meanwhile needs no moving.
		_ = os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(process), 0o644)
	}
	controllers, err := os.ReadFile(filepath.Join(cgroups, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(controllers)) {
		file := filepath.Join(cgroups, "cgroup.subtree_control")
		if err := os.WriteFile(file, []byte("+"+controller), 0o644); err != nil {
			return fmt.Errorf("handing the cgroup controller %s down: %w", controller, err)
		}
	}
	return nil
}

// mountsBelow are the mount points at and below a folder that are read-only or not, outermost first.
func mountsBelow(folder string) ([]string, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var found []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 && (fields[4] == folder || strings.HasPrefix(fields[4], folder+"/")) {
			found = append(found, fields[4])
		}
	}
	slices.Sort(found)
	return found, lines.Err()
}

// command runs a program to its end; what it wrote is in the error if it fails.
func command(name string, args ...string) error {
	output, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}

// Package machine makes a container into a Kubernetes node: it prepares mounts, network and certificates, starts the
// components in order and keeps them running.
package machine

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"lakestack.dev/node/names"
)

// How long a component may take until those that need it give up; the container then ends, and its log says why.
const startLimit = 3 * time.Minute

// How long the pods may take to end when the node stops.
const podLimit = 20 * time.Second

// StartedFile is as old as the node's present run.
const StartedFile = names.Run + "/started"

// Start runs the node until the context ends, and then stops it in order.
func Start(ctx context.Context) error {
	outside, err := prepare()
	if err != nil {
		return err
	}
	var running []*Process
	start := func(name string, args ...string) *Process {
		process := Run(name, name, args...)
		running = append(running, process)
		return process
	}
	// The last to start is the first to stop.
	defer func() {
		for index := len(running) - 1; index >= 0; index-- {
			running[index].Stop()
		}
	}()

	start("containerd", "--config", settings("containerd.toml"))
	start("etcd", etcdArgs()...)
	if err := until(ctx, "etcd", etcdAnswers); err != nil {
		return err
	}
	start("kube-apiserver", apiServerArgs()...)
	client, err := newClient("admin")
	if err != nil {
		return err
	}
	if err := until(ctx, "kube-apiserver", apiServerAnswers(client)); err != nil {
		return err
	}
	start("kube-controller-manager", controllerManagerArgs()...)
	start("kube-scheduler", schedulerArgs()...)
	// Before the kubelet, so that no pod is without its policies.
	start("lakestack-node", "agent", outside)
	if err := applyManifests(ctx); err != nil {
		return err
	}
	if err := until(ctx, "containerd", importImages); err != nil {
		return err
	}
	kubelet := start("kubelet", kubeletArgs()...)
	if err := until(ctx, "the node's registration", nodeIsKnown(client)); err != nil {
		return err
	}
	start("kube-proxy", "--config", settings("kube-proxy.yaml"))
	slog.Info("all components have started")

	<-ctx.Done()
	slog.Info("stopping")
	kubelet.Stop()
	stopPods(podLimit)
	return nil
}

// prepare returns the address at which Docker reaches the node.
func prepare() (string, error) {
	for _, folder := range []string{names.Run, names.Data, filepath.Join(names.Data, "etcd")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(StartedFile, nil, 0o600); err != nil {
		return "", err
	}
	outside, err := OutsideAddress()
	if err != nil {
		return "", err
	}
	if err := prepareMounts(names.Run); err != nil {
		return "", err
	}
	if err := prepareNetwork(); err != nil {
		return "", err
	}
	// Pods that ask as the node does, CoreDNS among them, ask the relay on the node.
	resolver := []byte("nameserver " + names.NodeAddress + "\n")
	if err := os.WriteFile(filepath.Join(names.Run, "resolv.conf"), resolver, 0o644); err != nil {
		return "", err
	}
	return outside, prepareIdentities(outside)
}

// until asks again and again whether something is there, and returns the last answer if it never is.
func until(ctx context.Context, what string, there func(context.Context) error) error {
	deadline := time.Now().Add(startLimit)
	started := time.Now()
	for {
		err := there(ctx)
		if err == nil {
			slog.Info("there", "what", what, "after", time.Since(started).Round(time.Millisecond))
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not there after %s: %w", what, startLimit, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func etcdAnswers(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, etcdURL+"/health", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func newClient(identity string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfigPath(identity))
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

func apiServerAnswers(client kubernetes.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").Timeout(5 * time.Second).DoRaw(ctx)
		return err
	}
}

func nodeIsKnown(client kubernetes.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := client.CoreV1().Nodes().Get(ctx, names.Node, metav1.GetOptions{})
		return err
	}
}

// importImages brings the image of pause and of helper pods in. Imported again, it costs a moment.
func importImages(ctx context.Context) error {
	connection, err := net.Dial("unix", containerdSocket)
	if err != nil {
		return err
	}
	connection.Close()
	output, err := exec.CommandContext(ctx, "ctr", "--namespace", "k8s.io", "images", "import", names.Images).CombinedOutput()
	if err != nil {
		return fmt.Errorf("importing %s: %w: %s", names.Images, err, output)
	}
	return nil
}

func applyManifests(ctx context.Context) error {
	manifests, err := systemManifests()
	if err != nil {
		return err
	}
	apply := func(ctx context.Context) error {
		command := exec.CommandContext(ctx, "kubectl", "--kubeconfig", names.AdminConfig, "apply", "--server-side",
			"--force-conflicts", "--field-manager", "lakestack", "--filename", "-")
		command.Stdin = strings.NewReader(manifests)
		output, err := command.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	}
	return until(ctx, "the system's manifests", apply)
}

// systemManifests are those of the image, with the authority of this cluster where one is named.
func systemManifests() (string, error) {
	authority, err := os.ReadFile(certificate("ca.crt"))
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(names.Manifests, "*.yaml"))
	if err != nil {
		return "", err
	}
	var texts []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		texts = append(texts, string(content))
	}
	all := strings.Join(texts, "\n---\n")
	return strings.ReplaceAll(all, "${CLUSTER_AUTHORITY}", base64.StdEncoding.EncodeToString(authority)), nil
}

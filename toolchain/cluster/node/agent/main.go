// lakestack-node makes a container into a Kubernetes node of one: `start` runs the components, `agent` does what other
// clusters have a network plugin and a cloud for, `check` tells whether the cluster can be used.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"

	"lakestack.dev/node/balancer"
	"lakestack.dev/node/check"
	"lakestack.dev/node/machine"
	"lakestack.dev/node/metrics"
	"lakestack.dev/node/names"
	"lakestack.dev/node/policy"
	"lakestack.dev/node/relay"
)

const usage = `lakestack-node start           runs the node until it is told to end
lakestack-node agent ADDRESS   network policies, load balancers at ADDRESS, name relay, metrics
lakestack-node check           exit code 0 if the cluster can be used, else 1 and what is missing`

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	err := run(ctx, os.Args[1:])
	if err != nil && ctx.Err() == nil {
		slog.Error("lakestack-node", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "start":
		return machine.Start(ctx)
	case len(args) == 2 && args[0] == "agent":
		return runAgent(ctx, args[1])
	case len(args) == 1 && args[0] == "check":
		return runCheck(ctx)
	}
	fmt.Fprintln(os.Stderr, usage)
	os.Exit(2)
	return nil
}

// runAgent ends when any of its parts does, and is then started again.
func runAgent(ctx context.Context, address string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", "/etc/kubernetes/agent.conf")
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	upstream, err := relay.Upstream("/etc/resolv.conf")
	if err != nil {
		return err
	}
	broadcaster := record.NewBroadcaster()
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	events := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "lakestack-agent"})

	kubelet, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}

	// Each part has informers of its own: what one asks for shall not hold another up.
	ended := make(chan error, 4)
	go func() { ended <- policy.Enforce(ctx, informers.NewSharedInformerFactory(client, 0)) }()
	go func() {
		part := balancer.Balancer{Client: client, Address: address, NodePorts: names.NodePorts, Events: events}
		ended <- part.Run(ctx, informers.NewSharedInformerFactory(client, 0))
	}()
	go func() { ended <- relay.Serve(ctx, net.JoinHostPort(names.NodeAddress, "53"), upstream) }()
	go func() {
		part := metrics.Server{Client: client, Kubelet: metrics.Kubelet{Client: kubelet, Address: onNode(names.KubeletPort)}}
		ended <- part.Serve(ctx, onNode(names.MetricsPort), metrics.Files{
			Certificate:     filepath.Join(names.Certificates, "metrics-server.crt"),
			Key:             filepath.Join(names.Certificates, "metrics-server.key"),
			ClientAuthority: filepath.Join(names.Certificates, "front-proxy-ca.crt"),
			ClientName:      names.FrontProxy,
		})
	}()
	return <-ended
}

func onNode(port int) string { return net.JoinHostPort(names.NodeAddress, strconv.Itoa(port)) }

func runCheck(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", names.AdminConfig)
	if err != nil {
		return errors.New("the node has no certificates yet")
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if missing := check.Missing(ctx, client, machine.StartedFile); missing != "" {
		fmt.Println(missing)
		os.Exit(1)
	}
	return nil
}

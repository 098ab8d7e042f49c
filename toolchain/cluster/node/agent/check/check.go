// Package check asks the node what a user of the cluster relies on, rather than what its components say of themselves:
// after a restart their last words are still to be read for a while.
package check

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"lakestack.dev/node/names"
)

const limit = 4 * time.Second

// Missing says in one line what is not there yet, or nothing if the cluster is ready.
func Missing(ctx context.Context, client kubernetes.Interface, startedFile string) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	file, err := os.Stat(startedFile)
	if err != nil {
		return "the node has not started"
	}
	// API times are in whole seconds.
	started := file.ModTime().Truncate(time.Second)
	steps := []func(context.Context, kubernetes.Interface, time.Time) string{
		node, systemPods, storage, nameServer, metrics, stalePods,
	}
	for _, step := range steps {
		if missing := step(ctx, client, started); missing != "" {
			return missing
		}
	}
	return ""
}

func node(ctx context.Context, client kubernetes.Interface, started time.Time) string {
	found, err := client.CoreV1().Nodes().Get(ctx, names.Node, metav1.GetOptions{})
	if err != nil {
		return fmt.Sprintf("the node is not known to the API server: %v", err)
	}
	for _, condition := range found.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.LastHeartbeatTime.Time.Before(started) {
			return "the kubelet has not reported since the start"
		}
		if condition.Status != corev1.ConditionTrue {
			return "the node is not ready: " + condition.Message
		}
		return ""
	}
	return "the kubelet has not reported"
}

// systemPods wants the pods without which nothing else works.
func systemPods(ctx context.Context, client kubernetes.Interface, started time.Time) string {
	for _, app := range []string{"kube-dns", "local-path-provisioner"} {
		selector := metav1.ListOptions{LabelSelector: "k8s-app=" + app}
		pods, err := client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, selector)
		if err != nil {
			return fmt.Sprintf("the API server does not answer: %v", err)
		}
		ready := false
		for _, pod := range pods.Items {
			ready = ready || isReadySince(&pod, started)
		}
		if !ready {
			return app + " is not ready"
		}
	}
	return ""
}

func isReadySince(pod *corev1.Pod, started time.Time) bool {
	for _, container := range pod.Status.ContainerStatuses {
		running := container.State.Running
		if !container.Ready || running == nil || running.StartedAt.Time.Before(started) {
			return false
		}
	}
	return len(pod.Status.ContainerStatuses) > 0 && pod.DeletionTimestamp == nil
}

func storage(ctx context.Context, client kubernetes.Interface, _ time.Time) string {
	classes, err := client.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("the API server does not answer: %v", err)
	}
	for _, class := range classes.Items {
		if class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			return ""
		}
	}
	return "there is no default StorageClass"
}

// nameServer asks as a pod would, through the Service's address.
func nameServer(ctx context.Context, _ kubernetes.Interface, _ time.Time) string {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: time.Second}
		return dialer.DialContext(ctx, network, net.JoinHostPort(names.NameServer, "53"))
	}}
	addresses, err := resolver.LookupHost(ctx, "kubernetes.default.svc."+names.Domain+".")
	if err != nil {
		return fmt.Sprintf("CoreDNS does not answer: %v", err)
	}
	if len(addresses) != 1 || addresses[0] != names.APIService {
		return fmt.Sprintf("CoreDNS answers %v for kubernetes.default, expected %s", addresses, names.APIService)
	}
	return ""
}

// metrics wants the API that the agent extends the API server by: while one is missing, namespaces can't be removed. That
// there are measurements, which takes half a minute, is not waited for.
func metrics(ctx context.Context, client kubernetes.Interface, _ time.Time) string {
	if _, err := client.Discovery().ServerResourcesForGroupVersion("metrics.k8s.io/v1beta1"); err != nil {
		return fmt.Sprintf("metrics.k8s.io does not answer: %v", err)
	}
	return ""
}

// stalePods waits until nothing is said to run that stopped with the node.
func stalePods(ctx context.Context, client kubernetes.Interface, started time.Time) string {
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("the API server does not answer: %v", err)
	}
	for _, pod := range pods.Items {
		for _, container := range pod.Status.ContainerStatuses {
			running := container.State.Running
			if running != nil && running.StartedAt.Time.Before(started) && pod.DeletionTimestamp == nil {
				return fmt.Sprintf("pod %s/%s has not been started again", pod.Namespace, pod.Name)
			}
		}
	}
	return ""
}

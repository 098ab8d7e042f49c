package metrics

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The kubelet looks at each container every ten seconds, or a few seconds later: a rate is that of this window at most.
const window = 15 * time.Second

const groupVersion = "metrics.k8s.io/v1beta1"

// The group's kinds, as https://github.com/kubernetes/metrics describes them.
type (
	measurement struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Timestamp         metav1.Time     `json:"timestamp"`
		Window            metav1.Duration `json:"window"`
	}
	nodeMetrics struct {
		measurement `json:",inline"`
		Usage       corev1.ResourceList `json:"usage"`
	}
	podMetrics struct {
		measurement `json:",inline"`
		Containers  []containerMetrics `json:"containers"`
	}
	containerMetrics struct {
		Name  string              `json:"name"`
		Usage corev1.ResourceList `json:"usage"`
	}
	list struct {
		metav1.TypeMeta `json:",inline"`
		metav1.ListMeta `json:"metadata"`
		Items           any `json:"items"`
	}
)

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: groupVersion, Kind: kind}
}

func newMeasurement(kind string, of metav1.ObjectMeta, at time.Time) measurement {
	return measurement{
		TypeMeta: typeMeta(kind),
		ObjectMeta: metav1.ObjectMeta{
			Name: of.Name, Namespace: of.Namespace, Labels: of.Labels, CreationTimestamp: of.CreationTimestamp,
		},
		Timestamp: metav1.NewTime(at),
		Window:    metav1.Duration{Duration: window},
	}
}

func (u usage) resources() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewScaledQuantity(*u.CPU.NanoCores, resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(*u.Memory.WorkingSet, resource.BinarySI),
	}
}

// ofNodes leaves out what has not been measured.
func ofNodes(summary *Summary, nodes []corev1.Node) []nodeMetrics {
	found := []nodeMetrics{}
	for _, node := range nodes {
		if summary.Node.measured() {
			found = append(found, nodeMetrics{
				measurement: newMeasurement("NodeMetrics", node.ObjectMeta, summary.Node.CPU.Time),
				Usage:       summary.Node.resources(),
			})
		}
	}
	return found
}

// ofPods leaves out pods of which any container has not been measured: half of a pod's use would be taken for all of it.
func ofPods(summary *Summary, pods []corev1.Pod) []podMetrics {
	containers := map[[2]string][]usage{}
	for _, pod := range summary.Pods {
		containers[[2]string{pod.Reference.Namespace, pod.Reference.Name}] = pod.Containers
	}
	found := []podMetrics{}
	for _, pod := range pods {
		if metrics, complete := ofPod(pod, containers[[2]string{pod.Namespace, pod.Name}]); complete {
			found = append(found, metrics)
		}
	}
	return found
}

// ofPod is as old as the oldest of its measurements.
func ofPod(pod corev1.Pod, containers []usage) (podMetrics, bool) {
	if pod.Status.Phase != corev1.PodRunning || len(containers) == 0 {
		return podMetrics{}, false
	}
	oldest := containers[0].CPU.Time
	measured := make([]containerMetrics, 0, len(containers))
	for _, container := range containers {
		if !container.measured() {
			return podMetrics{}, false
		}
		if container.CPU.Time.Before(oldest) {
			oldest = container.CPU.Time
		}
		measured = append(measured, containerMetrics{Name: container.Name, Usage: container.resources()})
	}
	return podMetrics{newMeasurement("PodMetrics", pod.ObjectMeta, oldest), measured}, true
}

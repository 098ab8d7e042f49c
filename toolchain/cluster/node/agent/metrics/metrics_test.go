package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const summary = `{
  "node": {"cpu": {"time": "2026-01-01T00:00:05Z", "usageNanoCores": 1500000000}, "memory": {"workingSetBytes": 4096}},
  "pods": [
    {"podRef": {"name": "busy", "namespace": "here"}, "containers": [
      {"name": "main", "cpu": {"time": "2026-01-01T00:00:07Z", "usageNanoCores": 700000000}, "memory": {"workingSetBytes": 2048}},
      {"name": "side", "cpu": {"time": "2026-01-01T00:00:03Z", "usageNanoCores": 1000000}, "memory": {"workingSetBytes": 1024}}
    ]},
    {"podRef": {"name": "new", "namespace": "here"}, "containers": [
      {"name": "main", "cpu": {"time": "2026-01-01T00:00:07Z"}, "memory": {"workingSetBytes": 2048}}
    ]}
  ]
}`

func measured(t *testing.T) *Summary {
	t.Helper()
	kubelet := httptest.NewTLSServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.URL.Path != "/stats/summary" {
			http.NotFound(writer, request)
			return
		}
		_, _ = writer.Write([]byte(summary))
	}))
	defer kubelet.Close()
	found, err := Kubelet{kubelet.Client(), strings.TrimPrefix(kubelet.URL, "https://")}.Summary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func pod(namespace, name string, phase corev1.PodPhase) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Status:     corev1.PodStatus{Phase: phase},
	}
}

func TestPodsThatAreMeasuredAreListed(t *testing.T) {
	got := ofPods(measured(t), []corev1.Pod{
		pod("here", "busy", corev1.PodRunning), pod("here", "new", corev1.PodRunning), pod("elsewhere", "busy", corev1.PodRunning),
	})
	if len(got) != 1 || got[0].Namespace != "here" || got[0].Name != "busy" || len(got[0].Containers) != 2 {
		t.Fatalf("expected the pod here/busy with two containers, and none without a rate: %+v", got)
	}
	if cpu := got[0].Containers[0].Usage.Cpu().MilliValue(); cpu != 700 {
		t.Errorf("expected 700m of processors, got %dm", cpu)
	}
	if at := got[0].Timestamp.UTC().Second(); at != 3 {
		t.Errorf("expected the time of the oldest measurement, second 3, got second %d", at)
	}
}

func TestPodsThatHaveEndedAreNotListed(t *testing.T) {
	if got := ofPods(measured(t), []corev1.Pod{pod("here", "busy", corev1.PodSucceeded)}); len(got) != 0 {
		t.Errorf("expected nothing: %+v", got)
	}
}

func TestTheNodeIsListed(t *testing.T) {
	got := ofNodes(measured(t), []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "node"}}})
	if len(got) != 1 || got[0].Usage.Cpu().MilliValue() != 1500 || got[0].Usage.Memory().Value() != 4096 {
		t.Errorf("expected one and a half processors and 4096 bytes: %+v", got)
	}
}

// Autoscalers read an empty list, and no null.
func TestNothingIsAnEmptyList(t *testing.T) {
	recorder := httptest.NewRecorder()
	answer(recorder, httptest.NewRequest(http.MethodGet, "/", nil), "PodMetrics", ofPods(measured(t), nil))
	if body := recorder.Body.String(); !strings.Contains(body, `"items":[]`) || !strings.Contains(body, `"kind":"PodMetricsList"`) {
		t.Errorf("expected an empty PodMetricsList: %s", body)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	recorder := httptest.NewRecorder()
	onlyFor("front-proxy-client", Server{}.handler()).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/apis/"+groupVersion, nil))
	if recorder.Code != http.StatusForbidden {
		t.Errorf("expected 403, got %d", recorder.Code)
	}
}

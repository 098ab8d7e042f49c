package balancer

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func service(name string, age time.Duration, kind corev1.ServiceType, ports ...int32) *corev1.Service {
	made := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "lake", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1_000_000, 0).Add(-age)),
		},
		Spec: corev1.ServiceSpec{Type: kind},
	}
	for _, port := range ports {
		made.Spec.Ports = append(made.Spec.Ports, corev1.ServicePort{Port: port, Protocol: corev1.ProtocolTCP})
	}
	return made
}

func refusals(services []*corev1.Service) map[string]string {
	found := map[string]string{}
	for _, decision := range Decide(services, []int32{6443}) {
		found[decision.Service.Name] = decision.Refusal
	}
	return found
}

func TestOnlyLoadBalancersAreDecidedUpon(t *testing.T) {
	found := refusals([]*corev1.Service{
		service("trino", 0, corev1.ServiceTypeLoadBalancer, 8443), service("database", 0, corev1.ServiceTypeClusterIP, 5432),
	})
	if refusal, decided := found["trino"]; !decided || refusal != "" || len(found) != 1 {
		t.Errorf("got %v, expected trino alone to have the address", found)
	}
}

func TestTheOldestServiceHasThePort(t *testing.T) {
	found := refusals([]*corev1.Service{
		service("young", time.Second, corev1.ServiceTypeLoadBalancer, 9000, 8443),
		service("old", time.Hour, corev1.ServiceTypeLoadBalancer, 8443),
		service("third", 0, corev1.ServiceTypeLoadBalancer, 9000),
	})
	if found["old"] != "" || !strings.Contains(found["young"], "taken by the Service lake/old") {
		t.Errorf("got %v, expected old to have port 8443", found)
	}
	if found["third"] != "" {
		t.Errorf("got %v: a Service that was refused must not hold a port", found)
	}
}

func TestThePortsOfTheNodeAreNobodys(t *testing.T) {
	found := refusals([]*corev1.Service{service("api", 0, corev1.ServiceTypeLoadBalancer, 6443)})
	if !strings.Contains(found["api"], "the node's own") {
		t.Errorf("got %v", found)
	}
}

func TestAServiceOfAnotherBalancersClassIsLeftAlone(t *testing.T) {
	foreign := service("foreign", 0, corev1.ServiceTypeLoadBalancer, 80)
	class := "example.com/other"
	foreign.Spec.LoadBalancerClass = &class
	if found := refusals([]*corev1.Service{foreign}); len(found) != 0 {
		t.Errorf("got %v", found)
	}
}

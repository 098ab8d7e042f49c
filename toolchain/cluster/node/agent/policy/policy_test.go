package policy

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func pod(namespace, name, address string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
		}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: address},
	}
}

func namespace(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func app(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

func policyFor(spec networkingv1.NetworkPolicySpec) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "lake", Name: "rule"}, Spec: spec}
}

// A database and two clients in one namespace, a client in another.
func lake(specs ...networkingv1.NetworkPolicySpec) Cluster {
	cluster := Cluster{
		Pods: []*corev1.Pod{
			pod("lake", "database", "10.244.0.2", map[string]string{"app": "database"}),
			pod("lake", "trino", "10.244.0.3", map[string]string{"app": "trino"}),
			pod("lake", "other", "10.244.0.4", map[string]string{"app": "other"}),
			pod("airflow", "worker", "10.244.0.5", map[string]string{"app": "worker"}),
		},
		Namespaces: []*corev1.Namespace{
			namespace("lake", nil), namespace("airflow", map[string]string{"team": "pipelines"}),
		},
	}
	for _, spec := range specs {
		cluster.Policies = append(cluster.Policies, policyFor(spec))
	}
	return cluster
}

// rules are the lines of the chains that a policy made, without those that every ruleset has.
func rules(t *testing.T, cluster Cluster, direction direction) []string {
	t.Helper()
	var found []string
	inside := false
	for line := range strings.Lines(Render(cluster)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "chain "+string(direction)+"-"):
			inside = true
		case line == "}":
			inside = false
		case inside && !strings.HasPrefix(line, "comment"):
			found = append(found, line)
		}
	}
	return found
}

func expect(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nexpected\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func tcp(port intstr.IntOrString) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Port: &port}
}

func TestWithoutPoliciesNoPodIsClosed(t *testing.T) {
	if text := Render(lake()); strings.Contains(text, "vmap") || strings.Contains(text, "drop") {
		t.Errorf("expected no pod to be closed:\n%s", text)
	}
}

func TestAPolicyClosesThePodsThatItSelectsInItsDirectionsOnly(t *testing.T) {
	text := Render(lake(networkingv1.NetworkPolicySpec{
		PodSelector: *app("database"), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
	}))
	if !strings.Contains(text, "ip daddr vmap { 10.244.0.2 : goto pod-ingress-10-244-0-2 }") {
		t.Errorf("expected the database alone to be closed to what arrives:\n%s", text)
	}
	if strings.Contains(text, "ip saddr vmap") {
		t.Errorf("expected every pod to be open for what leaves:\n%s", text)
	}
	if strings.Count(text, "drop\n") != 1 {
		t.Errorf("expected one chain that ends in a drop:\n%s", text)
	}
}

func TestAnEmptySelectorMeansAllPodsOfTheNamespace(t *testing.T) {
	text := Render(lake(networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
	}))
	if strings.Count(text, "drop\n") != 6 || strings.Contains(text, "10-244-0-5") {
		t.Errorf("expected three pods to be closed in both directions, and that of the other namespace in none:\n%s", text)
	}
}

func TestPeersByPodSelectorAreOfThePolicysNamespace(t *testing.T) {
	expect(t, rules(t, lake(networkingv1.NetworkPolicySpec{
		PodSelector: *app("database"),
		Ingress: []networkingv1.NetworkPolicyIngressRule{{
			From:  []networkingv1.NetworkPolicyPeer{{PodSelector: app("trino")}, {PodSelector: app("worker")}},
			Ports: []networkingv1.NetworkPolicyPort{tcp(intstr.FromInt32(5432))},
		}},
	}), ingress), []string{"ip saddr { 10.244.0.3 } tcp dport 5432 accept"})
}

func TestPeersByNamespaceSelector(t *testing.T) {
	pipelines := &metav1.LabelSelector{MatchLabels: map[string]string{"team": "pipelines"}}
	expect(t, rules(t, lake(networkingv1.NetworkPolicySpec{
		PodSelector: *app("database"),
		Ingress: []networkingv1.NetworkPolicyIngressRule{
			{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: pipelines}}},
			{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}, PodSelector: app("other")}}},
		},
	}), ingress), []string{"ip saddr { 10.244.0.5 } accept", "ip saddr { 10.244.0.4 } accept"})
}

func TestARuleWhosePeersDoNotExistLetsNothingThrough(t *testing.T) {
	expect(t, rules(t, lake(networkingv1.NetworkPolicySpec{
		PodSelector: *app("database"),
		Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: app("nobody")}}}},
	}), ingress), nil)
}

func TestARuleWithoutPeersAndPortsLetsEverythingThrough(t *testing.T) {
	expect(t, rules(t, lake(networkingv1.NetworkPolicySpec{
		PodSelector: *app("database"), Ingress: []networkingv1.NetworkPolicyIngressRule{{}},
	}), ingress), []string{"accept"})
}

func TestWhatMayLeaveMustStillBeLetIn(t *testing.T) {
	expect(t, rules(t, lake(networkingv1.NetworkPolicySpec{
		PodSelector: *app("trino"),
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress:      []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{PodSelector: app("database")}}}},
	}), egress), []string{"ip daddr { 10.244.0.2 } goto arrive"})
}

func TestBlocksOfAddressesWithExceptions(t *testing.T) {
	block := &networkingv1.IPBlock{CIDR: "10.0.0.7/8", Except: []string{"10.1.0.0/16", "10.2.0.0/16"}}
	udp := corev1.ProtocolUDP
	dns := intstr.FromInt32(53)
	expect(t, rules(t, lake(networkingv1.NetworkPolicySpec{
		PodSelector: *app("trino"),
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress: []networkingv1.NetworkPolicyEgressRule{{
			To:    []networkingv1.NetworkPolicyPeer{{IPBlock: block}},
			Ports: []networkingv1.NetworkPolicyPort{{Protocol: &udp, Port: &dns}},
		}},
	}), egress), []string{"ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16, 10.2.0.0/16 } udp dport 53 goto arrive"})
}

func TestPortsByRangeByProtocolAndByName(t *testing.T) {
	last := int32(9010)
	first := tcp(intstr.FromInt32(9000))
	first.EndPort = &last
	expect(t, rules(t, lake(networkingv1.NetworkPolicySpec{
		PodSelector: *app("database"),
		Ingress: []networkingv1.NetworkPolicyIngressRule{{
			Ports: []networkingv1.NetworkPolicyPort{first, {}, tcp(intstr.FromString("web")), tcp(intstr.FromString("unknown"))},
		}},
	}), ingress), []string{
		"tcp dport 9000-9010 accept", "meta l4proto tcp accept", "ip daddr { 10.244.0.2 } tcp dport 8080 accept",
	})
}

func TestANamedPortOfAnEgressRuleIsThePeers(t *testing.T) {
	expect(t, rules(t, lake(networkingv1.NetworkPolicySpec{
		PodSelector: *app("trino"),
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress: []networkingv1.NetworkPolicyEgressRule{{
			To:    []networkingv1.NetworkPolicyPeer{{PodSelector: app("database")}},
			Ports: []networkingv1.NetworkPolicyPort{tcp(intstr.FromString("web"))},
		}},
	}), egress), []string{"ip daddr { 10.244.0.2 } ip daddr { 10.244.0.2 } tcp dport 8080 goto arrive"})
}

func TestPodsThatEndedOrShareTheNodesAddressAreNotMeant(t *testing.T) {
	cluster := lake(networkingv1.NetworkPolicySpec{PodSelector: *app("database")})
	cluster.Pods[0].Status.Phase = corev1.PodSucceeded
	if text := Render(cluster); strings.Contains(text, "drop") {
		t.Errorf("expected the address of a pod that ended to be free:\n%s", text)
	}
	cluster.Pods[0].Status.Phase = corev1.PodRunning
	cluster.Pods[0].Spec.HostNetwork = true
	if text := Render(cluster); strings.Contains(text, "drop") {
		t.Errorf("expected the node's address to stay open:\n%s", text)
	}
}

func TestTheOrderInWhichThingsAreListedDoesNotMatter(t *testing.T) {
	spec := networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{
		{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}},
	}}
	before := lake(spec)
	after := lake(spec)
	slices.Reverse(after.Pods)
	if Render(before) != Render(after) {
		t.Errorf("expected the same ruleset:\n%s\n%s", Render(before), Render(after))
	}
}

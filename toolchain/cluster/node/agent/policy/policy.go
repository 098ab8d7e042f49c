// Package policy turns NetworkPolicies into a ruleset of nftables, and keeps the kernel's in step with the cluster.
//
// A pod that no policy selects for a direction is open in that direction. One that is selected is closed but for what
// the policies allow, all of them taken together. Replies to what was allowed always pass, and so does what the node
// itself sends to its pods, such as probes.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Cluster is what the ruleset is made from.
type Cluster struct {
	Pods       []*corev1.Pod
	Namespaces []*corev1.Namespace
	Policies   []*networkingv1.NetworkPolicy
}

// A direction of traffic as a pod sees it.
type direction string

const (
	ingress direction = "ingress"
	egress  direction = "egress"
)

// gate is one policy in one direction: the pods that it closes and what it lets through.
type gate struct {
	// Of the policy: namespace and name.
	name      string
	direction direction
	pods      []*corev1.Pod
	allowed   []match
}

// chain names the gate's rules in the kernel: a name there is short and has no free choice of letters.
func (g gate) chain() string {
	sum := sha256.Sum256([]byte(g.name))
	return string(g.direction) + "-" + hex.EncodeToString(sum[:6])
}

// match is traffic that passes: to or from a peer, to a port. An empty part does not restrict.
type match struct {
	peer peer
	port port
	// Destinations with the named port at this number: the policy's pods for ingress, the peers for egress.
	portOwners []netip.Addr
}

type peer struct {
	// True if the rule names no peers: everyone is meant.
	anyone    bool
	addresses []netip.Addr
	block     string
	except    []string
}

type port struct {
	// Lower case, as nftables wants it; empty for all protocols.
	protocol string
	// 0 for all ports.
	first, last int32
}

// gates works out what every policy closes and lets through.
func (c Cluster) gates() []gate {
	var gates []gate
	for _, policy := range c.Policies {
		pods := c.selected(policy.Namespace, policy.Spec.PodSelector)
		name := policy.Namespace + "/" + policy.Name
		if applies(policy, networkingv1.PolicyTypeIngress) {
			gate := gate{name: name, direction: ingress, pods: pods}
			for _, rule := range policy.Spec.Ingress {
				gate.allowed = append(gate.allowed, c.matches(gate, policy.Namespace, rule.From, rule.Ports)...)
			}
			gates = append(gates, gate)
		}
		if applies(policy, networkingv1.PolicyTypeEgress) {
			gate := gate{name: name, direction: egress, pods: pods}
			for _, rule := range policy.Spec.Egress {
				gate.allowed = append(gate.allowed, c.matches(gate, policy.Namespace, rule.To, rule.Ports)...)
			}
			gates = append(gates, gate)
		}
	}
	slices.SortFunc(gates, func(a, b gate) int { return compare(a.chain(), b.chain()) })
	return gates
}

// applies tells whether a policy closes a direction. The API server fills the types in; a policy without is for ingress.
func applies(policy *networkingv1.NetworkPolicy, kind networkingv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return kind == networkingv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
	}
	return slices.Contains(policy.Spec.PolicyTypes, kind)
}

// matches is every combination of a rule's peers and ports.
func (c Cluster) matches(
	gate gate, namespace string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort,
) []match {
	var found []match
	for _, peer := range c.peers(namespace, peers) {
		if len(ports) == 0 {
			found = append(found, match{peer: peer.peer})
		}
		for _, port := range ports {
			owners := gate.pods
			if gate.direction == egress {
				owners = peer.pods
				if peer.anyone {
					owners = c.Pods
				}
			}
			found = append(found, portMatches(peer.peer, port, owners)...)
		}
	}
	return found
}

// peerPods is a peer together with the pods that it stands for, whose named ports an egress rule may mean.
type peerPods struct {
	peer
	pods []*corev1.Pod
}

func (c Cluster) peers(namespace string, rules []networkingv1.NetworkPolicyPeer) []peerPods {
	if len(rules) == 0 {
		return []peerPods{{peer: peer{anyone: true}}}
	}
	var found []peerPods
	for _, rule := range rules {
		if rule.IPBlock != nil {
			found = append(found, peerPods{peer: peer{block: rule.IPBlock.CIDR, except: rule.IPBlock.Except}})
			continue
		}
		var pods []*corev1.Pod
		for _, each := range c.namespaces(namespace, rule.NamespaceSelector) {
			selector := metav1.LabelSelector{}
			if rule.PodSelector != nil {
				selector = *rule.PodSelector
			}
			pods = append(pods, c.selected(each, selector)...)
		}
		// Nobody fits now: the rule lets nothing through, rather than everything.
		if len(pods) > 0 {
			found = append(found, peerPods{peer: peer{addresses: addresses(pods)}, pods: pods})
		}
	}
	return found
}

// namespaces are those that a peer's selector means: the policy's own without one.
func (c Cluster) namespaces(own string, selector *metav1.LabelSelector) []string {
	if selector == nil {
		return []string{own}
	}
	chosen, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil
	}
	var names []string
	for _, namespace := range c.Namespaces {
		if chosen.Matches(labels.Set(namespace.Labels)) {
			names = append(names, namespace.Name)
		}
	}
	return names
}

func (c Cluster) selected(namespace string, selector metav1.LabelSelector) []*corev1.Pod {
	chosen, err := metav1.LabelSelectorAsSelector(&selector)
	if err != nil {
		return nil
	}
	var pods []*corev1.Pod
	for _, pod := range c.Pods {
		if pod.Namespace == namespace && hasOwnAddress(pod) && chosen.Matches(labels.Set(pod.Labels)) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// hasOwnAddress leaves out pods that share the node's, and those whose address is free for others by now.
func hasOwnAddress(pod *corev1.Pod) bool {
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	_, valid := address(pod)
	return !pod.Spec.HostNetwork && !ended && valid
}

func address(pod *corev1.Pod) (netip.Addr, bool) {
	found, err := netip.ParseAddr(pod.Status.PodIP)
	return found, err == nil && found.Is4()
}

func addresses(pods []*corev1.Pod) []netip.Addr {
	var found []netip.Addr
	for _, pod := range pods {
		if address, valid := address(pod); valid {
			found = append(found, address)
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return slices.Compact(found)
}

// portMatches is one match for a port by number, and one for each number that a named port has among its owners.
func portMatches(peer peer, rule networkingv1.NetworkPolicyPort, owners []*corev1.Pod) []match {
	protocol := corev1.ProtocolTCP
	if rule.Protocol != nil {
		protocol = *rule.Protocol
	}
	base := port{protocol: nftProtocol(protocol)}
	switch {
	case rule.Port == nil:
		return []match{{peer: peer, port: base}}
	case rule.Port.Type == intstr.Int:
		base.first, base.last = rule.Port.IntVal, rule.Port.IntVal
		if rule.EndPort != nil {
			base.last = *rule.EndPort
		}
		return []match{{peer: peer, port: base}}
	}
	byNumber := map[int32][]*corev1.Pod{}
	for _, pod := range owners {
		if number, named := namedPort(pod, rule.Port.StrVal, protocol); named && hasOwnAddress(pod) {
			byNumber[number] = append(byNumber[number], pod)
		}
	}
	var found []match
	for number, pods := range byNumber {
		base.first, base.last = number, number
		found = append(found, match{peer: peer, port: base, portOwners: addresses(pods)})
	}
	slices.SortFunc(found, func(a, b match) int { return int(a.port.first - b.port.first) })
	return found
}

func namedPort(pod *corev1.Pod, name string, protocol corev1.Protocol) (int32, bool) {
	for _, container := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		for _, port := range container.Ports {
			ofPort := port.Protocol
			if ofPort == "" {
				ofPort = corev1.ProtocolTCP
			}
			if port.Name == name && ofPort == protocol {
				return port.ContainerPort, true
			}
		}
	}
	return 0, false
}

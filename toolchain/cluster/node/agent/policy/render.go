package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Table is the name of the ruleset in the kernel. Nothing outside it is touched.
const Table = "lakestack_policy"

// Render writes the ruleset for a cluster, to be given to `nft -f`, which puts it in the place of the one before in one
// step. Equal clusters give equal text.
//
// The hooks come after the service addresses were translated: both ends of a packet are pods, or outside the cluster.
// Traffic between pods is forwarded, since each has a link of its own to the node; traffic to the node itself, where the
// API server and the name relay listen, is input.
func Render(cluster Cluster) string {
	gates := cluster.gates()
	var text strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }

	// A table must exist to be deleted.
	line("table inet %s", Table)
	line("delete table inet %s", Table)
	line("table inet %s {", Table)
	line("\tchain forward {")
	line("\t\ttype filter hook forward priority filter; policy accept;")
	line("\t\tgoto leave")
	line("\t}")
	line("\tchain input {")
	line("\t\ttype filter hook input priority filter; policy accept;")
	line("\t\tgoto leave")
	line("\t}")
	line("\tchain leave {")
	line("\t\tct state established,related accept")
	dispatch(line, "ip saddr", egress, gates)
	line("\t\tgoto arrive")
	line("\t}")
	line("\tchain arrive {")
	dispatch(line, "ip daddr", ingress, gates)
	line("\t\taccept")
	line("\t}")
	for _, pod := range closed(gates) {
		line("\tchain %s {", podChain(pod))
		for _, gate := range gates {
			if gate.direction == pod.direction && slices.Contains(gate.pods, pod.pod) {
				line("\t\tjump %s", gate.chain())
			}
		}
		line("\t\tdrop")
		line("\t}")
	}
	for _, gate := range gates {
		line("\tchain %s {", gate.chain())
		line("\t\tcomment %q", gate.name)
		for _, match := range gate.allowed {
			line("\t\t%s%s", match.expression(gate.direction), gate.direction.verdict())
		}
		line("\t}")
	}
	line("}")
	return text.String()
}

// verdict is what becomes of a packet that a gate lets through: one that may leave must still be let in.
func (d direction) verdict() string {
	if d == egress {
		return "goto arrive"
	}
	return "accept"
}

type closedPod struct {
	pod       *corev1.Pod
	direction direction
}

// closed are the pods that any gate closes, once for each direction, in a fixed order.
func closed(gates []gate) []closedPod {
	var pods []closedPod
	for _, gate := range gates {
		for _, pod := range gate.pods {
			if each := (closedPod{pod, gate.direction}); !slices.Contains(pods, each) {
				pods = append(pods, each)
			}
		}
	}
	slices.SortFunc(pods, func(a, b closedPod) int { return compare(podChain(a), podChain(b)) })
	return pods
}

func podChain(pod closedPod) string {
	return fmt.Sprintf("pod-%s-%s", pod.direction, strings.ReplaceAll(pod.pod.Status.PodIP, ".", "-"))
}

func dispatch(line func(string, ...any), field string, direction direction, gates []gate) {
	var entries []string
	for _, pod := range closed(gates) {
		if pod.direction == direction {
			entries = append(entries, fmt.Sprintf("%s : goto %s", pod.pod.Status.PodIP, podChain(pod)))
		}
	}
	if len(entries) > 0 {
		line("\t\t%s vmap { %s }", field, strings.Join(slices.Compact(entries), ", "))
	}
}

// expression is the match in the language of nftables, with a space after it unless everything matches.
func (m match) expression(direction direction) string {
	far := "ip saddr"
	if direction == egress {
		far = "ip daddr"
	}
	var parts []string
	switch {
	case m.peer.block != "":
		parts = append(parts, blockExpression(far, m.peer.block, m.peer.except))
	case !m.peer.anyone:
		parts = append(parts, far+" "+set(m.peer.addresses))
	}
	if m.portOwners != nil {
		parts = append(parts, "ip daddr "+set(m.portOwners))
	}
	if expression := m.port.expression(); expression != "" {
		parts = append(parts, expression)
	}
	return strings.Join(append(parts, ""), " ")
}

func (p port) expression() string {
	switch {
	case p.protocol == "":
		return ""
	case p.first == 0:
		return "meta l4proto " + p.protocol
	case p.first == p.last:
		return fmt.Sprintf("%s dport %d", p.protocol, p.first)
	default:
		return fmt.Sprintf("%s dport %d-%d", p.protocol, p.first, p.last)
	}
}

func blockExpression(field, block string, except []string) string {
	prefix, err := netip.ParsePrefix(block)
	if err != nil || !prefix.Addr().Is4() {
		// Pods have no addresses of version 6, so a block of those matches nothing.
		return field + " 0.0.0.0 " + field + " 255.255.255.255"
	}
	expression := field + " " + prefix.Masked().String()
	var holes []string
	for _, each := range except {
		if hole, err := netip.ParsePrefix(each); err == nil && hole.Addr().Is4() {
			holes = append(holes, hole.Masked().String())
		}
	}
	if len(holes) > 0 {
		expression += fmt.Sprintf(" %s != { %s }", field, strings.Join(holes, ", "))
	}
	return expression
}

func set(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for index, address := range addresses {
		texts[index] = address.String()
	}
	return "{ " + strings.Join(texts, ", ") + " }"
}

func nftProtocol(protocol corev1.Protocol) string {
	return strings.ToLower(string(protocol))
}

func compare(a, b string) int { return cmp.Compare(a, b) }

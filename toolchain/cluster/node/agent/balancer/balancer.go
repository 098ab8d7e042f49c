// Package balancer gives Services of type LoadBalancer the node's address, at which kube-proxy then serves them.
package balancer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// claim is a port of the node for a protocol. One Service can have it.
type claim struct {
	protocol corev1.Protocol
	port     int32
}

// Decision is what a Service is to have: the node's address, or a reason why not.
type Decision struct {
	Service *corev1.Service
	// Empty if it gets the address.
	Refusal string
}

// Decide goes through the Services in the order in which they were made: the first to ask for a port gets it.
// Ports that the node itself listens at are nobody's.
func Decide(services []*corev1.Service, nodePorts []int32) []Decision {
	services = slices.Clone(services)
	slices.SortFunc(services, func(a, b *corev1.Service) int {
		if before := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); before != 0 {
			return before
		}
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	})
	holders := map[claim]string{}
	var decisions []Decision
	for _, service := range services {
		if service.Spec.Type != corev1.ServiceTypeLoadBalancer || service.Spec.LoadBalancerClass != nil {
			continue
		}
		refusal := ""
		var claims []claim
		for _, port := range service.Spec.Ports {
			claim := claim{port.Protocol, port.Port}
			if slices.Contains(nodePorts, port.Port) {
				refusal = fmt.Sprintf("port %d is the node's own", port.Port)
			} else if holder, taken := holders[claim]; taken {
				refusal = fmt.Sprintf("port %d is taken by the Service %s, and this cluster has one address", port.Port, holder)
			}
			claims = append(claims, claim)
		}
		if refusal == "" {
			for _, claim := range claims {
				holders[claim] = service.Namespace + "/" + service.Name
			}
		}
		decisions = append(decisions, Decision{service, refusal})
	}
	return decisions
}

// Balancer watches Services.
type Balancer struct {
	Client kubernetes.Interface
	// Address at which the outside reaches the node.
	Address string
	// Ports that the node itself listens at.
	NodePorts []int32
	Events    record.EventRecorder
}

// Run keeps the Services' status right until the context ends.
func (b *Balancer) Run(ctx context.Context, factory informers.SharedInformerFactory) error {
	services := factory.Core().V1().Services()
	changed := make(chan struct{}, 1)
	note := func(any) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	registration, err := services.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: note, UpdateFunc: func(_, now any) { note(now) }, DeleteFunc: note,
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
		return ctx.Err()
	}
	for {
		found, err := services.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		for _, decision := range Decide(found, b.NodePorts) {
			if err := b.carryOut(ctx, decision); err != nil {
				slog.Error("load balancer", "service", decision.Service.Name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (b *Balancer) carryOut(ctx context.Context, decision Decision) error {
	wanted := []corev1.LoadBalancerIngress{}
	if decision.Refusal == "" {
		mode := corev1.LoadBalancerIPModeVIP
		wanted = append(wanted, corev1.LoadBalancerIngress{IP: b.Address, IPMode: &mode})
	}
	service := decision.Service
	if decision.Refusal != "" {
		b.Events.Event(service, corev1.EventTypeWarning, "LoadBalancerPending", decision.Refusal)
	}
	if slices.EqualFunc(service.Status.LoadBalancer.Ingress, wanted, sameAddress) {
		return nil
	}
	service = service.DeepCopy()
	service.Status.LoadBalancer.Ingress = wanted
	_, err := b.Client.CoreV1().Services(service.Namespace).UpdateStatus(ctx, service, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		// It has changed since; that change comes here, too.
		return nil
	}
	if err == nil && decision.Refusal == "" {
		b.Events.Event(service, corev1.EventTypeNormal, "LoadBalancerReady", "served at the node's address "+b.Address)
	}
	return err
}

func sameAddress(a, b corev1.LoadBalancerIngress) bool { return a.IP == b.IP }

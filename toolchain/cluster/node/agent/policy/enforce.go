package policy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// Changes that come this close together are put into the kernel at once.
const settle = 20 * time.Millisecond

// How often the ruleset is written although nothing has changed: somebody may have flushed the kernel's.
const renew = 5 * time.Minute

// Enforce keeps the kernel's ruleset in step with the cluster until the context ends.
func Enforce(ctx context.Context, factory informers.SharedInformerFactory) error {
	pods := factory.Core().V1().Pods()
	namespaces := factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()

	changed := make(chan struct{}, 1)
	note := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { note() },
		UpdateFunc: func(any, any) { note() },
		DeleteFunc: func(any) { note() },
	}
	var synced []cache.InformerSynced
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		registration, err := informer.AddEventHandler(handler)
		if err != nil {
			return err
		}
		synced = append(synced, registration.HasSynced)
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return ctx.Err()
	}

	read := func() (Cluster, error) {
		var cluster Cluster
		var err error
		if cluster.Pods, err = pods.Lister().List(labels.Everything()); err != nil {
			return cluster, err
		}
		if cluster.Namespaces, err = namespaces.Lister().List(labels.Everything()); err != nil {
			return cluster, err
		}
		cluster.Policies, err = policies.Lister().List(labels.Everything())
		return cluster, err
	}

	current := ""
	for {
		cluster, err := read()
		if err != nil {
			return err
		}
		if ruleset := Render(cluster); ruleset != current {
			if err := apply(ctx, ruleset); err != nil {
				// The rules before stay in force, and the next change or renewal tries again.
				slog.Error("network policies could not be put into the kernel", "error", err)
			} else {
				current = ruleset
				slog.Info("network policies in force", "policies", len(cluster.Policies), "pods", len(cluster.Pods))
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
			time.Sleep(settle)
			// What came in meanwhile is read now.
			select {
			case <-changed:
			default:
			}
		case <-time.After(renew):
			current = ""
		}
	}
}

func apply(ctx context.Context, ruleset string) error {
	command := exec.CommandContext(ctx, "nft", "-f", "-")
	command.Stdin = strings.NewReader(ruleset)
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Run(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, strings.TrimSpace(said.String()))
	}
	return nil
}

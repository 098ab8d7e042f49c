package machine

import (
	"fmt"
	"path/filepath"

	"lakestack.dev/node/names"
)

const (
	etcdURL          = "http://127.0.0.1:2379"
	containerdSocket = "/run/containerd/containerd.sock"
)

func settings(file string) string { return filepath.Join(names.Settings, file) }

func certificate(file string) string { return filepath.Join(certificates, file) }

// etcd is reached on the loopback interface only, which pods do not share.
func etcdArgs() []string {
	peer := "http://127.0.0.1:2380"
	return []string{
		"--name=" + names.Node,
		"--data-dir=" + filepath.Join(names.Data, "etcd"),
		"--listen-client-urls=" + etcdURL, "--advertise-client-urls=" + etcdURL,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=" + names.Node + "=" + peer,
		// A busy disk may make it wait; with one member there is nobody else to lead.
		"--heartbeat-interval=500", "--election-timeout=5000",
		"--auto-compaction-retention=10m", "--auto-compaction-mode=periodic",
		"--snapshot-count=10000", "--log-level=warn",
	}
}

func apiServerArgs() []string {
	return []string{
		"--etcd-servers=" + etcdURL,
		"--advertise-address=" + names.NodeAddress,
		fmt.Sprintf("--secure-port=%d", names.APIPort),
		"--service-cluster-ip-range=" + names.ServiceNetwork,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--profiling=false",
		"--client-ca-file=" + certificate("ca.crt"),
		"--tls-cert-file=" + certificate("apiserver.crt"),
		"--tls-private-key-file=" + certificate("apiserver.key"),
		"--kubelet-certificate-authority=" + certificate("ca.crt"),
		"--kubelet-client-certificate=" + certificate("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + certificate("apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc." + names.Domain,
		"--service-account-key-file=" + certificate("service-accounts.key"),
		"--service-account-signing-key-file=" + certificate("service-accounts.key"),
		// For servers that extend the API, of which the agent is one, for metrics.k8s.io.
		"--requestheader-client-ca-file=" + certificate("front-proxy-ca.crt"),
		"--requestheader-allowed-names=" + names.FrontProxy,
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + certificate("front-proxy-client.crt"),
		"--proxy-client-key-file=" + certificate("front-proxy-client.key"),
		"--enable-aggregator-routing=true",
	}
}

// kubeconfigs are a component's for what it does, and for asking who may see its own pages.
func kubeconfigs(name string) []string {
	file := kubeconfigPath(name)
	return []string{
		"--kubeconfig=" + file, "--authentication-kubeconfig=" + file, "--authorization-kubeconfig=" + file,
		"--bind-address=127.0.0.1",
		// There is no second one to take over.
		"--leader-elect=false",
	}
}

func controllerManagerArgs() []string {
	return append(kubeconfigs("controller-manager"),
		"--allocate-node-cidrs=false",
		"--use-service-account-credentials=true",
		"--root-ca-file="+certificate("ca.crt"),
		"--service-account-private-key-file="+certificate("service-accounts.key"),
		"--cluster-signing-cert-file="+certificate("ca.crt"),
		"--cluster-signing-key-file="+certificate("ca.key"),
		"--profiling=false",
	)
}

func schedulerArgs() []string {
	return append(kubeconfigs("scheduler"), "--profiling=false")
}

func kubeletArgs() []string {
	return []string{
		"--config=" + settings("kubelet.yaml"),
		"--kubeconfig=" + kubeconfigPath("kubelet"),
		"--root-dir=" + filepath.Join(names.Data, "kubelet"),
		"--hostname-override=" + names.Node,
		"--node-ip=" + names.NodeAddress,
	}
}

// Package names holds what the node's parts must agree on.
package names

const (
	// Node is the name of the one node. Volumes are bound to it, so it never changes.
	Node = "lakestack"
	// NodeAddress lies on the node's loopback interface: unlike the address that Docker gives, it outlives a restart.
	NodeAddress = "10.95.0.1"
	// PodNetwork and ServiceNetwork are known to the settings of kube-proxy, CNI and CoreDNS, too.
	PodNetwork     = "10.244.0.0/16"
	ServiceNetwork = "10.96.0.0/16"
	// APIService is the first address of the ServiceNetwork, and NameServer the one that the Service kube-dns asks for.
	APIService  = "10.96.0.1"
	NameServer  = "10.96.0.10"
	Domain      = "cluster.local"
	APIPort     = 6443
	KubeletPort = 10250
	// MetricsPort and MetricsService are known to the manifest of the API metrics.k8s.io, too.
	MetricsPort    = 10251
	MetricsService = "metrics.kube-system.svc"

	// Data is the volume: all that outlives the container.
	Data = "/var/lib/cluster"
	// Run is forgotten when the container stops.
	Run = "/run/lakestack"
	// Settings and Manifests are part of the image.
	Settings  = "/etc/lakestack/settings"
	Manifests = "/etc/lakestack/manifests"
	// Images are imported when containerd does not have them.
	Images = "/usr/local/share/lakestack/images.tar"
	// Certificates are issued at each start.
	Certificates = "/etc/kubernetes/pki"
	// FrontProxy is the API server as other servers that extend it know it.
	FrontProxy = "front-proxy-client"
	// AdminConfig is the kubeconfig for people, and for the node's own doings.
	AdminConfig = "/etc/kubernetes/admin.conf"
)

// NodePorts are the ports at which the node itself listens at all its addresses, or that its address is asked for.
var NodePorts = []int32{53, APIPort, KubeletPort, MetricsPort, 10256}

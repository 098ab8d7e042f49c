package machine

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	"lakestack.dev/node/names"
)

const certificates = names.Certificates

// clients are the node's own users of the API server. RBAC has roles for these names but the last, whose role is among
// the manifests.
var clients = map[string]Subject{
	"admin":              {Name: "lakestack-admin", Groups: []string{"system:masters"}},
	"controller-manager": {Name: "system:kube-controller-manager"},
	"scheduler":          {Name: "system:kube-scheduler"},
	"kubelet":            {Name: "system:node:" + names.Node, Groups: []string{"system:nodes"}},
	"kube-proxy":         {Name: "system:kube-proxy"},
	"agent":              {Name: "lakestack:agent"},
}

// prepareIdentities issues the certificates anew, so that they always fit the image's idea of them. Only the
// authorities last: who trusts them goes on trusting.
func prepareIdentities(outside string) error {
	lasting := filepath.Join(names.Data, "pki")
	if err := ensureLasting(lasting); err != nil {
		return err
	}
	if err := os.MkdirAll(certificates, 0o700); err != nil {
		return err
	}
	authority, err := ReadAuthority(lasting, "ca")
	if err != nil {
		return err
	}
	front, err := ReadAuthority(lasting, "front-proxy-ca")
	if err != nil {
		return err
	}
	for _, file := range []string{"ca.crt", "ca.key", "front-proxy-ca.crt", "service-accounts.key"} {
		content, err := os.ReadFile(filepath.Join(lasting, file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(certificates, file), content, 0o600); err != nil {
			return err
		}
	}
	service := "kubernetes.default.svc"
	servers := map[string][]string{
		"apiserver": {
			"localhost", "127.0.0.1", "::1", "host.docker.internal", names.Node, names.NodeAddress, outside, names.APIService,
			"kubernetes", "kubernetes.default", service, service + "." + names.Domain,
		},
		"kubelet-server": {names.Node, names.NodeAddress},
		"metrics-server": {names.MetricsService},
	}
	for name, hosts := range servers {
		if err := authority.Issue(certificates, name, Subject{Name: name, Hosts: hosts}); err != nil {
			return err
		}
	}
	if err := front.Issue(certificates, names.FrontProxy, Subject{Name: names.FrontProxy}); err != nil {
		return err
	}
	// As the API server speaks to kubelets.
	operator := Subject{Name: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}}
	if err := authority.Issue(certificates, "apiserver-kubelet-client", operator); err != nil {
		return err
	}
	for name, subject := range clients {
		if err := authority.Issue(certificates, name, subject); err != nil {
			return err
		}
		if err := writeKubeconfig(name); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfigPath(name string) string {
	return filepath.Join(filepath.Dir(names.AdminConfig), name+".conf")
}

// writeKubeconfig writes one that needs no other file, since the administrator's is taken out of the container.
func writeKubeconfig(name string) error {
	embedded := map[string]string{}
	for _, file := range []string{"ca.crt", name + ".crt", name + ".key"} {
		content, err := os.ReadFile(filepath.Join(certificates, file))
		if err != nil {
			return err
		}
		embedded[file] = base64.StdEncoding.EncodeToString(content)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
  - name: lakestack
    cluster:
      server: https://127.0.0.1:%d
      certificate-authority-data: %s
users:
  - name: lakestack
    user:
      client-certificate-data: %s
      client-key-data: %s
contexts:
  - name: lakestack
    context:
      cluster: lakestack
      user: lakestack
current-context: lakestack
`, names.APIPort, embedded["ca.crt"], embedded[name+".crt"], embedded[name+".key"])
	return os.WriteFile(kubeconfigPath(name), []byte(text), 0o600)
}

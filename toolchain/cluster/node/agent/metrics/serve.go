// Package metrics serves the API metrics.k8s.io: what pods and the node use of processors and memory, as the kubelet has
// last measured it. Horizontal autoscalers and `kubectl top` ask for it.
package metrics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Files of the server: its certificate and key, and the authority of the only client that it listens to, by that
// client's name. The API server has asked RBAC before it passes a question on.
type Files struct {
	Certificate, Key, ClientAuthority string
	ClientName                        string
}

// Server answers for one node.
type Server struct {
	Client  kubernetes.Interface
	Kubelet Kubelet
}

// Serve answers at an address until the context ends.
func (s Server) Serve(ctx context.Context, address string, files Files) error {
	authority, err := os.ReadFile(files.ClientAuthority)
	if err != nil {
		return err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(authority) {
		return fmt.Errorf("%s: expected certificates", files.ClientAuthority)
	}
	server := http.Server{
		Addr:              address,
		Handler:           onlyFor(files.ClientName, s.handler()),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13,
			ClientAuth: tls.RequireAndVerifyClientCert,
			ClientCAs:  clients,
		},
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	err = server.ListenAndServeTLS(files.Certificate, files.Key)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func onlyFor(name string, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.TLS == nil || len(request.TLS.PeerCertificates) == 0 || request.TLS.PeerCertificates[0].Subject.CommonName != name {
			http.Error(writer, "only the API server may ask", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(writer, request)
	})
}

func (s Server) handler() http.Handler {
	const root = "GET /apis/" + groupVersion
	mux := http.NewServeMux()
	mux.HandleFunc(root, func(writer http.ResponseWriter, _ *http.Request) { write(writer, http.StatusOK, resources) })
	mux.HandleFunc(root+"/nodes", s.nodes)
	mux.HandleFunc(root+"/nodes/{name}", s.nodes)
	mux.HandleFunc(root+"/pods", s.pods)
	mux.HandleFunc(root+"/namespaces/{namespace}/pods", s.pods)
	mux.HandleFunc(root+"/namespaces/{namespace}/pods/{name}", s.pods)
	return mux
}

var resources = metav1.APIResourceList{
	TypeMeta:     metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"},
	GroupVersion: groupVersion,
	APIResources: []metav1.APIResource{
		{Name: "nodes", SingularName: "", Kind: "NodeMetrics", Verbs: metav1.Verbs{"get", "list"}},
		{Name: "pods", SingularName: "", Namespaced: true, Kind: "PodMetrics", Verbs: metav1.Verbs{"get", "list"}},
	},
}

func (s Server) nodes(writer http.ResponseWriter, request *http.Request) {
	nodes, err := s.Client.CoreV1().Nodes().List(request.Context(), selection(request))
	if err != nil {
		refuse(writer, err)
		return
	}
	summary, err := s.Kubelet.Summary(request.Context())
	if err != nil {
		refuse(writer, err)
		return
	}
	answer(writer, request, "NodeMetrics", ofNodes(summary, nodes.Items))
}

func (s Server) pods(writer http.ResponseWriter, request *http.Request) {
	pods, err := s.Client.CoreV1().Pods(request.PathValue("namespace")).List(request.Context(), selection(request))
	if err != nil {
		refuse(writer, err)
		return
	}
	summary, err := s.Kubelet.Summary(request.Context())
	if err != nil {
		refuse(writer, err)
		return
	}
	answer(writer, request, "PodMetrics", ofPods(summary, pods.Items))
}

// selection is the caller's, made to the API server that knows labels and fields.
func selection(request *http.Request) metav1.ListOptions {
	query := request.URL.Query()
	options := metav1.ListOptions{LabelSelector: query.Get("labelSelector"), FieldSelector: query.Get("fieldSelector")}
	if name := request.PathValue("name"); name != "" {
		options = metav1.ListOptions{FieldSelector: "metadata.name=" + name}
	}
	return options
}

// answer gives the one that was asked for by name, or the list.
func answer[T any](writer http.ResponseWriter, request *http.Request, kind string, items []T) {
	name := request.PathValue("name")
	switch {
	case name == "":
		write(writer, http.StatusOK, list{TypeMeta: typeMeta(kind + "List"), Items: items})
	case len(items) == 0:
		refuse(writer, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
			Message: fmt.Sprintf("there is no measurement of %q", name),
		}})
	default:
		write(writer, http.StatusOK, items[0])
	}
}

func refuse(writer http.ResponseWriter, err error) {
	status := apierrors.NewInternalError(err).Status()
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		status = known.Status()
	}
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	write(writer, int(status.Code), status)
}

func write(writer http.ResponseWriter, code int, answer any) {
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(code)
	if err := json.NewEncoder(writer).Encode(answer); err != nil {
		slog.Warn("metrics: an answer was not taken", "error", err)
	}
}

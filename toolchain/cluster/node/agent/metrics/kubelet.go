package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Summary is what the kubelet has measured, as far as it is passed on.
type Summary struct {
	Node usage `json:"node"`
	Pods []struct {
		Reference struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"podRef"`
		Containers []usage `json:"containers"`
	} `json:"pods"`
}

// usage is of the node or of a container. What has not been measured yet is nil.
type usage struct {
	Name string `json:"name"`
	CPU  struct {
		Time      time.Time `json:"time"`
		NanoCores *int64    `json:"usageNanoCores"`
	} `json:"cpu"`
	Memory struct {
		WorkingSet *int64 `json:"workingSetBytes"`
	} `json:"memory"`
}

// measured needs two looks at a container's use of processors, some ten seconds apart.
func (u usage) measured() bool { return u.CPU.NanoCores != nil && u.Memory.WorkingSet != nil }

// Kubelet asks a kubelet at its address, for example "10.95.0.1:10250".
type Kubelet struct {
	Client  *http.Client
	Address string
}

// Summary asks what the kubelet has last measured.
func (k Kubelet) Summary(ctx context.Context) (*Summary, error) {
	url := "https://" + k.Address + "/stats/summary?only_cpu_and_memory=true"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := k.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the kubelet answers %s: %s", response.Status, body)
	}
	summary := &Summary{}
	return summary, json.Unmarshal(body, summary)
}

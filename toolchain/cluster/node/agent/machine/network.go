package machine

import (
	"fmt"
	"net"
	"os/exec"
	"strings"

	"lakestack.dev/node/names"
)

// OutsideInterface is the container's door to Docker's network.
const OutsideInterface = "eth0"

// OutsideAddress is the one at which Docker reaches the container. It may change with each start.
func OutsideAddress() (string, error) {
	device, err := net.InterfaceByName(OutsideInterface)
	if err != nil {
		return "", fmt.Errorf("%s: %w: expected Docker's network to be there", OutsideInterface, err)
	}
	addresses, err := device.Addrs()
	if err != nil {
		return "", err
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil {
			return network.IP.String(), nil
		}
	}
	return "", fmt.Errorf("%s has no address of IP version 4", OutsideInterface)
}

// prepareNetwork gives the node its lasting address, and lets pods reach the outside in the container's name.
func prepareNetwork() error {
	if err := command("ip", "address", "replace", names.NodeAddress+"/32", "dev", "lo"); err != nil {
		return err
	}
	rules := exec.Command("nft", "-f", "-")
	rules.Stdin = strings.NewReader(fmt.Sprintf(`
table ip lakestack_outside
delete table ip lakestack_outside
table ip lakestack_outside {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %s oifname %q masquerade
	}
}
`, names.PodNetwork, OutsideInterface))
	if output, err := rules.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s (the kernel must have nf_tables with NAT)", err, output)
	}
	return nil
}

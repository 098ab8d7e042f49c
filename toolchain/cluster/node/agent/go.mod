module lakestack.dev/node

go 1.26

require (
	golang.org/x/sys v0.35.0
	k8s.io/api v0.34.4
	k8s.io/apimachinery v0.34.4
	k8s.io/client-go v0.34.4
)

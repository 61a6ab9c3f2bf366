#!/bin/sh
# GNU Wget. It reads no variable for trust, so it is told.
set -eu
call() {
	wget --quiet --output-document=/dev/null --tries=1 --timeout=60 --ca-certificate="$SSL_CERT_FILE" --header="Authorization: Bearer $ARM_TOKEN" "$@"
}
json='Content-Type: application/json'
version='api-version=2021-04-01'

call "$ARM/subscriptions?$version"
call --method=PUT --header="$json" --body-data='{"location": "westeurope"}' "$ARM$RG?$version"
call --method=PUT --header="$json" --body-data='{"properties": {}}' "$ARM$RG/providers/Microsoft.Resources/deployments/first?$version"
call --method=PATCH --header="$json" --body-data='{"tags": {"a": "b"}}' "$ARM$RG?$version"
call --method=PUT --body-data='blob' "$OTHER/container/blob"
call --method=DELETE "$ARM$RG?$version"

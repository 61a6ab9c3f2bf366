#!/bin/sh
# curl in all its ways of sending a body. The arguments are options for each call.
set -eu
call() {
	curl --silent --show-error --fail --output /dev/null --max-time 60 --header "Authorization: Bearer $ARM_TOKEN" "$@"
}
json='Content-Type: application/json'
version='api-version=2021-04-01'

call "$@" "$ARM/subscriptions?$version"
# Two writes and a read over one connection.
call "$@" --request PUT --header "$json" --data '{"location": "westeurope"}' "$ARM$RG?$version" \
	--next --silent --show-error --fail --output /dev/null "$@" --header "Authorization: Bearer $ARM_TOKEN" "$ARM$RG?$version" \
	--next --silent --show-error --fail --output /dev/null "$@" --header "Authorization: Bearer $ARM_TOKEN" \
	--request PUT --header "$json" --data '{"properties": {}}' "$ARM$RG/providers/Microsoft.Resources/deployments/first?$version"
call "$@" --head "$ARM$RG?$version"
call "$@" --request PATCH --header "$json" --data '{"tags": {"a": "b"}}' "$ARM$RG?$version"
call "$@" --request POST --header "$json" --data '{"properties": {}}' "$ARM$RG/providers/Microsoft.Resources/deployments/first/validate?$version"
# A batch: what stands inside is ARM's business.
call "$@" --request POST --header "$json" --data "{\"requests\": [{\"httpMethod\": \"PUT\", \"name\": \"1\", \"url\": \"$RG/providers/Microsoft.Storage/storageAccounts/inner?$version\", \"content\": {}}]}" "$ARM/batch?$version"
# Over a megabyte: HTTP/1.1 asks with Expect: 100-continue first.
head -c 1500000 /dev/zero | tr '\0' ' ' >"$WORK/big"
call "$@" --request PUT --header "$json" --data-binary "@$WORK/big" "$ARM$RG/providers/Microsoft.Storage/storageAccounts/big?$version"
# A body of unknown length.
printf '{"location": "westeurope"}' | call "$@" --header "$json" --upload-file - "$ARM$RG/providers/Microsoft.Storage/storageAccounts/chunked?$version"
# No User-Agent at all.
call "$@" --user-agent '' --request PUT --header "$json" --data '{}' "$ARM$RG/providers/Microsoft.Storage/storageAccounts/nobody?$version"
call "$@" --user-agent '' "$ARM$RG?$version"
# An answer that is compressed, and a path with escapes.
call "$@" --compressed "$ARM$RG/resources?$version&%24filter=name%20eq%20'a%2Fb'"
# The ID is there already.
call "$@" --user-agent "mine/1 $TRACKING_ID" --request PUT --header "$json" --data '{}' "$ARM$RG/providers/Microsoft.Storage/storageAccounts/tagged?$version"
# A write to a host that is not ARM.
call "$@" --request PUT --data 'blob' "$OTHER/container/blob"
call "$@" --request DELETE "$ARM$RG?$version"

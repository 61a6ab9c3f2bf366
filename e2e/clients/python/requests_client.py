"""Python requests: one session, as a home-grown script would use it."""

import os

import requests

arm, group, other = os.environ["ARM"], os.environ["RG"], os.environ["OTHER"]
version = {"api-version": "2021-04-01"}
session = requests.Session()
session.headers["Authorization"] = "Bearer " + os.environ["ARM_TOKEN"]


def call(method, url, **kwargs):
    response = session.request(method, url, timeout=60, **kwargs)
    response.raise_for_status()
    return response


def chunks():
    yield b'{"location": '
    yield b'"westeurope"}'


call("GET", arm + "/subscriptions", params=version)
call("PUT", arm + group, params=version, json={"location": "westeurope"})
call("HEAD", arm + group, params=version)
call("PUT", arm + group + "/providers/Microsoft.Resources/deployments/first", params=version, json={"properties": {}})
call("PUT", arm + group + "/providers/Microsoft.Storage/storageAccounts/chunked", params=version, data=chunks())
call("PATCH", arm + group, params=version, json={"tags": {"a": "b"}})
call("POST", arm + group + "/providers/Microsoft.Resources/deployments/first/validate", params=version, json={})
# A long sequence over one connection.
for n in range(20):
    call("PUT", arm + group + "/providers/Microsoft.Storage/storageAccounts/n%d" % n, params=version, json={"n": n})
call("PUT", other + "/container/blob", data=b"blob")
call("DELETE", arm + group, params=version)

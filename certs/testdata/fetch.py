"""Fetches https://TARGET/ through the proxy for each argument and says how it
went. Verification is strict, as it is by default from Python 3.13 on."""

import http.client
import os
import ssl
import sys
from urllib.parse import urlsplit

proxy = urlsplit(os.environ["HTTPS_PROXY"])
context = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
context.verify_flags |= ssl.VERIFY_X509_STRICT

for target in sys.argv[1:]:
    host = target.strip("[]")
    connection = http.client.HTTPSConnection(proxy.hostname, proxy.port, context=context, timeout=30)
    connection.set_tunnel(host, 443)
    try:
        connection.request("GET", "/")
        verdict = "accepted " + connection.getresponse().read().decode()
    except OSError as err:
        verdict = f"refused {err}"
    finally:
        connection.close()
    print("python", target, " ".join(verdict.split()))

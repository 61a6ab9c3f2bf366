package main

func (a *app) childEnv(e *engine) ([]string, error) {
	return append(append([]string(nil), a.env...), "HTTPS_PROXY="+e.proxyURL(), "https_proxy="+e.proxyURL(), "CURL_CA_BUNDLE="+e.bundles.Combined, "SSL_CERT_FILE="+e.bundles.Combined), nil
}

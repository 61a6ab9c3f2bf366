package main

import (
	"github.com/attribproxy/attribproxy/certs"
)

func (a *app) childEnv(e *engine, b certs.Bundles) ([]string, error) { return append(append([]string(nil), a.env...), "HTTPS_PROXY="+e.proxyURL(), "https_proxy="+e.proxyURL(), "CURL_CA_BUNDLE="+b.Combined), nil }

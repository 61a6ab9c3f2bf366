package fakecloud

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// serveSignIn plays the part of Microsoft Entra ID that a service principal
// with a secret needs.
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
func (c *Cloud) serveSignIn(w http.ResponseWriter, r *http.Request) {
	p := strings.ToLower(r.URL.Path)
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	switch {
	case strings.HasSuffix(p, "/discovery/instance"):
		c.instanceDiscovery(w, r)
	case strings.HasSuffix(p, "/.well-known/openid-configuration"):
		base := "https://" + canonicalHost(r.Host) + "/" + tenant
		if tenant == "common" || tenant == "organizations" {
			tenant = TenantID
		}
		writeJSON(w, http.StatusOK, object{
			"token_endpoint":                        base + "/oauth2/v2.0/token",
			"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
			"device_authorization_endpoint":         base + "/oauth2/v2.0/devicecode",
			"end_session_endpoint":                  base + "/oauth2/v2.0/logout",
			"jwks_uri":                              base + "/discovery/v2.0/keys",
			"issuer":                                "https://" + canonicalHost(r.Host) + "/" + tenant + "/v2.0",
			"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
			"response_types_supported":              []string{"code", "id_token", "token id_token"},
			"response_modes_supported":              []string{"query", "fragment", "form_post"},
			"subject_types_supported":               []string{"pairwise"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
			"tenant_region_scope":                   "EU",
			"cloud_instance_name":                   "microsoftonline.com",
		})
	case strings.HasSuffix(p, "/discovery/v2.0/keys") || strings.HasSuffix(p, "/discovery/keys"):
		writeJSON(w, http.StatusOK, object{"keys": []any{}})
	case (rest == "oauth2/v2.0/token" || rest == "oauth2/token") && r.Method == http.MethodPost:
		c.token(w, r, tenant)
	default:
		writeJSON(w, http.StatusNotFound, object{"error": "not_found", "error_description": "the fake cloud has no " + r.URL.Path})
	}
}

func (c *Cloud) instanceDiscovery(w http.ResponseWriter, r *http.Request) {
	tenant := "common"
	if u, err := url.Parse(r.URL.Query().Get("authorization_endpoint")); err == nil {
		if first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/"); first != "" {
			tenant = first
		}
	}
	writeJSON(w, http.StatusOK, object{
		"tenant_discovery_endpoint": "https://" + signInHosts[0] + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []any{object{
			"preferred_network": signInHosts[0],
			"preferred_cache":   "login.windows.net",
			"aliases":           signInHosts,
		}},
	})
}

func (c *Cloud) token(w http.ResponseWriter, r *http.Request, tenant string) {
	bad := func(status int, code, text string) {
		writeJSON(w, status, object{"error": code, "error_description": text, "error_codes": []int{7000215}})
	}
	if err := r.ParseForm(); err != nil {
		bad(http.StatusBadRequest, "invalid_request", "AADSTS900144: the body is no form")
		return
	}
	client, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok && secret == "" {
		client, secret = user, password
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		bad(http.StatusBadRequest, "unsupported_grant_type", "AADSTS70003: the fake cloud signs in service principals only")
		return
	}
	if client == "" || secret == "" {
		bad(http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
		return
	}
	audience := r.PostForm.Get("resource")
	for scope := range strings.FieldsSeq(r.PostForm.Get("scope")) {
		if a, ok := strings.CutSuffix(scope, "/.default"); ok {
			audience = a
		}
	}
	const life = time.Hour
	writeJSON(w, http.StatusOK, object{
		"token_type":     "Bearer",
		"expires_in":     int(life.Seconds()),
		"ext_expires_in": int(life.Seconds()),
		"access_token":   c.newToken(tenant, client, audience, life),
	})
}

// Token is an access token for ARM, for clients that do not sign in.
func (c *Cloud) Token() string {
	return c.newToken(TenantID, ClientID, "https://"+c.opts.Hosts[0], time.Hour)
}

// newToken makes a JWT (RFC 7519) with the claims that clients look at. Its
// signature is a MAC with a key that nobody keeps: no one verifies it.
func (c *Cloud) newToken(tenant, client, audience string, life time.Duration) string {
	now := c.opts.Now()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // only our own values get here
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(object{"typ": "JWT", "alg": "HS256", "kid": "fakecloud"}) + "." + part(object{
		"aud": audience,
		"iss": "https://sts.windows.net/" + tenant + "/",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(life).Unix(),
		"appid": client, "appidacr": "1", "idtyp": "app",
		"oid": client, "sub": client, "tid": tenant,
		"uti": uuid.NewString(), "ver": "1.0", "xms_tcdt": now.Unix(),
	})
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, see crypto/rand
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	token := signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	c.logMu.Lock()
	c.issued[token] = true
	c.logMu.Unlock()
	return token
}

// Issued reports whether an Authorization field carries a token that this cloud
// handed out, byte for byte. Requests with any other token are answered too.
func (c *Cloud) Issued(authorization string) bool {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	return c.issued[strings.TrimPrefix(authorization, "Bearer ")]
}

package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// credentials is the content of credentials.env: what a shell needs to use the
// deployment. Addresses and paths are written anew at every start, keys are
// kept as they are.
type credentials struct {
	names  []string // in the order of the file
	values map[string]string
}

func (c *credentials) set(name, value string) {
	if c.values == nil {
		c.values = map[string]string{}
	}
	if _, ok := c.values[name]; !ok {
		c.names = append(c.names, name)
	}
	c.values[name] = value
}

// readCredentials reads the keys of an earlier start. A missing file has none.
func readCredentials(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the credentials: %w", err)
	}
	kept := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		name, value, ok := strings.Cut(s.Text(), "=")
		if ok && !strings.HasPrefix(name, "#") {
			kept[name] = unquote(value)
		}
	}
	return kept, nil
}

// encode writes the file: NAME=value, quoted for a POSIX shell where needed.
func (c *credentials) encode() []byte {
	var b bytes.Buffer
	b.WriteString("# Made by strongroom. Keep it secret; load it with: set -a; . FILE; set +a\n")
	for _, n := range c.names {
		b.WriteString(n + "=" + quote(c.values[n]) + "\n")
	}
	return b.Bytes()
}

// quote quotes a value for a POSIX shell unless every byte is harmless there.
func quote(v string) string {
	const harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"
	if v != "" && strings.Trim(v, harmless) == "" {
		return v
	}
	return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
}

func unquote(v string) string {
	if len(v) >= 2 && v[0] == '\'' && v[len(v)-1] == '\'' {
		return strings.ReplaceAll(v[1:len(v)-1], `'\''`, "'")
	}
	return v
}

// place are the addresses and names that the file tells.
type place struct {
	url, s3URL, region           string
	account, group               string
	kmsID, kmsCRN, cosID, cosCRN string
	apiKey, accessKey, secretKey string
}

// credentialsOf lists everything that clients of all kinds read.
func credentialsOf(f *folder, p place) *credentials {
	c := &credentials{}
	c.set("STRONGROOM_URL", p.url)
	c.set("STRONGROOM_S3_URL", p.s3URL)
	c.set("STRONGROOM_REGION", p.region)
	c.set("STRONGROOM_API_KEY", p.apiKey)
	c.set("STRONGROOM_ACCOUNT_ID", p.account)
	c.set("STRONGROOM_RESOURCE_GROUP_ID", p.group)
	c.set("STRONGROOM_KMS_INSTANCE_ID", p.kmsID)
	c.set("STRONGROOM_KMS_INSTANCE_CRN", p.kmsCRN)
	c.set("STRONGROOM_COS_INSTANCE_ID", p.cosID)
	c.set("STRONGROOM_COS_INSTANCE_CRN", p.cosCRN)
	c.set("STRONGROOM_CA_FILE", f.file(caFile))
	c.set("NODE_EXTRA_CA_CERTS", f.file(caFile))
	c.set("SSL_CERT_FILE", f.file(bundleFile))
	c.set("AWS_CA_BUNDLE", f.file(bundleFile))
	c.set("AWS_ACCESS_KEY_ID", p.accessKey)
	c.set("AWS_SECRET_ACCESS_KEY", p.secretKey)
	c.set("AWS_ENDPOINT_URL_S3", p.s3URL)
	c.set("AWS_REGION", p.region)

	// Terraform's provider for IBM Cloud, and IBM's generated clients.
	c.set("IC_API_KEY", p.apiKey)
	c.set("IC_REGION", p.region)
	for _, n := range []string{
		"IBMCLOUD_IAM_API_ENDPOINT", "IBMCLOUD_IAMPAP_API_ENDPOINT",
		"IBMCLOUD_RESOURCE_CONTROLLER_API_ENDPOINT", "IBMCLOUD_RESOURCE_MANAGEMENT_API_ENDPOINT",
		"IBMCLOUD_RESOURCE_CATALOG_API_ENDPOINT", "IBMCLOUD_KP_API_ENDPOINT",
		"IBMCLOUD_GS_API_ENDPOINT", "IBMCLOUD_GT_API_ENDPOINT",
		"IBMCLOUD_ACCOUNT_MANAGEMENT_API_ENDPOINT", "IBMCLOUD_USER_MANAGEMENT_ENDPOINT",
	} {
		c.set(n, p.url)
	}
	c.set("IBMCLOUD_COS_CONFIG_ENDPOINT", p.url+"/v1")
	c.set("IBMCLOUD_COS_ENDPOINT", p.s3URL)
	c.set("IBM_KEY_PROTECT_API_URL", p.url)
	c.set("IBM_KEY_PROTECT_API_AUTH_URL", p.url)
	c.set("IBM_KEY_PROTECT_API_AUTH_TYPE", "iam")
	c.set("IBM_KEY_PROTECT_API_APIKEY", p.apiKey)
	return c
}

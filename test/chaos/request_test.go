package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"strongroom/test/process"
)

// caller sends requests to one Key Protect instance as the administrator.
type caller struct {
	client               *http.Client
	url, token, instance string
}

func newCaller(t *testing.T, s *process.Server, token string) *caller {
	t.Helper()
	return &caller{
		client: s.Client, url: s.Value(t, "STRONGROOM_URL"), token: token,
		instance: s.Value(t, "STRONGROOM_KMS_INSTANCE_ID"),
	}
}

// answer is what came back to a request.
type answer struct {
	correlation string // of the request, chosen by the caller
	status      int
	body        []byte
}

// decode reads the body, which must be JSON.
func (a answer) decode(into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("status %d: %w: %s", a.status, err, a.body)
	}
	return nil
}

// send sends a body as it is. An error means that nobody knows whether the
// request was carried out.
func (c *caller) send(ctx context.Context, method, path string, body []byte) (answer, error) {
	a := answer{correlation: uuid.NewString()}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Bluemix-Instance", c.instance)
	req.Header.Set("Correlation-Id", a.correlation)
	resp, err := c.client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	a.status = resp.StatusCode
	a.body, err = io.ReadAll(resp.Body)
	return a, err
}

// do sends v as JSON.
func (c *caller) do(ctx context.Context, method, path string, v any) (answer, error) {
	var body []byte
	if v != nil {
		var err error
		if body, err = json.Marshal(v); err != nil {
			return answer{}, err
		}
	}
	return c.send(ctx, method, path, body)
}

const keyType = "application/vnd.ibm.kms.key+json"

// newKey is the body that creates a key.
func newKey(name string, extractable bool, payload string) any {
	key := map[string]any{"type": keyType, "name": name, "extractable": extractable}
	if payload != "" {
		key["payload"] = payload
	}
	return map[string]any{
		"metadata":  map[string]any{"collectionType": keyType, "collectionTotal": 1},
		"resources": []any{key},
	}
}

// keys is the answer that describes keys.
type keys struct {
	Metadata struct {
		TotalCount int `json:"totalCount"`
	} `json:"metadata"`
	Resources []struct {
		ID    string `json:"id"`
		State int    `json:"state"`
	} `json:"resources"`
}

// dataKey is the answer to wrap and unwrap, and the body of unwrap.
type dataKey struct {
	Plaintext  string   `json:"plaintext,omitempty"`
	Ciphertext string   `json:"ciphertext,omitempty"`
	AAD        []string `json:"aad,omitempty"`
}

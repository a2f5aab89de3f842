package rootkeyhttp

import (
	"context"
	"encoding/base64"
	"net/http"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/objects"
)

const (
	keySize        = 32       // bytes of the keys that Generate draws
	longestWrapped = 16 << 10 // bytes of a wrapped key that is kept
	longestVersion = 256      // bytes of the ID of a version
)

// States of a key on the wire.
const (
	active      = 1
	deactivated = 3
	destroyed   = 5
)

// keyVersion names a version on the wire.
type keyVersion struct {
	ID string `json:"id"`
}

// metadata is what the client reads of a key.
type metadata struct {
	Resources []struct {
		ID          string     `json:"id"`
		CRN         string     `json:"crn"`
		State       int        `json:"state"`
		Extractable bool       `json:"extractable"`
		Deleted     bool       `json:"deleted"`
		KeyVersion  keyVersion `json:"keyVersion"`
	} `json:"resources"`
}

// wrapping is the body of a request to wrap, unwrap or rewrap, and the answer to it.
type wrapping struct {
	Plaintext  string      `json:"plaintext,omitempty"`
	Ciphertext string      `json:"ciphertext,omitempty"`
	AAD        []string    `json:"aad,omitempty"`
	Version    *keyVersion `json:"keyVersion,omitempty"`
	Rewrapped  *keyVersion `json:"rewrappedKeyVersion,omitempty"`
}

// wrapped is the key that an answer holds, wrapped by a version.
func (w *wrapping) wrapped(by *keyVersion) (objects.WrappedKey, error) {
	if by == nil || !isWord(by.ID, longestVersion) || !isWord(w.Ciphertext, longestWrapped) {
		return objects.WrappedKey{}, errProtocol
	}
	return objects.WrappedKey{Ciphertext: w.Ciphertext, Version: by.ID}, nil
}

// Describe implements objects.RootKeys.
func (c *Client) Describe(ctx context.Context, _ iam.Caller, _, root crn.CRN) (crn.CRN, error) {
	if root.Service != crn.KeyProtect || root.Type != "key" || root.Resource == "" {
		return crn.CRN{}, objects.ErrRootUnknown
	}
	var m metadata
	if err := c.call(ctx, http.MethodGet, root, "/metadata", nil, &m); err != nil {
		return crn.CRN{}, choice(err)
	}
	if len(m.Resources) != 1 {
		return crn.CRN{}, errProtocol
	}
	k := m.Resources[0]
	is, err := crn.Parse(k.CRN)
	switch {
	case err != nil, is.Type != "key", is.Resource == "":
		return crn.CRN{}, errProtocol
	case is.Child("", "") != root.Child("", ""), k.Deleted, k.State == destroyed:
		return crn.CRN{}, objects.ErrRootUnknown
	case k.Extractable, k.State != active:
		return crn.CRN{}, objects.ErrRootUnusable
	}
	return is, nil
}

// Generate implements objects.RootKeys. The key is drawn here, so that it is one of ours whatever the
// service does.
func (c *Client) Generate(ctx context.Context, _ iam.Caller, _, root crn.CRN, aad []string) (custody.Secret, objects.WrappedKey, error) {
	key := custody.RandomSecret(keySize)
	var w wrapping
	body := wrapping{Plaintext: base64.StdEncoding.EncodeToString(key.Reveal()), AAD: aad}
	err := c.call(ctx, http.MethodPost, root, "/actions/wrap", body, &w)
	if err != nil {
		err = choice(err)
	}
	var wrapped objects.WrappedKey
	if err == nil {
		wrapped, err = w.wrapped(w.Version)
	}
	if err != nil {
		key.Wipe()
		return custody.Secret{}, objects.WrappedKey{}, err
	}
	return key, wrapped, nil
}

// Unwrap implements objects.RootKeys.
func (c *Client) Unwrap(ctx context.Context, _ iam.Caller, _, root crn.CRN, w objects.WrappedKey, aad []string) (custody.Secret, *objects.WrappedKey, error) {
	var out wrapping
	err := c.call(ctx, http.MethodPost, root, "/actions/unwrap", wrapping{Ciphertext: w.Ciphertext, AAD: aad}, &out)
	if err != nil {
		return custody.Secret{}, nil, c.use(ctx, root, err)
	}
	key, err := base64.StdEncoding.DecodeString(out.Plaintext)
	if err != nil || len(key) != keySize {
		clear(key)
		return custody.Secret{}, nil, errProtocol
	}
	newer, err := out.wrapped(out.Rewrapped)
	if err != nil {
		return custody.NewSecret(key), nil, nil // it goes on as it was wrapped
	}
	return custody.NewSecret(key), &newer, nil
}

// Rewrap implements objects.RootKeys.
func (c *Client) Rewrap(ctx context.Context, _, root crn.CRN, w objects.WrappedKey, aad []string) (objects.WrappedKey, error) {
	var out wrapping
	err := c.call(ctx, http.MethodPost, root, "/actions/rewrap", wrapping{Ciphertext: w.Ciphertext, AAD: aad}, &out)
	if err != nil {
		return objects.WrappedKey{}, c.use(ctx, root, err)
	}
	return out.wrapped(out.Rewrapped)
}

// choice is the failure of a root key that somebody wants to use from now on.
func choice(err error) error {
	switch status(err) {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return objects.ErrRootUnknown
	case http.StatusConflict, http.StatusBadRequest, http.StatusUnprocessableEntity:
		return objects.ErrRootUnusable
	}
	return unreachable(err)
}

// use is the failure of a root key in use. A key that is in a state which refuses it has that state asked for.
func (c *Client) use(ctx context.Context, root crn.CRN, err error) error {
	switch status(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return objects.ErrUnauthorized
	case http.StatusNotFound, http.StatusGone:
		return objects.ErrRootDeleted
	case http.StatusConflict:
		if c.Kind == Strongroom {
			return objects.ErrRootDisabled
		}
		if serr := c.refresh(ctx, root); serr != nil {
			return serr
		}
		return objects.ErrRootDisabled
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return objects.ErrRootUnreadable
	}
	return unreachable(err)
}

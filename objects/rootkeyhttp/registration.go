package rootkeyhttp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/objects"
)

const typeRegistration = "application/vnd.ibm.kms.registration_input+json"

// registering is the body that registers a bucket with a root key.
type registering struct {
	Metadata  collection     `json:"metadata"`
	Resources []registration `json:"resources"`
}

type collection struct {
	Type  string `json:"collectionType"`
	Total int    `json:"collectionTotal"`
}

type registration struct {
	Description string `json:"description"`
	Prevent     bool   `json:"preventKeyDeletion"`
	Version     string `json:"keyVersionId,omitempty"`
}

// place is where the registration of a bucket is. There the bucket is one of the instance as which the
// key service knows this object store; its name is no other bucket's here, whatever instance it is of.
func (c *Client) place(bucket crn.CRN) string {
	return "/registrations/" + url.PathEscape(c.Instance.Child("bucket", bucket.Resource).String())
}

// Register implements objects.RootKeys. It does nothing with a service of kind ibm, which lets only
// IBM's own services do it.
func (c *Client) Register(ctx context.Context, _ iam.Caller, _, root, bucket crn.CRN, version string, prevent bool) error {
	if c.Kind != Strongroom {
		return nil
	}
	r := registration{Description: "bucket " + bucket.Resource, Prevent: prevent}
	err := c.register(ctx, http.MethodPost, root, bucket, r)
	if status(err) != http.StatusConflict {
		return c.registered(err)
	}
	r.Version = version
	if err = c.register(ctx, http.MethodPatch, root, bucket, r); status(err) == http.StatusConflict {
		r.Version = "" // it names this version already
		err = c.register(ctx, http.MethodPatch, root, bucket, r)
	}
	return c.registered(err)
}

func (c *Client) register(ctx context.Context, method string, root, bucket crn.CRN, r registration) error {
	body := registering{collection{typeRegistration, 1}, []registration{r}}
	return c.call(ctx, method, root, c.place(bucket), body, nil)
}

// registered is the failure of a registration.
func (c *Client) registered(err error) error {
	switch status(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return objects.ErrUnauthorized
	case http.StatusNotFound, http.StatusGone:
		return objects.ErrRootDeleted
	case http.StatusConflict, http.StatusBadRequest, http.StatusUnprocessableEntity:
		return objects.ErrRootUnusable
	}
	if err == nil {
		return nil
	}
	return unreachable(err)
}

// Unregister implements objects.RootKeys.
func (c *Client) Unregister(ctx context.Context, _ iam.Caller, _, root, bucket crn.CRN) error {
	if c.Kind != Strongroom {
		return nil
	}
	err := c.call(ctx, http.MethodDelete, root, c.place(bucket), nil, nil)
	switch status(err) {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return nil
	}
	return c.registered(err)
}

// Report implements objects.RootKeys. A service of kind ibm has no place for it.
func (c *Client) Report(ctx context.Context, _, root crn.CRN, version string, objects, bytes int64) error {
	if c.Kind != Strongroom {
		return nil
	}
	path := fmt.Sprintf("/strongroom/v1/keys/%s/versions/%s/data", url.PathEscape(root.Resource), url.PathEscape(version))
	body := newContent(fmt.Appendf(nil, `{"objects":%d,"bytes":%d}`, objects, bytes))
	return c.registered(c.send(ctx, http.MethodPut, path, root.Instance, body, nil))
}

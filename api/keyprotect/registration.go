package keyprotect

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// registration is a registration on the wire.
type registration struct {
	KeyID                kms.KeyID      `json:"keyId"`
	KeyName              string         `json:"keyName"`
	ResourceCRN          string         `json:"resourceCrn"`
	CreatedBy            iam.IdentityID `json:"createdBy"`
	CreationDate         string         `json:"creationDate"`
	UpdatedBy            iam.IdentityID `json:"updatedBy"`
	LastUpdated          string         `json:"lastUpdated"`
	Description          string         `json:"description"`
	RegistrationMetadata string         `json:"registrationMetadata,omitempty"`
	PreventKeyDeletion   bool           `json:"preventKeyDeletion"`
	KeyVersion           version        `json:"keyVersion"`
}

// showRegistration renders a registration. What a service has noted for itself is for services.
func showRegistration(who iam.Caller, r *kms.Registration) registration {
	out := registration{
		KeyID: r.Key, KeyName: r.KeyName, ResourceCRN: r.Resource, CreatedBy: r.CreatedBy,
		CreationDate: date(r.Created), UpdatedBy: r.UpdatedBy, LastUpdated: date(r.Updated),
		Description: r.Description, PreventKeyDeletion: r.Retained,
		KeyVersion: version{ID: r.Version.ID, CreationDate: date(r.Version.Created)},
	}
	if who.Kind == iam.KindInstance {
		out.RegistrationMetadata = r.Metadata
	}
	return out
}

func sendRegistration(who iam.Caller, r *kms.Registration) answer {
	return collect(typeRegistration, []registration{showRegistration(who, r)}).send()
}

func parseRegistrations(c *call) (kms.RegistrationQuery, error) {
	q := queryOf(c, "limit", "offset", "totalCount", "preventKeyDeletion", "urlEncodedResourceCRNQuery")
	req := kms.RegistrationQuery{
		Limit: q.limit(), Offset: q.offset(), Total: q.is("totalCount"), Retained: q.flag("preventKeyDeletion"),
	}
	if text, ok := q.get("urlEncodedResourceCRNQuery"); ok && q.err == nil {
		pattern, err := kms.ParseCRNPattern(text)
		if err != nil {
			return req, err
		}
		req.Pattern = &pattern
	}
	return req, q.err
}

func (s *server) listRegistrations(ctx context.Context, who iam.Caller, ref kms.Ref, req kms.RegistrationQuery) (answer, error) {
	list, total, err := s.keys.Registrations(ctx, who, ref, req)
	if err != nil {
		return answer{}, err
	}
	resources := make([]registration, len(list))
	for i := range list {
		resources[i] = showRegistration(who, &list[i])
	}
	out := collect(typeRegistration, resources)
	if req.Total {
		out = out.counted(total)
	}
	return out.send(), nil
}

// registrationInput is what a service says of one of its resources.
type registrationInput struct {
	resource       string
	fields         kms.RegistrationFields
	representation bool
}

type newRegistrations struct {
	Metadata  *metadata         `json:"metadata"`
	Resources []newRegistration `json:"resources"`
}

type newRegistration struct {
	PreventKeyDeletion   *bool          `json:"preventKeyDeletion"`
	Description          *string        `json:"description"`
	RegistrationMetadata *string        `json:"registrationMetadata"`
	KeyVersionID         *kms.VersionID `json:"keyVersionId"`
}

// resourceOf returns the CRN that the path names, which may have been encoded twice.
func resourceOf(c *call) string {
	text := c.Path("resource")
	if !strings.HasPrefix(text, "crn:") {
		if decoded, err := url.PathUnescape(text); err == nil {
			return decoded
		}
	}
	return text
}

func parseRegistration(c *call) (registrationInput, error) {
	in := registrationInput{resource: resourceOf(c)}
	if err := queryOf(c).err; err != nil {
		return in, err
	}
	var body newRegistrations
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return in, err
	}
	switch {
	case body.Metadata == nil:
		return in, errBody.On("", "CollectionMetadata is empty")
	case len(body.Resources) != 1:
		return in, errBody.On("", "exactly one registration is needed")
	case body.Metadata.CollectionTotal != 1:
		return in, errTotal
	}
	r := body.Resources[0]
	in.fields = kms.RegistrationFields{
		Description: r.Description, Metadata: r.RegistrationMetadata, Retained: r.PreventKeyDeletion, Version: r.KeyVersionID,
	}
	return in, nil
}

// parseNewRegistration reads a creation: the version is the newest, and not for the service to say.
func parseNewRegistration(c *call) (registrationInput, error) {
	in, err := parseRegistration(c)
	if err == nil && in.fields.Version != nil {
		err = errBody.On("", `json: unknown field "keyVersionId"`)
	}
	return in, err
}

// parseWholeRegistration reads a replacement, which needs all fields.
func parseWholeRegistration(c *call) (registrationInput, error) {
	in, err := parseRegistration(c)
	if err != nil {
		return in, err
	}
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"description", in.fields.Description != nil},
		{"keyVersionId", in.fields.Version != nil},
		{"preventKeyDeletion", in.fields.Retained != nil},
		{"registrationMetadata", in.fields.Metadata != nil},
	} {
		if !field.given {
			return in, kms.ErrField.On(field.name, "given, as a replacement replaces all")
		}
	}
	return in, nil
}

func parseUnregister(c *call) (registrationInput, error) {
	in := registrationInput{resource: resourceOf(c), representation: wantsRepresentation(c)}
	if in.representation {
		c.Trail.Success = http.StatusOK
	}
	return in, queryOf(c).err
}

func (s *server) createRegistration(ctx context.Context, who iam.Caller, ref kms.Ref, in registrationInput) (answer, error) {
	r, err := s.keys.Register(ctx, who, ref, in.resource, in.fields)
	if err != nil {
		return answer{}, err
	}
	return sendRegistration(who, &r), nil
}

func (s *server) updateRegistration(ctx context.Context, who iam.Caller, ref kms.Ref, in registrationInput) (answer, error) {
	r, err := s.keys.UpdateRegistration(ctx, who, ref, in.resource, in.fields)
	if err != nil {
		return answer{}, err
	}
	return sendRegistration(who, &r), nil
}

func (s *server) replaceRegistration(ctx context.Context, who iam.Caller, ref kms.Ref, in registrationInput) (answer, error) {
	r, err := s.keys.ReplaceRegistration(ctx, who, ref, in.resource, in.fields)
	if err != nil {
		return answer{}, err
	}
	return sendRegistration(who, &r), nil
}

func (s *server) deleteRegistration(ctx context.Context, who iam.Caller, ref kms.Ref, in registrationInput) (answer, error) {
	r, err := s.keys.Unregister(ctx, who, ref, in.resource)
	switch {
	case err != nil:
		return answer{}, err
	case in.representation:
		return sendRegistration(who, &r), nil
	}
	return answer{}, nil
}

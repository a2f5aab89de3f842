package keyprotect

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// ownRoute is a route for what IBM's service does not have. It lies outside the paths of that, and
// is otherwise like it: instance header, key by ID or alias, envelope of errors.
func ownRoute(method, path string, status int, action iam.Action, h handler) httpface.Route[iam.Caller] {
	return httpface.Route[iam.Caller]{
		Method: method, Path: "/strongroom/v1/keys" + path, Action: string(action), Status: status, Handle: h,
	}
}

func (s *server) dataKeyRoutes() []httpface.Route[iam.Caller] {
	return []httpface.Route[iam.Caller]{
		ownRoute("POST", "/{id}/actions/generate", http.StatusOK, kms.ActionWrap,
			handle(s, kms.ActionWrap, parseGenerate, s.generateDataKey)),
		ownRoute("POST", "/{id}/actions/transfer", http.StatusOK, kms.ActionUnwrap,
			handle(s, kms.ActionUnwrap, parseTransfer, s.transferDataKey)),
	}
}

// parseGenerate reads the additional data of a data key that is never shown.
func parseGenerate(c *call) ([]string, error) {
	var body struct {
		AAD []string `json:"aad"`
	}
	err := c.JSON(&body, httpface.KnownFields)
	return body.AAD, err
}

func (s *server) generateDataKey(ctx context.Context, who iam.Caller, ref kms.Ref, aad []string) (answer, error) {
	out, err := s.keys.Generate(ctx, who, ref, aad)
	if err != nil {
		return answer{}, err
	}
	return answer{Type: typeKeyAction, Body: wrapped{Ciphertext: out.Ciphertext, KeyVersion: version{ID: out.Version}}}, nil
}

// transferRequest says which data key goes to which key.
type transferRequest struct {
	Ciphertext     string   `json:"ciphertext"`
	AAD            []string `json:"aad"`
	TargetInstance string   `json:"targetInstance"` // that of the request if empty
	TargetKey      string   `json:"targetKey"`
	TargetAAD      []string `json:"targetAAD"` // aad if it is not given
}

// understand returns what is asked for, in an instance.
func (r transferRequest) understand(in kms.InstanceID) (kms.Transfer, error) {
	t := kms.Transfer{Ciphertext: r.Ciphertext, AAD: r.AAD, ToAAD: r.TargetAAD}
	if t.ToAAD == nil {
		t.ToAAD = t.AAD
	}
	t.To = kms.Ref{Instance: in, Key: r.TargetKey}
	if r.TargetInstance != "" {
		t.To.Instance = kms.InstanceID(strings.ToLower(r.TargetInstance))
	}
	switch {
	case t.To.Key == "":
		return t, kms.ErrField.On("targetKey", "the ID or an alias of a root key")
	case r.TargetInstance != "" && (len(r.TargetInstance) != 36 || uuid.Validate(r.TargetInstance) != nil):
		return t, kms.ErrField.On("targetInstance", "the UUID of an instance")
	}
	return t, nil
}

func parseTransfer(c *call) (kms.Transfer, error) {
	var body transferRequest
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return kms.Transfer{}, err
	}
	ref, err := refOf(c)
	if err != nil {
		return kms.Transfer{}, err
	}
	return body.understand(ref.Instance)
}

func (s *server) transferDataKey(ctx context.Context, who iam.Caller, ref kms.Ref, t kms.Transfer) (answer, error) {
	out, err := s.keys.Transfer(ctx, who, ref, t)
	if err != nil {
		return answer{}, err
	}
	return answer{Type: typeKeyAction, Body: newTransferred(out)}, nil
}

func newTransferred(t kms.Transferred) wrapped {
	return wrapped{
		Ciphertext: t.Ciphertext, KeyVersion: version{ID: t.Version}, RewrappedKeyVersion: &version{ID: t.Newest},
	}
}

package keyprotect

import (
	"context"
	"encoding/base64"
	"net/http"

	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// wrapRequest is a wrapping that was understood. An empty plaintext asks for a new data key.
type wrapRequest struct {
	plaintext custody.Secret
	aad       []string
}

func parseWrap(c *call) (wrapRequest, error) {
	var body struct {
		Plaintext string   `json:"plaintext"`
		AAD       []string `json:"aad"`
	}
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return wrapRequest{}, err
	}
	plaintext, err := decodeField("plaintext", "a base64 encoded data key", body.Plaintext)
	return wrapRequest{plaintext: plaintext, aad: body.AAD}, err
}

// wrapped is the answer of wrap, and of rewrap with the newest version.
type wrapped struct {
	Plaintext           string   `json:"plaintext,omitempty"`
	Ciphertext          string   `json:"ciphertext"`
	KeyVersion          version  `json:"keyVersion"`
	RewrappedKeyVersion *version `json:"rewrappedKeyVersion,omitempty"`
}

func (s *server) wrapKey() handler {
	return handle(s, kms.ActionWrap, parseWrap, func(ctx context.Context, who iam.Caller, ref kms.Ref, in wrapRequest) (answer, error) {
		defer in.plaintext.Wipe()
		out, err := s.keys.Wrap(ctx, who, ref, in.plaintext, in.aad)
		if err != nil {
			return answer{}, err
		}
		defer out.Drawn.Wipe()
		return answer{Type: typeKeyAction, Body: wrapped{
			Plaintext:  base64.StdEncoding.EncodeToString(out.Drawn.Reveal()),
			Ciphertext: out.Ciphertext,
			KeyVersion: version{ID: out.Version},
		}}, nil
	})
}

// unwrapRequest is the body of unwrap and rewrap.
type unwrapRequest struct {
	Ciphertext string   `json:"ciphertext"`
	AAD        []string `json:"aad"`
}

func parseUnwrap(c *call) (unwrapRequest, error) {
	var in unwrapRequest
	if err := c.JSON(&in, httpface.KnownFields); err != nil {
		return unwrapRequest{}, err
	}
	if in.Ciphertext == "" && in.AAD == nil {
		return unwrapRequest{}, errNoBody
	}
	return in, nil
}

// unwrapped is the answer of unwrap. The last two members are there when an older version had
// wrapped the data key.
type unwrapped struct {
	Plaintext           string   `json:"plaintext"`
	KeyVersion          version  `json:"keyVersion"`
	Ciphertext          string   `json:"ciphertext,omitempty"`
	RewrappedKeyVersion *version `json:"rewrappedKeyVersion,omitempty"`
}

func (s *server) unwrapKey() handler {
	return handle(s, kms.ActionUnwrap, parseUnwrap, func(ctx context.Context, who iam.Caller, ref kms.Ref, in unwrapRequest) (answer, error) {
		out, err := s.keys.Unwrap(ctx, who, ref, in.Ciphertext, in.AAD)
		if err != nil {
			return answer{}, err
		}
		defer out.Plaintext.Wipe()
		body := unwrapped{
			Plaintext:  base64.StdEncoding.EncodeToString(out.Plaintext.Reveal()),
			KeyVersion: version{ID: out.Version},
			Ciphertext: out.Rewrapped,
		}
		if out.Rewrapped != "" {
			body.RewrappedKeyVersion = &version{ID: out.RewrappedVersion}
		}
		return answer{Type: typeKeyAction, Body: body}, nil
	})
}

func (s *server) rewrapKey() handler {
	return handle(s, kms.ActionRewrap, parseUnwrap, func(ctx context.Context, who iam.Caller, ref kms.Ref, in unwrapRequest) (answer, error) {
		out, err := s.keys.Rewrap(ctx, who, ref, in.Ciphertext, in.AAD)
		if err != nil {
			return answer{}, err
		}
		return answer{Type: typeKeyAction, Body: wrapped{
			Ciphertext: out.Ciphertext, KeyVersion: version{ID: out.Version}, RewrappedKeyVersion: &version{ID: out.Newest},
		}}, nil
	})
}

// parseRotate reads the material that the key is rotated to, if any.
func parseRotate(c *call) (custody.Secret, error) {
	var body struct {
		Payload string `json:"payload"`
	}
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return custody.Secret{}, err
	}
	return decodeField("payload", "a base64 encoded key material", body.Payload)
}

func (s *server) rotateKey() handler {
	return handle(s, kms.ActionRotate, parseRotate, func(ctx context.Context, who iam.Caller, ref kms.Ref, material custody.Secret) (answer, error) {
		if err := s.keys.Rotate(ctx, who, ref, material); err != nil {
			return answer{}, err
		}
		return answer{}, nil
	})
}

// legacyAction serves the older form of the actions, whose name is in the query. No new actions
// are added to it.
func (s *server) legacyAction() handler {
	actions := map[string]handler{
		"wrap": s.wrapKey(), "unwrap": s.unwrapKey(), "rewrap": s.rewrapKey(), "rotate": s.rotateKey(),
	}
	unknown := func(ctx context.Context, who iam.Caller, c *call) (answer, error) {
		ref, err := refOf(c)
		if err != nil {
			return answer{}, err
		}
		err = kms.ErrParameter.On("action", "one of wrap, unwrap, rewrap and rotate")
		return answer{}, s.keys.Refuse(ctx, who, kms.ActionUnknown, ref, err)
	}
	return func(ctx context.Context, who iam.Caller, c *call) (answer, error) {
		name, _ := c.Query("action")
		h, ok := actions[name]
		if !ok {
			h = unknown
		}
		if name == "rotate" {
			c.Trail.Success = http.StatusNoContent
		}
		return h(ctx, who, c)
	}
}

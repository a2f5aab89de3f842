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

// newWrapped shows what was wrapped, and wipes what was drawn.
func newWrapped(w kms.Wrapped) wrapped {
	defer w.Drawn.Wipe()
	return wrapped{
		Plaintext:  base64.StdEncoding.EncodeToString(w.Drawn.Reveal()),
		Ciphertext: w.Ciphertext,
		KeyVersion: version{ID: w.Version},
	}
}

func newRewrapped(r kms.Rewrapped) wrapped {
	return wrapped{
		Ciphertext: r.Ciphertext, KeyVersion: version{ID: r.Version}, RewrappedKeyVersion: &version{ID: r.Newest},
	}
}

func (s *server) wrapKey() handler {
	return handle(s, kms.ActionWrap, parseWrap, func(ctx context.Context, who iam.Caller, ref kms.Ref, in wrapRequest) (answer, error) {
		defer in.plaintext.Wipe()
		out, err := s.keys.Wrap(ctx, who, ref, in.plaintext, in.aad)
		if err != nil {
			return answer{}, err
		}
		return answer{Type: typeKeyAction, Body: newWrapped(out)}, nil
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

// newUnwrapped shows a data key, and wipes it.
func newUnwrapped(u kms.Unwrapped) unwrapped {
	defer u.Plaintext.Wipe()
	out := unwrapped{
		Plaintext:  base64.StdEncoding.EncodeToString(u.Plaintext.Reveal()),
		KeyVersion: version{ID: u.Version},
		Ciphertext: u.Rewrapped,
	}
	if u.Rewrapped != "" {
		out.RewrappedKeyVersion = &version{ID: u.RewrappedVersion}
	}
	return out
}

func (s *server) unwrapKey() handler {
	return handle(s, kms.ActionUnwrap, parseUnwrap, func(ctx context.Context, who iam.Caller, ref kms.Ref, in unwrapRequest) (answer, error) {
		out, err := s.keys.Unwrap(ctx, who, ref, in.Ciphertext, in.AAD)
		if err != nil {
			return answer{}, err
		}
		return answer{Type: typeKeyAction, Body: newUnwrapped(out)}, nil
	})
}

func (s *server) rewrapKey() handler {
	return handle(s, kms.ActionRewrap, parseUnwrap, func(ctx context.Context, who iam.Caller, ref kms.Ref, in unwrapRequest) (answer, error) {
		out, err := s.keys.Rewrap(ctx, who, ref, in.Ciphertext, in.AAD)
		if err != nil {
			return answer{}, err
		}
		return answer{Type: typeKeyAction, Body: newRewrapped(out)}, nil
	})
}

// parseRotate reads the material that the key is rotated to, if any.
func parseRotate(c *call) (n kms.NewVersion, err error) {
	repeat := repeatOf(c)
	var body broughtMaterial
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return n, err
	}
	n.Repeat = repeat.request()
	n.Payload, n.Transported, err = body.parse()
	return n, err
}

func (s *server) rotateKey() handler {
	return handle(s, kms.ActionRotate, parseRotate, func(ctx context.Context, who iam.Caller, ref kms.Ref, n kms.NewVersion) (answer, error) {
		return answer{}, s.keys.Rotate(ctx, who, ref, n)
	})
}

// legacyAction serves the older form of the actions, whose name is in the query. No new actions
// are added to it.
func (s *server) legacyAction() handler {
	type named struct {
		action iam.Action
		handle handler
	}
	actions := map[string]named{
		"wrap": {kms.ActionWrap, s.wrapKey()}, "unwrap": {kms.ActionUnwrap, s.unwrapKey()},
		"rewrap": {kms.ActionRewrap, s.rewrapKey()}, "rotate": {kms.ActionRotate, s.rotateKey()},
		"disable": {kms.ActionDisable, s.disableKey()}, "enable": {kms.ActionEnable, s.enableKey()},
		"restore":             {kms.ActionRestore, s.restoreKey()},
		"setKeyForDeletion":   {kms.ActionAuthorize, s.setKeyForDeletion()},
		"unsetKeyForDeletion": {kms.ActionUnauthorize, s.unsetKeyForDeletion()},
	}
	refuse := func(ctx context.Context, who iam.Caller, c *call, rule string) (answer, error) {
		ref, err := refOf(c)
		if err != nil {
			return answer{}, err
		}
		return answer{}, s.keys.Refuse(ctx, who, kms.ActionUnknown, ref, kms.ErrParameter.On("action", rule))
	}
	return func(ctx context.Context, who iam.Caller, c *call) (answer, error) {
		if len(c.R.URL.Query()["action"]) > 1 {
			return refuse(ctx, who, c, "given only once")
		}
		name, _ := c.Query("action")
		asked, ok := actions[name]
		if !ok {
			return refuse(ctx, who, c, "one of disable, enable, restore, rewrap, rotate, setKeyForDeletion, unsetKeyForDeletion, unwrap and wrap")
		}
		c.Action = string(asked.action)
		switch name {
		case "restore":
			c.Trail.Success = http.StatusCreated
		case "rotate", "disable", "enable", "setKeyForDeletion", "unsetKeyForDeletion":
			c.Trail.Success = http.StatusNoContent
		}
		return asked.handle(ctx, who, c)
	}
}

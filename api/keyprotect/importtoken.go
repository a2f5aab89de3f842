package keyprotect

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"math"
	"time"

	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

const typeImportToken = "application/vnd.ibm.kms.import_token+json"

// importToken is an import token on the wire. Who makes one is not shown the last two members, which
// count as a retrieval.
type importToken struct {
	CreationDate         string `json:"creationDate"`
	ExpirationDate       string `json:"expirationDate"`
	MaxAllowedRetrievals int    `json:"maxAllowedRetrievals"`
	RemainingRetrievals  int    `json:"remainingRetrievals"`
	Payload              string `json:"payload,omitempty"` // base64 of a PEM block "PUBLIC KEY"
	Nonce                string `json:"nonce,omitempty"`
}

func newImportToken(t kms.ImportToken) importToken {
	return importToken{
		CreationDate: date(t.Created), ExpirationDate: date(t.Expires),
		MaxAllowedRetrievals: t.MaxRetrievals, RemainingRetrievals: t.Remaining,
	}
}

func (s *server) importTokenRoutes() []httpface.Route[iam.Caller] {
	return []httpface.Route[iam.Caller]{
		{
			Method: "POST", Path: "/api/v2/import_token", Action: string(kms.ActionCreateImportToken), Status: 200,
			Handle: handle(s, kms.ActionCreateImportToken, parseImportToken, s.createImportToken),
		},
		{
			Method: "GET", Path: "/api/v2/import_token", Action: string(kms.ActionReadImportToken), Status: 200,
			Handle: handle(s, kms.ActionReadImportToken, parseNothing, s.getImportToken),
		},
	}
}

// parseImportToken reads numbers that some clients write with a fraction of zero.
func parseImportToken(c *call) (kms.NewImportToken, error) {
	var body struct {
		Expiration           float64 `json:"expiration"`
		MaxAllowedRetrievals float64 `json:"maxAllowedRetrievals"`
	}
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return kms.NewImportToken{}, err
	}
	const most = 1 << 20 // beyond every limit, and small enough for any integer
	whole := func(f float64) bool { return f == math.Trunc(f) && math.Abs(f) <= most }
	switch {
	case !whole(body.Expiration):
		return kms.NewImportToken{}, kms.ErrField.On("expiration", "an integer between 300 and 86400 (inclusive)")
	case !whole(body.MaxAllowedRetrievals):
		return kms.NewImportToken{}, kms.ErrField.On("maxAllowedRetrievals", "an integer between 1 and 500 (inclusive)")
	}
	return kms.NewImportToken{
		Lifetime: time.Duration(body.Expiration) * time.Second, MaxRetrievals: int(body.MaxAllowedRetrievals),
	}, nil
}

func (s *server) createImportToken(ctx context.Context, who iam.Caller, ref kms.Ref, n kms.NewImportToken) (answer, error) {
	t, err := s.keys.CreateImportToken(ctx, who, ref, n)
	if err != nil {
		return answer{}, err
	}
	return answer{Type: typeImportToken, Body: newImportToken(t)}, nil
}

func (s *server) getImportToken(ctx context.Context, who iam.Caller, ref kms.Ref, _ nothing) (answer, error) {
	t, err := s.keys.ImportToken(ctx, who, ref)
	if err != nil {
		return answer{}, err
	}
	out := newImportToken(t)
	out.Payload = base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: t.Public}))
	out.Nonce = base64.StdEncoding.EncodeToString(t.Nonce)
	return answer{Type: typeImportToken, Body: out}, nil
}

// broughtMaterial is how key material comes: in the clear, or with a nonce and its initialization
// vector under the import token.
type broughtMaterial struct {
	Payload             string `json:"payload"`
	EncryptedNonce      string `json:"encryptedNonce"`
	IV                  string `json:"iv"`
	EncryptionAlgorithm string `json:"encryptionAlgorithm"`
}

// transportAlgorithm is the one way in which material is encrypted under an import token.
const transportAlgorithm = "RSAES_OAEP_SHA_256"

func (m broughtMaterial) parse() (payload custody.Secret, transported *custody.Transported, err error) {
	if m.EncryptionAlgorithm != "" && m.EncryptionAlgorithm != transportAlgorithm {
		return payload, nil, kms.ErrField.On("encryptionAlgorithm", transportAlgorithm)
	}
	if payload, err = decodeField("payload", "a base64 encoded key material", m.Payload); err != nil {
		return payload, nil, err
	}
	switch {
	case m.EncryptedNonce == "" && m.IV == "":
		return payload, nil, nil
	case m.EncryptedNonce == "":
		return payload, nil, kms.ErrField.On("encryptedNonce", "given together with iv")
	case m.IV == "":
		return payload, nil, kms.ErrField.On("iv", "given together with encryptedNonce")
	}
	nonce, err := decodeField("encryptedNonce", "a base64 encoded encrypted nonce", m.EncryptedNonce)
	if err != nil {
		return payload, nil, err
	}
	iv, err := decodeField("iv", "a base64 encoded initialization vector", m.IV)
	if err != nil {
		return payload, nil, err
	}
	if iv.Len() != custody.TransportNonce {
		return payload, nil, kms.ErrField.On("iv", "12 bytes, base64 encoded")
	}
	return custody.Secret{}, &custody.Transported{
		Material: payload.Reveal(), SealedNonce: nonce.Reveal(), IV: [custody.TransportNonce]byte(iv.Reveal()),
	}, nil
}

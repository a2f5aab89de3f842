package s3

import (
	"context"
	"errors"
	"strings"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
)

// authenticate tells who calls: by a token, by a signature in a header or in the query, or nobody. It
// makes the body of the request the one that verifies itself, and reads none of it, unless a signature
// needs it and says nothing of it.
func (f *face) authenticate(ctx context.Context, c *httpface.Call) (iam.Caller, error) {
	q := requestOf(c)
	if !q.parsed {
		return iam.Caller{}, errURI
	}
	who, signer, err := f.identify(ctx, q)
	if err != nil {
		return iam.Caller{}, err
	}
	return who, q.openBody(signer)
}

// identify returns the caller, and what signs the chunks of its body, if a signature does.
func (f *face) identify(ctx context.Context, q *request) (iam.Caller, *signer, error) {
	if len(q.R.Header["Authorization"]) > 1 {
		return iam.Caller{}, nil, errContradiction.On("Authorization", "it is given more than once")
	}
	header := q.header("Authorization")
	switch scheme, _, _ := strings.Cut(header, " "); {
	case q.presigned() && header != "":
		return iam.Caller{}, nil, errContradiction.On("Authorization", "the query holds a signature as well")
	case q.presigned():
		return f.identifyPresigned(ctx, q)
	case q.query.has("AWSAccessKeyId"):
		return iam.Caller{}, nil, errScheme
	case header == "":
		return iam.Anonymous(q.Trail), nil, nil
	case strings.EqualFold(scheme, "Bearer"):
		token, _ := q.Bearer()
		who, err := f.Identities.Authenticate(ctx, token, q.Trail)
		q.signed = err == nil
		return who, nil, err
	case scheme == algorithm:
		return f.identifySigned(ctx, q, header)
	case strings.HasPrefix(scheme, "AWS4-"):
		return iam.Caller{}, nil, errNotOffered.On("Authorization", scheme)
	}
	return iam.Caller{}, nil, errScheme
}

// credential looks up an access key.
func (f *face) credential(ctx context.Context, q *request, accessKey string) (iam.Caller, []byte, error) {
	who, secret, err := f.Identities.AuthenticateHMAC(ctx, accessKey, q.Trail)
	if fault.KindOf(err) == fault.Unauthenticated {
		return iam.Caller{}, nil, errors.Join(errAccessKey, err)
	}
	return who, secret.Reveal(), err
}

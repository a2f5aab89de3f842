package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
)

const (
	envS3URL       = "STRONGROOM_S3_URL"
	envCOSInstance = "STRONGROOM_COS_INSTANCE_ID"
)

// s3Client sends requests to the S3 endpoint as the caller of the connection. Bodies are streams, for
// which only the first byte of the answer has a time limit.
type s3Client struct {
	*connection
	base *url.URL
}

// storage returns a client of the S3 endpoint.
func (p *program) storage() (*s3Client, error) {
	c, err := p.connect()
	if err != nil {
		return nil, err
	}
	address := p.getenv(envS3URL)
	if address == "" {
		return nil, &failure{
			exit: exitUsage, hint: "set " + envS3URL + ", which is in credentials.env of the server's data folder",
			err: fmt.Errorf("no S3 endpoint is named"),
		}
	}
	base, err := parseServerURL(address)
	if err != nil {
		return nil, err
	}
	return &s3Client{connection: c, base: base}, nil
}

// s3Request is one call of S3.
type s3Request struct {
	method      string
	bucket, key string
	query       url.Values
	header      map[string]string
	body        io.Reader // nil for none
	size        int64     // of the body
}

// send returns the answer of a request that was granted; the caller closes its body.
func (c *s3Client) send(ctx context.Context, r s3Request) (*http.Response, error) {
	target := strings.TrimSuffix(c.base.String(), "/") + "/" + url.PathEscape(r.bucket)
	if r.key != "" {
		target += "/" + escapeKey(r.key)
	}
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, r.body)
	if err != nil {
		return nil, fmt.Errorf("addressing the request: %w", err)
	}
	req.ContentLength = r.size
	if r.body == nil || r.size == 0 {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	token, err := c.tokens.accessToken(ctx)
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", "strongroom/"+clientVersion())
	req.Header.Set("X-Amz-Request-Id", id)
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unavailable(ctx, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
	if err != nil {
		return nil, c.unavailable(ctx, err)
	}
	return nil, decodeS3Error(resp.StatusCode, body, id)
}

// escapeKey escapes an object's key for a path, in which a slash stays one.
func escapeKey(key string) string {
	segments := strings.Split(key, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.PathEscape(s), "+", "%2B")
	}
	return strings.Join(segments, "/")
}

// call sends a request whose answer is an XML document, or one without a body that is of interest.
func (c *s3Client) call(ctx context.Context, r s3Request, answer any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if answer == nil {
		return resp.Header, nil
	}
	if err := xml.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(answer); err != nil {
		return nil, fmt.Errorf("the server's answer is not the XML that was expected")
	}
	return resp.Header, nil
}

// decodeS3Error reads an error document of S3. Answers to HEAD have none.
func decodeS3Error(status int, body []byte, requestID string) *apiError {
	e := &apiError{status: status, requestID: requestID}
	var doc struct{ Code, Message string }
	if xml.Unmarshal(body, &doc) == nil {
		e.code, e.message = doc.Code, doc.Message
	}
	if e.message == "" {
		e.message = statusText(status)
	}
	return e
}

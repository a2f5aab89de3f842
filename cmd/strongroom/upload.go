package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	minPartSize = 16 << 20 // bytes
	maxParts    = 10_000
)

// partSize is the size of the parts of an upload. Of a size that is unknown it is that by which the
// most parts make 160 GiB.
func partSize(size int64) int64 {
	return max(minPartSize, (size+maxParts-1)/maxParts)
}

// put stores an object from a stream: in one request if it is small, else in parts. A size of -1 is
// unknown.
func (c *s3Client) put(ctx context.Context, name objectName, header map[string]string, from io.Reader, size int64) error {
	part := partSize(size)
	first := make([]byte, min(part, max(size, 0)+1))
	if size < 0 {
		first = make([]byte, part)
	}
	n, err := io.ReadFull(from, first)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		if size >= 0 && int64(n) != size {
			return errors.New("the file has changed while it was read")
		}
		r := name.request(http.MethodPut)
		r.header, r.body, r.size = header, bytes.NewReader(first[:n]), int64(n)
		return c.sent(ctx, r)
	case err != nil:
		return fmt.Errorf("reading the content: %w", err)
	}
	return c.putParts(ctx, name, header, io.MultiReader(bytes.NewReader(first), from), part)
}

// sent sends a request and reads no answer.
func (c *s3Client) sent(ctx context.Context, r s3Request) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// completion is the list by which an upload is put together.
type completion struct {
	XMLName xml.Name    `xml:"CompleteMultipartUpload"`
	Parts   []partEntry `xml:"Part"`
}

type partEntry struct {
	PartNumber int
	ETag       string
}

func (c *s3Client) putParts(ctx context.Context, name objectName, header map[string]string, from io.Reader, size int64) (err error) {
	start := name.request(http.MethodPost)
	start.query, start.header = url.Values{"uploads": {""}}, header
	var upload struct {
		ID string `xml:"UploadId"`
	}
	if _, err := c.call(ctx, start, &upload); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			abort := name.request(http.MethodDelete)
			abort.query = url.Values{"uploadId": {upload.ID}}
			err = errors.Join(err, c.sent(context.WithoutCancel(ctx), abort))
		}
	}()
	var done completion
	buffer := make([]byte, size)
	for last := false; !last; {
		n, err := io.ReadFull(from, buffer)
		last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return fmt.Errorf("reading the content: %w", err)
		}
		if n == 0 {
			break
		}
		number := len(done.Parts) + 1
		r := name.request(http.MethodPut)
		r.query = url.Values{"uploadId": {upload.ID}, "partNumber": {strconv.Itoa(number)}}
		r.body, r.size = bytes.NewReader(buffer[:n]), int64(n)
		resp, err := c.send(ctx, r)
		if err != nil {
			return err
		}
		done.Parts = append(done.Parts, partEntry{number, resp.Header.Get("ETag")})
		if err := resp.Body.Close(); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
	}
	body, err := xml.Marshal(done)
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	end := name.request(http.MethodPost)
	end.query, end.body, end.size = url.Values{"uploadId": {upload.ID}}, bytes.NewReader(body), int64(len(body))
	resp, err := c.send(ctx, end)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return copyFailed(resp)
}

// copyFailed finds the refusal in an answer that began before its outcome was known: S3 keeps long
// requests alive by answering 200 and saying how it went in the document.
func copyFailed(resp *http.Response) error {
	var doc struct {
		XMLName       xml.Name
		Code, Message string
	}
	if err := xml.NewDecoder(io.LimitReader(resp.Body, maxErrorAnswer)).Decode(&doc); err != nil {
		return errors.New("the server's answer ended before it said how it went")
	}
	if doc.XMLName.Local == "Error" {
		return &apiError{status: http.StatusInternalServerError, code: doc.Code, message: firstOf(doc.Message, "the server could not do it")}
	}
	return nil
}

// httpTime renders a time of an HTTP header as other times are.
func httpTime(s string) string {
	t, err := http.ParseTime(s)
	if err != nil {
		return s
	}
	return t.UTC().Format(time.RFC3339)
}

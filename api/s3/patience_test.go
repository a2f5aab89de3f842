package s3_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"strongroom/api/s3"
	"strongroom/iam"
	"strongroom/objects"
)

// slow is a shelf on which uploads are completed only when somebody says so.
type slow struct {
	*shelf
	finish chan struct{}
	err    error
}

func (s *slow) CompleteUpload(context.Context, iam.Caller, objects.Complete) (objects.Object, error) {
	<-s.finish
	return objects.Object{ETag: "whole-1"}, s.err
}

// finisher lets the work end when the answer has begun.
type finisher struct {
	http.ResponseWriter
	begin func()
}

func (f finisher) Write(p []byte) (int, error) {
	f.begin()
	return f.ResponseWriter.Write(p)
}

// TestCompletionThatTakesLong: the answer begins before its end is known, which its document tells then.
func TestCompletionThatTakesLong(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		err        error
	}{
		{"in the end it works", "<CompleteMultipartUploadResult", nil},
		{"in the end it fails", "<Code>InvalidPart</Code>", objects.ErrPart},
	} {
		finish := make(chan struct{})
		h := newHouse(t, func(c *s3.Config) {
			c.Objects, c.Patience = &slow{shelf: c.Objects.(*shelf), finish: finish, err: tc.err}, time.Nanosecond
		})
		w := httptest.NewRecorder()
		const list = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>p</ETag></Part></CompleteMultipartUpload>"
		h.ServeHTTP(finisher{w, sync.OnceFunc(func() { close(finish) })}, asMe(httptest.NewRequest(http.MethodPost, "/b/k?uploadId=u", strings.NewReader(list))))
		body := w.Body.String()
		if w.Code != 200 || !strings.HasPrefix(body, "<?xml") || strings.Count(body, "<?xml") != 1 || !strings.Contains(body, tc.want) {
			t.Errorf("%s: %d %s", tc.name, w.Code, body)
		}
	}
}

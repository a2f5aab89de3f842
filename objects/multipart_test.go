package objects_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/objects"
)

// begin begins an upload; change may alter what is asked for.
func (s *stand) begin(t testing.TB, key string, change func(*objects.StartUpload)) objects.Upload {
	t.Helper()
	asked := objects.StartUpload{Write: s.write(key)}
	if change != nil {
		change(&asked)
	}
	u, err := s.StartUpload(t.Context(), s.who, asked)
	if err != nil {
		t.Fatalf("beginning an upload: %v", err)
	}
	return u
}

func (s *stand) partWrite(u objects.Upload, n int) objects.PartWrite {
	return objects.PartWrite{Bucket: s.bucket.Name, Key: u.Key, Upload: u.ID, Number: n, Expect: objects.Expect{Size: -1}}
}

func (s *stand) part(t testing.TB, u objects.Upload, n int, content []byte) objects.Part {
	t.Helper()
	p, err := s.PutPart(t.Context(), s.who, s.partWrite(u, n), bytes.NewReader(content))
	if err != nil {
		t.Fatalf("storing part %d: %v", n, err)
	}
	return p
}

func (s *stand) completion(u objects.Upload, parts ...objects.Part) objects.Complete {
	c := objects.Complete{Bucket: s.bucket.Name, Key: u.Key, Upload: u.ID, Size: -1}
	for _, p := range parts {
		c.Parts = append(c.Parts, objects.Part{Number: p.Number, ETag: p.ETag})
	}
	return c
}

func (s *stand) complete(t testing.TB, u objects.Upload, parts ...objects.Part) objects.Object {
	t.Helper()
	o, err := s.CompleteUpload(t.Context(), s.who, s.completion(u, parts...))
	if err != nil {
		t.Fatalf("completing: %v", err)
	}
	return o
}

// fill is a content of some bytes that no other number fills.
func fill(size, number int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i>>3) ^ byte(i>>11) ^ byte(number*37)
	}
	return b
}

// etagOf is the ETag of an object made of these parts.
func etagOf(contents ...[]byte) string {
	all := md5.New()
	for _, c := range contents {
		sum := md5.Sum(c)
		all.Write(sum[:])
	}
	return fmt.Sprintf("%x-%d", all.Sum(nil), len(contents))
}

// dispersed counts the blobs that live on nodes.
func (s *stand) dispersed(t testing.TB) int64 {
	t.Helper()
	blobs, _, err := s.Store.CountBlobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return blobs
}

// TestUploadInParts sends parts at the same time and out of order, one of them twice and one in vain.
func TestUploadInParts(t *testing.T) {
	s := newStand(t, false)
	u := s.begin(t, "key", func(u *objects.StartUpload) {
		u.Headers.ContentType = "text/plain"
		u.Tags = map[string]string{"a": "b"}
	})
	s.part(t, u, 3, []byte("to be replaced"))
	contents := map[int][]byte{1: fill(objects.MinPart, 1), 3: fill(objects.MinPart+1, 3), 7: fill(500, 7), 9: fill(5000, 9)}
	parts := map[int]objects.Part{}
	var mu sync.Mutex
	var work sync.WaitGroup
	for n, content := range contents {
		work.Go(func() {
			p, err := s.PutPart(t.Context(), s.who, s.partWrite(u, n), bytes.NewReader(content))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			parts[n] = p
			mu.Unlock()
		})
	}
	work.Wait()
	sum := md5.Sum(contents[1])
	if want := hex.EncodeToString(sum[:]); parts[1].ETag != want {
		t.Errorf("ETag of a part is %s, want its MD5 %s", parts[1].ETag, want)
	}
	if _, _, err := s.get(t, objects.Read{Key: "key"}); !errors.Is(err, objects.ErrNoObject) {
		t.Errorf("before the completion: got %v, want ErrNoObject", err)
	}

	var listed []objects.Part
	for after := 0; ; {
		page, err := s.Parts(t.Context(), s.who, objects.ListParts{Bucket: "bucket", Key: "key", Upload: u.ID, After: after, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, page.Parts...)
		if after = page.Next; !page.Truncated {
			break
		}
	}
	want := []objects.Part{parts[1], parts[3], parts[7], parts[9]}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Error("listed parts:", diff)
	}

	s.Log.Take()
	o := s.complete(t, u, parts[1], parts[3], parts[9])
	whole := slices.Concat(contents[1], contents[3], contents[9])
	if want := etagOf(contents[1], contents[3], contents[9]); o.ETag != want || o.Size != int64(len(whole)) || o.PartCount != 3 {
		t.Errorf("got ETag %s, size %d, %d parts; want %s, %d, 3", o.ETag, o.Size, o.PartCount, want, len(whole))
	}
	if ev := s.Log.Last(); ev.Action != "cloud-object-storage.object-multipart.complete" || ev.ResponseData["uploadId"] != string(u.ID) {
		t.Errorf("recorded %s with %v", ev.Action, ev.ResponseData)
	}
	got, c, err := s.get(t, objects.Read{Key: "key"})
	if err != nil || !bytes.Equal(got, whole) {
		t.Fatalf("reading it: %v; the right content: %v", err, bytes.Equal(got, whole))
	}
	if c.ETag != o.ETag || c.Headers.ContentType != "text/plain" || c.Tags["a"] != "b" {
		t.Errorf("read back as %+v", c.Object)
	}
	from, to := int64(objects.MinPart-5), int64(2*objects.MinPart+10)
	if got, _, err = s.get(t, objects.Read{Key: "key", Range: &objects.Range{First: from, Last: to}}); err != nil || !bytes.Equal(got, whole[from:to+1]) {
		t.Errorf("a range over all parts: %v", err)
	}
	if got, c, err = s.get(t, objects.Read{Key: "key", Part: 3}); err != nil || !bytes.Equal(got, contents[3]) || c.PartCount != 3 {
		t.Errorf("part 3: %v", err)
	}
	s.put(t, "empty", nil)
	if got, c, err = s.get(t, objects.Read{Key: "empty", Part: 1}); err != nil || len(got) != 0 || c.Partial {
		t.Errorf("the only part of an empty object: %v, partial %v", err, c.Partial)
	}
	if n := s.dispersed(t); n != 3 {
		t.Errorf("%d blobs live, want those of the three parts", n)
	}
	if err := s.AbortUpload(t.Context(), s.who, "bucket", "key", u.ID); !errors.Is(err, objects.ErrNoUpload) {
		t.Errorf("abortion afterwards: got %v, want ErrNoUpload", err)
	}
	if _, err := s.PutPart(t.Context(), s.who, s.partWrite(u, 1), strings.NewReader("late")); !errors.Is(err, objects.ErrNoUpload) {
		t.Errorf("part afterwards: got %v, want ErrNoUpload", err)
	}
}

func TestAbortUpload(t *testing.T) {
	s := newStand(t, false)
	u := s.begin(t, "key", nil)
	s.part(t, u, 1, fill(2000, 1))
	s.part(t, u, 2, fill(20, 2))
	if err := s.AbortUpload(t.Context(), s.who, "bucket", "key", u.ID); err != nil {
		t.Fatal(err)
	}
	if n := s.dispersed(t); n != 0 {
		t.Errorf("%d blobs live", n)
	}
	if n := s.CountRows(t, "SELECT count(*) FROM blob_content"); n != 0 {
		t.Errorf("%d embedded blobs are left", n)
	}
	for what, err := range map[string]error{
		"again": s.AbortUpload(t.Context(), s.who, "bucket", "key", u.ID),
		"other": s.AbortUpload(t.Context(), s.who, "bucket", "other", u.ID),
	} {
		if !errors.Is(err, objects.ErrNoUpload) {
			t.Errorf("%s: got %v, want ErrNoUpload", what, err)
		}
	}
	if err := s.DeleteBucket(t.Context(), s.who, "bucket"); err != nil {
		t.Errorf("the bucket is not empty: %v", err)
	}
}

// TestStartUploadRefuses covers what cannot be asked of an upload.
func TestStartUploadRefuses(t *testing.T) {
	s := newStand(t, false)
	for name, c := range map[string]struct {
		change func(*objects.StartUpload)
		err    error
	}{
		"full without an algorithm": {func(u *objects.StartUpload) { u.FullObject = true }, objects.ErrRequest},
		"unknown algorithm":         {func(u *objects.StartUpload) { u.Algorithm = "MD4" }, objects.ErrArgument},
		"full SHA-256":              {func(u *objects.StartUpload) { u.Algorithm, u.FullObject = objects.SHA256, true }, objects.ErrRequest},
		"long key":                  {func(u *objects.StartUpload) { u.Key = strings.Repeat("k", 1025) }, objects.ErrKeyLong},
		"tag":                       {func(u *objects.StartUpload) { u.Tags = map[string]string{"": ""} }, objects.ErrTag},
		"lock in a plain bucket":    {func(u *objects.StartUpload) { u.Lock.Hold = true }, objects.ErrNotLockable},
		"customer's key under a root key": {func(u *objects.StartUpload) {
			u.Encryption.Customer = customerKey(1)
		}, objects.ErrCustomerRoot},
		"no bucket": {func(u *objects.StartUpload) { u.Bucket = "nowhere" }, objects.ErrNoBucket},
	} {
		asked := objects.StartUpload{Write: s.write("key")}
		c.change(&asked)
		if _, err := s.StartUpload(t.Context(), s.who, asked); !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %v", name, err, c.err)
		}
	}
}

// TestListUploads compares pages of uploads with a plain computation.
func TestListUploads(t *testing.T) {
	s := newStand(t, false)
	all := map[objects.UploadID]string{}
	for _, key := range []string{"a", "a/1", "a/2", "a/2", "b", "b/x/y", "c", "c/"} {
		all[s.begin(t, key, nil).ID] = key
	}
	for _, c := range []struct {
		prefix, delimiter string
		want              []string // keys, and prefixes with a * behind them
	}{
		{"", "", []string{"a", "a/1", "a/2", "a/2", "b", "b/x/y", "c", "c/"}},
		{"", "/", []string{"a", "a/*", "b", "b/*", "c", "c/*"}},
		{"a/", "/", []string{"a/1", "a/2", "a/2"}},
		{"b", "", []string{"b", "b/x/y"}},
		{"z", "", nil},
	} {
		for _, limit := range []int{1, 2, 3, 100} {
			l := objects.ListUploads{Bucket: "bucket", Prefix: c.prefix, Delimiter: c.delimiter, Limit: limit}
			var got []string
			for pages := 0; ; pages++ {
				page, err := s.Uploads(t.Context(), s.who, l)
				if err != nil || pages > len(all) {
					t.Fatalf("%+v: %v after %d pages", l, err, pages)
				}
				here := len(page.Uploads) + len(page.Prefixes)
				if here > limit || page.Truncated && here < limit {
					t.Fatalf("%+v: a page of %d", l, here)
				}
				for _, u := range page.Uploads {
					if all[u.ID] != u.Key {
						t.Fatalf("upload %s of %q", u.ID, u.Key)
					}
					got = append(got, u.Key)
				}
				for _, p := range page.Prefixes {
					got = append(got, p+"*")
				}
				if !page.Truncated {
					break
				}
				l.After, l.AfterUpload = page.Next, page.NextUpload
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("prefix %q, delimiter %q, limit %d: %s", c.prefix, c.delimiter, limit, diff)
			}
		}
	}
	page, err := s.Uploads(t.Context(), s.who, objects.ListUploads{Bucket: "bucket"})
	if err != nil || page.Truncated || len(page.Uploads) > 0 {
		t.Errorf("a page of none: %v, %+v", err, page)
	}
}

// TestUploadWhileKeyIsDisabled shows what an upload can and cannot do then.
func TestUploadWhileKeyIsDisabled(t *testing.T) {
	s := newStand(t, false)
	u, doomed := s.begin(t, "key", nil), s.begin(t, "doomed", nil)
	p := s.part(t, u, 1, []byte("content"))
	s.RootKeys.Fail(s.root, objects.ErrRootDisabled)
	_, start := s.StartUpload(t.Context(), s.who, objects.StartUpload{Write: s.write("other")})
	_, part := s.PutPart(t.Context(), s.who, s.partWrite(u, 2), strings.NewReader("more"))
	_, end := s.CompleteUpload(t.Context(), s.who, s.completion(u, p))
	for what, err := range map[string]error{"start": start, "part": part, "completion": end} {
		if !errors.Is(err, objects.ErrRootDisabled) {
			t.Errorf("%s: got %v, want ErrRootDisabled", what, err)
		}
	}
	page, err := s.Parts(t.Context(), s.who, objects.ListParts{Bucket: "bucket", Key: "key", Upload: u.ID, Limit: 10})
	if err != nil || len(page.Parts) != 1 || page.Parts[0].Size != 7 || len(page.Parts[0].ETag) != 32 || page.Parts[0].ETag == p.ETag {
		t.Errorf("list: %v, %+v", err, page.Parts)
	}
	if err := s.AbortUpload(t.Context(), s.who, "bucket", "doomed", doomed.ID); err != nil {
		t.Errorf("abortion: %v", err)
	}
	s.RootKeys.Fail(s.root, nil)
	s.complete(t, u, p)
}

// TestReadersHoldEveryPart: what replaces an object while it is read must not take the slices of its
// later parts away.
func TestReadersHoldEveryPart(t *testing.T) {
	s := newStand(t, false)
	u := s.begin(t, "long", nil)
	content := bytes.Repeat([]byte("0123456789abcdef"), objects.MinPart/16)
	var parts []objects.Part
	for n := 1; n <= 3; n++ {
		parts = append(parts, s.part(t, u, n, content))
	}
	s.complete(t, u, parts...)
	got, err := s.Get(t.Context(), s.who, objects.Read{Bucket: s.bucket.Name, Key: "long"})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if _, err := io.ReadFull(got, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if n := s.Blobs.Open(); n != len(parts) {
		t.Errorf("%d blobs are open, want %d", n, len(parts))
	}
}

package objects_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strongroom/custody"
	"strongroom/objects"
	"strongroom/objects/objectstest"
)

// customerKey is a caller's own key.
func customerKey(seed byte) *objects.CustomerKey {
	key := bytes.Repeat([]byte{seed}, 32)
	sum := md5.Sum(key)
	return &objects.CustomerKey{Key: custody.NewSecret(key), MD5: base64.StdEncoding.EncodeToString(sum[:])}
}

// TestCompleteRefuses covers lists of parts that make no object. The upload stays as it was.
func TestCompleteRefuses(t *testing.T) {
	s := newStand(t, false)
	u := s.begin(t, "key", func(u *objects.StartUpload) { u.Algorithm = objects.CRC32C })
	a, b := s.part(t, u, 2, fill(3000, 1)), s.part(t, u, 5, fill(10, 2))
	for name, c := range map[string]struct {
		change func(*objects.Complete)
		err    error
	}{
		"no parts":         {func(c *objects.Complete) { c.Parts = nil }, objects.ErrRequest},
		"wrong order":      {func(c *objects.Complete) { slices.Reverse(c.Parts) }, objects.ErrPartOrder},
		"twice the same":   {func(c *objects.Complete) { c.Parts[1] = c.Parts[0] }, objects.ErrPartOrder},
		"not stored":       {func(c *objects.Complete) { c.Parts[1].Number = 6 }, objects.ErrPart},
		"another ETag":     {func(c *objects.Complete) { c.Parts[0].ETag = b.ETag }, objects.ErrPart},
		"another checksum": {func(c *objects.Complete) { c.Parts[1].Checksums = a.Checksums }, objects.ErrPart},
		"another algorithm": {func(c *objects.Complete) {
			c.Parts[1].Checksums = objects.Checksums{Algorithm: objects.SHA1, Value: "AA=="}
		}, objects.ErrPart},
		"small part in front": {func(*objects.Complete) {}, objects.ErrTooSmall},
		"another size":        {func(c *objects.Complete) { c.Parts, c.Size = c.Parts[:1], 2999 }, objects.ErrRequest},
		"another whole":       {func(c *objects.Complete) { c.Parts, c.Checksums = c.Parts[:1], a.Checksums }, objects.ErrDigest},
		"whole of another kind": {func(c *objects.Complete) {
			c.Parts, c.Checksums = c.Parts[:1], objects.Checksums{Algorithm: objects.SHA1, Value: "AA=="}
		}, objects.ErrRequest},
		"condition":                {func(c *objects.Complete) { c.Parts, c.Conditions.Match = c.Parts[:1], []string{"*"} }, objects.ErrNoObject},
		"another kind of checksum": {func(c *objects.Complete) { c.Parts, c.Composite = c.Parts[:1], new(bool) }, objects.ErrRequest},
		"retention":                {func(c *objects.Complete) { c.Parts, c.Retention.Seconds = c.Parts[:1], seconds(5) }, objects.ErrRequest},
		"customer's key":           {func(c *objects.Complete) { c.Parts, c.Customer = c.Parts[:1], customerKey(1) }, objects.ErrRequest},
		"another upload":           {func(c *objects.Complete) { c.Upload = "5d5ad4b1-55a5-4a9a-9d35-b3b1a7bd1e4c" }, objects.ErrNoUpload},
		"another key":              {func(c *objects.Complete) { c.Key = "other" }, objects.ErrNoUpload},
	} {
		asked := s.completion(u, a, b)
		c.change(&asked)
		if _, err := s.CompleteUpload(t.Context(), s.who, asked); !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %v", name, err, c.err)
		}
	}
	s.complete(t, u, a)
}

// TestUploadChecksums compares the checksums of objects made in parts with those of their definition.
func TestUploadChecksums(t *testing.T) {
	first, second := fill(objects.MinPart, 1), fill(777, 2)
	news := map[objects.Algorithm]func() hash.Hash{
		objects.CRC32:     func() hash.Hash { return crc32.NewIEEE() },
		objects.CRC32C:    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
		objects.CRC64NVME: func() hash.Hash { return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) },
		objects.SHA1:      sha1.New,
		objects.SHA256:    sha256.New,
	}
	sum := func(a objects.Algorithm, contents ...[]byte) []byte {
		h := news[a]()
		for _, c := range contents {
			h.Write(c)
		}
		return h.Sum(nil)
	}
	s := newStand(t, true)
	for _, c := range []struct {
		algorithm       objects.Algorithm
		full, composite bool
	}{
		{"", false, false},
		{objects.CRC32, true, false},
		{objects.CRC32, false, true},
		{objects.CRC32C, true, false},
		{objects.CRC64NVME, false, false},
		{objects.SHA1, false, true},
		{objects.SHA256, false, true},
	} {
		u := s.begin(t, "key", func(u *objects.StartUpload) { u.Algorithm, u.FullObject = c.algorithm, c.full })
		shown := c.algorithm
		if shown == "" {
			shown = objects.CRC64NVME
		}
		p, err := s.PutPart(t.Context(), s.who, s.partWrite(u, 2), bytes.NewReader(second))
		want := objects.Checksums{Algorithm: shown, Value: base64.StdEncoding.EncodeToString(sum(shown, second))}
		if err != nil || p.Checksums != want {
			t.Fatalf("%s: part with %+v, %v; want %+v", c.algorithm, p.Checksums, err, want)
		}
		want = objects.Checksums{Algorithm: shown, Value: base64.StdEncoding.EncodeToString(sum(shown, first, second))}
		if c.composite {
			sums := sum(shown, sum(shown, first), sum(shown, second))
			want = objects.Checksums{Algorithm: shown, Value: base64.StdEncoding.EncodeToString(sums) + "-2", Composite: true}
		}
		asked := s.completion(u, s.part(t, u, 1, first), p)
		asked.Parts[1].Checksums = p.Checksums
		asked.Checksums = objects.Checksums{Algorithm: shown, Value: strings.TrimSuffix(want.Value, "-2")}
		o, err := s.CompleteUpload(t.Context(), s.who, asked)
		if err != nil || o.Checksums != want {
			t.Errorf("%s, full %v: got %+v, %v; want %+v", c.algorithm, c.full, o.Checksums, err, want)
		}
	}

	u := s.begin(t, "key", func(u *objects.StartUpload) { u.Algorithm = objects.SHA256 })
	other, wrong := s.partWrite(u, 1), s.partWrite(u, 1)
	other.Expect.Want = objects.CRC32
	wrong.Expect.Want, wrong.Expect.Value = objects.SHA256, base64.StdEncoding.EncodeToString(make([]byte, 32))
	if _, err := s.PutPart(t.Context(), s.who, other, bytes.NewReader(second)); !errors.Is(err, objects.ErrRequest) {
		t.Errorf("part with another algorithm: got %v, want ErrRequest", err)
	}
	if _, err := s.PutPart(t.Context(), s.who, wrong, bytes.NewReader(second)); !errors.Is(err, objects.ErrDigest) {
		t.Errorf("part with another checksum: got %v, want ErrDigest", err)
	}
	page, err := s.Parts(t.Context(), s.who, objects.ListParts{Bucket: "bucket", Key: "key", Upload: u.ID, Limit: 10})
	if err != nil || len(page.Parts) != 0 {
		t.Errorf("refused parts are stored: %v, %v", page.Parts, err)
	}
}

// TestCompleteTwice repeats a completion, as a client does whose connection broke.
func TestCompleteTwice(t *testing.T) {
	s := newStand(t, false)
	if _, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutVersioning, "bucket", objects.SetVersioning(objects.VersioningEnabled)); err != nil {
		t.Fatal(err)
	}
	u := s.begin(t, "key", nil)
	p := s.part(t, u, 4, []byte("content"))
	first := s.complete(t, u, p)
	s.Log.Take()
	if again := s.complete(t, u, p); again.Version != first.Version || again.ETag != first.ETag {
		t.Errorf("again: %+v, first: %+v", again, first)
	}
	if n := len(s.Log.Take()); n != 1 {
		t.Errorf("%d events of the second completion", n)
	}
	other := s.completion(u, p)
	other.Parts[0].ETag = strings.Repeat("0", 32)
	if _, err := s.CompleteUpload(t.Context(), s.who, other); !errors.Is(err, objects.ErrPart) {
		t.Errorf("with another part: got %v, want ErrPart", err)
	}
	if _, err := s.Remove(t.Context(), s.who, objects.Remove{Bucket: "bucket", Key: "key", Version: first.Version}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CompleteUpload(t.Context(), s.who, s.completion(u, p)); !errors.Is(err, objects.ErrNoUpload) {
		t.Errorf("after the object is gone: got %v, want ErrNoUpload", err)
	}

	// Another object of the same name is not what the upload has become.
	plain := newStand(t, false)
	u = plain.begin(t, "key", nil)
	p = plain.part(t, u, 1, []byte("content"))
	plain.complete(t, u, p)
	plain.put(t, "key", []byte("content"))
	if _, err := plain.CompleteUpload(t.Context(), plain.who, plain.completion(u, p)); !errors.Is(err, objects.ErrNoUpload) {
		t.Errorf("after it was replaced: got %v, want ErrNoUpload", err)
	}
}

// TestUploadWithCustomerKey shows that parts need the caller's key, and the completion does not.
func TestUploadWithCustomerKey(t *testing.T) {
	s := newStand(t, false)
	s.bucket = s.NewBucket(t, s.who, s.instance, "provider", "")
	own := customerKey(1)
	u := s.begin(t, "key", func(u *objects.StartUpload) { u.Encryption.Customer = own })
	content := fill(3000, 1)
	for name, c := range map[string]struct {
		key *objects.CustomerKey
		err error
	}{
		"none":    {nil, objects.ErrCustomerKey},
		"another": {customerKey(2), objects.ErrWrongKey},
	} {
		w := s.partWrite(u, 1)
		w.Customer = c.key
		if _, err := s.PutPart(t.Context(), s.who, w, bytes.NewReader(content)); !errors.Is(err, c.err) {
			t.Errorf("part with %s: got %v, want %v", name, err, c.err)
		}
	}
	w := s.partWrite(u, 1)
	w.Customer = own
	p, err := s.PutPart(t.Context(), s.who, w, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	o := s.complete(t, u, p)
	if o.ETag == etagOf(content) || o.CustomerKeyMD5 != own.MD5 {
		t.Errorf("got ETag %s, customer's key %s", o.ETag, o.CustomerKeyMD5)
	}
	if got, _, err := s.get(t, objects.Read{Key: "key", Customer: own}); err != nil || !bytes.Equal(got, content) {
		t.Errorf("reading with the key: %v", err)
	}
	if _, _, err := s.get(t, objects.Read{Key: "key"}); !errors.Is(err, objects.ErrCustomerKey) {
		t.Errorf("reading without the key: got %v, want ErrCustomerKey", err)
	}
	plain := s.begin(t, "plain", nil)
	w = s.partWrite(plain, 1)
	w.Customer = own
	if _, err := s.PutPart(t.Context(), s.who, w, bytes.NewReader(content)); !errors.Is(err, objects.ErrRequest) {
		t.Errorf("key of an upload without one: got %v, want ErrRequest", err)
	}
}

// TestUploadOverChangeOfRootKey changes the root key of new objects between the steps of an upload.
func TestUploadOverChangeOfRootKey(t *testing.T) {
	s := newStand(t, false)
	u := s.begin(t, "key", nil)
	a := s.part(t, u, 1, fill(objects.MinPart, 1))
	other := s.RootKeys.NewRoot(account)
	if _, err := s.SetEncryption(t.Context(), s.who, "bucket", other.String()); err != nil {
		t.Fatal(err)
	}
	b := s.part(t, u, 2, fill(10, 2))
	s.complete(t, u, a, b)
	got, _, err := s.get(t, objects.Read{Key: "key"})
	if want := slices.Concat(fill(objects.MinPart, 1), fill(10, 2)); err != nil || !bytes.Equal(got, want) {
		t.Fatal(err)
	}
	s.RootKeys.Fail(s.root, objects.ErrRootDisabled)
	if _, _, err := s.get(t, objects.Read{Key: "key"}); !errors.Is(err, objects.ErrRootDisabled) {
		t.Errorf("without the key it was begun under: got %v, want ErrRootDisabled", err)
	}
}

// TestCompletedObjectBegins shows with which lock, retention and version an object begins.
func TestCompletedObjectBegins(t *testing.T) {
	s := newStand(t, false)
	locked, err := s.CreateBucket(t.Context(), s.who, objects.NewBucket{Name: "locked", Instance: s.instance.ID, Lock: true})
	if err != nil {
		t.Fatal(err)
	}
	s.bucket = locked
	if _, err = s.Configure(t.Context(), s.who, objects.ActionBucketPutObjectLockConfiguration, "locked", objects.SetLock(objects.LockConfig{Mode: objects.Governance, Days: 1})); err != nil {
		t.Fatal(err)
	}
	now := s.Clock.Now()
	until := now.Add(time.Hour)
	byDefault := s.begin(t, "key", func(u *objects.StartUpload) { u.Lock.Hold = true })
	asked := s.begin(t, "key", func(u *objects.StartUpload) {
		u.Lock = objects.Lock{Mode: objects.Compliance, Until: until}
	})
	s.Clock.Advance(2 * time.Hour) // the default begins with the object, what was asked for is over
	o := s.complete(t, byDefault, s.part(t, byDefault, 1, []byte("x")))
	if want := (objects.Lock{Mode: objects.Governance, Until: now.Add(26 * time.Hour), Hold: true}); o.Lock != want || o.Version == objects.NullVersion {
		t.Errorf("by default: %+v, version %s; want %+v", o.Lock, o.Version, want)
	}
	o = s.complete(t, asked, s.part(t, asked, 1, []byte("x")))
	if want := (objects.Lock{Mode: objects.Compliance, Until: until}); o.Lock != want {
		t.Errorf("as asked: %+v, want %+v", o.Lock, want)
	}

	s.bucket = s.NewBucket(t, s.who, s.instance, "protected", "")
	policy := objects.Protection{Minimum: 1, Default: 2, Maximum: 3}
	if _, err = s.Configure(t.Context(), s.who, objects.ActionBucketPutProtection, "protected", objects.SetProtection(policy)); err != nil {
		t.Fatal(err)
	}
	u, late := s.begin(t, "key", func(u *objects.StartUpload) { u.Retention.Seconds = seconds(day) }), s.begin(t, "key", nil)
	c := s.completion(u, s.part(t, u, 1, []byte("x")))
	c.Retention.Seconds = seconds(3 * day)
	if o, err = s.CompleteUpload(t.Context(), s.who, c); err != nil || o.Retention.Seconds != 3*day {
		t.Fatalf("completion: %v, %+v", err, o.Retention)
	}
	c = s.completion(late, s.part(t, late, 1, []byte("x")))
	if _, err := s.CompleteUpload(t.Context(), s.who, c); !errors.Is(err, objects.ErrProtected) {
		t.Errorf("over a protected object: got %v, want ErrProtected", err)
	}
	s.Clock.Advance(73 * time.Hour)
	if o, err = s.CompleteUpload(t.Context(), s.who, c); err != nil || o.Retention.Seconds != 2*day {
		t.Errorf("over one that was: %v, %+v", err, o.Retention)
	}
}

func TestUploadQuota(t *testing.T) {
	s := newStand(t, false)
	if _, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutQuota, "bucket", objects.SetQuota(5000)); err != nil {
		t.Fatal(err)
	}
	u := s.begin(t, "key", nil)
	p := s.part(t, u, 1, fill(3000, 1))
	if _, err := s.PutPart(t.Context(), s.who, s.partWrite(u, 2), bytes.NewReader(fill(2001, 2))); !errors.Is(err, objects.ErrQuota) {
		t.Errorf("got %v, want ErrQuota", err)
	}
	if n := s.dispersed(t); n != 1 {
		t.Errorf("%d blobs live after a refused part, want 1", n)
	}
	s.complete(t, u, p)
}

// TestCompleteRaces lets others come between the reading and the writing of a completion.
func TestCompleteRaces(t *testing.T) {
	for name, c := range map[string]struct {
		between func(*testing.T, *stand, objects.Upload) error
		err     error
	}{
		"abortion": {func(t *testing.T, s *stand, u objects.Upload) error {
			return s.AbortUpload(t.Context(), s.who, "bucket", "key", u.ID)
		}, objects.ErrNoUpload},
		"another part of that number": {func(t *testing.T, s *stand, u objects.Upload) error {
			_, err := s.PutPart(t.Context(), s.who, s.partWrite(u, 1), strings.NewReader("other"))
			return err
		}, objects.ErrPart},
		"the same part, dispersed anew": {func(t *testing.T, s *stand, u objects.Upload) error {
			_, err := s.PutPart(t.Context(), s.who, s.partWrite(u, 1), bytes.NewReader(fill(3000, 1)))
			return err
		}, nil},
		"an object in its place": {func(t *testing.T, s *stand, _ objects.Upload) error {
			s.put(t, "key", []byte("faster"))
			return nil
		}, objects.ErrPrecondition},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, false)
			u := s.begin(t, "key", nil)
			p := s.part(t, u, 1, fill(3000, 1))
			var come atomic.Bool
			s.Store.Steps.Before(func(step string) error {
				if step == "PutVersion" && come.CompareAndSwap(false, true) {
					if err := c.between(t, s, u); err != nil {
						t.Error(err)
					}
				}
				return nil
			})
			asked := s.completion(u, p)
			asked.Conditions.NoneMatch = []string{"*"}
			if _, err := s.CompleteUpload(t.Context(), s.who, asked); !errors.Is(err, c.err) {
				t.Errorf("got %v, want %v", err, c.err)
			}
			if c.err != nil {
				return
			}
			if got, _, err := s.get(t, objects.Read{Key: "key"}); err != nil || !bytes.Equal(got, fill(3000, 1)) {
				t.Errorf("reading it: %v", err)
			}
		})
	}
}

// TestCompletionsAtOnce lets many complete the same upload: they make one version.
func TestCompletionsAtOnce(t *testing.T) {
	s := newStand(t, false)
	if _, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutVersioning, "bucket", objects.SetVersioning(objects.VersioningEnabled)); err != nil {
		t.Fatal(err)
	}
	u := s.begin(t, "key", nil)
	c := s.completion(u, s.part(t, u, 1, fill(2000, 1)))
	var made [6]objects.Object
	var work sync.WaitGroup
	for i := range made {
		work.Go(func() {
			var err error
			if made[i], err = s.CompleteUpload(t.Context(), s.who, c); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	for _, o := range made {
		if o.Version != made[0].Version {
			t.Errorf("versions %s and %s", made[0].Version, o.Version)
		}
	}
}

// TestUploadCrash ends the process at each write of an upload, before and after it happened. A client
// that begins each step again then has its object.
func TestUploadCrash(t *testing.T) {
	content := fill(2000, 1)
	for _, happens := range []bool{false, true} {
		for n := range 3 {
			s := newStand(t, false)
			s.put(t, "key", []byte("old"))
			s.Store.Steps.CrashAt(n, happens)
			s.tryUpload(t, content)
			s.Store.Steps.Reset()
			s.Restart()
			got, _, err := s.get(t, objects.Read{Key: "key"})
			committed := n == 2 && happens
			if want := map[bool][]byte{false: []byte("old"), true: content}[committed]; err != nil || !bytes.Equal(got, want) {
				t.Errorf("crash at step %d, which happened: %v: %v, the right content: %v", n, happens, err, bytes.Equal(got, want))
			}
			if err := s.tryUpload(t, content); err != nil {
				t.Errorf("after the crash at step %d: %v", n, err)
			}
		}
	}
}

// tryUpload makes an object in one part, as long as nothing fails.
func (s *stand) tryUpload(t *testing.T, content []byte) error {
	u, err := s.StartUpload(t.Context(), s.who, objects.StartUpload{Write: s.write("key")})
	if err != nil {
		return err
	}
	p, err := s.PutPart(t.Context(), s.who, s.partWrite(u, 1), bytes.NewReader(content))
	if err != nil {
		return err
	}
	_, err = s.CompleteUpload(t.Context(), s.who, s.completion(u, p))
	return err
}

// TestCopyPart takes parts from objects, which are read under decisions of their own.
func TestCopyPart(t *testing.T) {
	s := newStand(t, false)
	content := fill(3<<20+17, 4)
	s.put(t, "source", content)
	u := s.begin(t, "key", nil)
	from := func(r *objects.Range) objects.PartWrite {
		w := s.partWrite(u, 1)
		w.From = &objects.Read{Bucket: "bucket", Key: "source", Range: r}
		return w
	}
	for name, c := range map[string]struct {
		r   *objects.Range
		err error
	}{
		"beyond the end":        {&objects.Range{First: 5, Last: int64(len(content))}, objects.ErrRange},
		"to the end":            {&objects.Range{First: 5, Last: -1}, objects.ErrArgument},
		"the last bytes":        {&objects.Range{First: -1, Last: 5}, objects.ErrArgument},
		"a range without bytes": {&objects.Range{First: int64(len(content)), Last: int64(len(content))}, objects.ErrRange},
	} {
		if _, err := s.PutPart(t.Context(), s.who, from(c.r), nil); !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %v", name, err, c.err)
		}
	}
	s.Access.Asked()
	p, err := s.PutPart(t.Context(), s.who, from(&objects.Range{First: 1<<20 - 1, Last: 2 << 20}), nil)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, a := range s.Access.Asked() {
		asked = append(asked, string(a.Action))
	}
	if want := []string{string(objects.ActionObjectCopyPart), string(objects.ActionObjectCopyPartGet)}; !slices.Equal(asked, want) {
		t.Errorf("decided %q, want %q", asked, want)
	}
	s.complete(t, u, p)
	if got, _, err := s.get(t, objects.Read{Key: "key"}); err != nil || !bytes.Equal(got, content[1<<20-1:2<<20+1]) {
		t.Errorf("reading it: %v", err)
	}

	s.Access.Strict()
	s.Access.Grant(objectstest.Grant{Path: "key"})
	u = s.begin(t, "key", nil)
	w := s.partWrite(u, 1)
	w.From = &objects.Read{Bucket: "bucket", Key: "source"}
	if _, err := s.PutPart(t.Context(), s.who, w, nil); err == nil {
		t.Error("a part was copied from an object that its caller may not read")
	}
}

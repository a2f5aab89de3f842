package objects_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/objects"
	"strongroom/objects/objectstest"
)

func TestCrashLeavesTheOldObjectOrTheNew(t *testing.T) {
	s := newStand(t, false)
	before, after := contentOf(2*segment+1), contentOf(2*segment+2)
	s.put(t, "key", before)
	broken := errors.New("broken")
	for _, act := range []objectstest.Act{objectstest.ActWrite, objectstest.ActSegment, objectstest.ActFinish} {
		for _, happened := range []bool{false, true} {
			fail := func(step objectstest.Step) error {
				if step.Act == act && step.Segment == int64(map[bool]int{false: 0, true: 2}[act == objectstest.ActSegment]) {
					return broken
				}
				return nil
			}
			if happened {
				s.Blobs.After(fail)
			} else {
				s.Blobs.Before(fail)
			}
			_, err := s.Put(t.Context(), s.who, s.write("key"), bytes.NewReader(after))
			s.Blobs.After(nil)
			s.Blobs.Before(nil)
			if !errors.Is(err, broken) {
				t.Errorf("%s, happened %t: %v", act, happened, err)
			}
			if got, _, err := s.get(t, objects.Read{Key: "key"}); err != nil || !bytes.Equal(got, before) {
				t.Errorf("%s, happened %t: the old object is gone: %v", act, happened, err)
			}
		}
	}
	for _, happens := range []bool{false, true} {
		s.put(t, "key", before)
		s.Store.Steps.CrashAt(0, happens)
		_, err := s.Put(t.Context(), s.who, s.write("key"), bytes.NewReader(after))
		s.Store.Steps.Reset()
		want := map[bool][]byte{false: before, true: after}[happens]
		if got, _, gerr := s.get(t, objects.Read{Key: "key"}); err == nil || gerr != nil || !bytes.Equal(got, want) {
			t.Errorf("commit, happens %t: put: %v, get: %d bytes, %v", happens, err, len(got), gerr)
		}
	}
}

func TestContentThatIsNotAsExpectedIsNotStored(t *testing.T) {
	content := []byte("123456789")
	crc := base64.StdEncoding.EncodeToString([]byte{0xcb, 0xf4, 0x39, 0x26})
	trailer := func(value string, err error) func() (string, error) {
		return func() (string, error) { return value, err }
	}
	broken := errors.New("broken")
	s := newStand(t, false, func(c *objects.ServiceConfig) { c.Embed = 4 })
	for name, c := range map[string]struct {
		expect objects.Expect
		body   io.Reader
		want   error
	}{
		"as announced":      {objects.Expect{Size: 9, Want: objects.CRC32, Value: crc}, nil, nil},
		"good trailer":      {objects.Expect{Size: -1, Want: objects.CRC32, Trailer: trailer(crc, nil)}, nil, nil},
		"too long":          {objects.Expect{Size: 8}, nil, objects.ErrIncomplete},
		"too short":         {objects.Expect{Size: 10}, nil, objects.ErrIncomplete},
		"breaks off":        {objects.Expect{Size: -1}, io.MultiReader(bytes.NewReader(content), iotest.ErrReader(io.ErrUnexpectedEOF)), objects.ErrIncomplete},
		"fails":             {objects.Expect{Size: -1}, io.MultiReader(bytes.NewReader(content), iotest.ErrReader(broken)), broken},
		"one byte a time":   {objects.Expect{Size: 9, Want: objects.CRC32, Value: crc}, iotest.OneByteReader(bytes.NewReader(content)), nil},
		"another MD5":       {objects.Expect{Size: 9, MD5: make([]byte, 16)}, nil, objects.ErrDigest},
		"another SHA-256":   {objects.Expect{Size: 9, SHA256: make([]byte, 32)}, nil, objects.ErrDigest},
		"another checksum":  {objects.Expect{Size: 9, Want: objects.CRC32C, Value: crc}, nil, objects.ErrDigest},
		"another trailer":   {objects.Expect{Size: 9, Want: objects.CRC32C, Trailer: trailer(crc, nil)}, nil, objects.ErrDigest},
		"no trailer":        {objects.Expect{Size: 9, Want: objects.CRC32, Trailer: trailer("", nil)}, nil, objects.ErrDigest},
		"broken trailer":    {objects.Expect{Size: 9, Want: objects.CRC32, Trailer: trailer("", broken)}, nil, broken},
		"larger than a put": {objects.Expect{Size: objects.MaxPut + 1}, nil, objects.ErrTooLarge},
		"unknown algorithm": {objects.Expect{Size: 9, Want: "MD6"}, nil, objects.ErrArgument},
	} {
		if c.body == nil {
			c.body = bytes.NewReader(content)
		}
		w := s.write(name)
		w.Expect = c.expect
		o, err := s.Put(t.Context(), s.who, w, c.body)
		_, _, gerr := s.get(t, objects.Read{Key: name})
		if !errors.Is(err, c.want) || c.want == nil && (gerr != nil || o.Checksums.Value != crc) || c.want != nil && !errors.Is(gerr, objects.ErrNoObject) {
			t.Errorf("%s: %v, want %v; then get: %v", name, err, c.want, gerr)
		}
	}
}

func TestETagAndDefaultChecksum(t *testing.T) {
	s := newStand(t, false)
	o := s.put(t, "key", []byte("123456789"))
	if o.ETag != "25f9e794323b453885f5181f1b624d0b" || o.Checksums.Algorithm != objects.CRC64NVME || o.Checksums.Value != "rosUhgp5mIg=" {
		t.Errorf("%+v", o)
	}
}

func TestConditionsOfWrites(t *testing.T) {
	s := newStand(t, false)
	etag := s.put(t, "there", []byte("1")).ETag
	for _, c := range []struct {
		key  string
		cond objects.Conditions
		want error
	}{
		{"there", objects.Conditions{NoneMatch: []string{"*"}}, objects.ErrPrecondition},
		{"absent", objects.Conditions{NoneMatch: []string{"*"}}, nil},
		{"there", objects.Conditions{Match: []string{"other"}}, objects.ErrPrecondition},
		{"missing", objects.Conditions{Match: []string{etag}}, objects.ErrNoObject},
		{"there", objects.Conditions{Match: []string{etag}}, nil},
	} {
		w := s.write(c.key)
		w.Conditions = c.cond
		if _, err := s.Put(t.Context(), s.who, w, bytes.NewReader([]byte("2"))); !errors.Is(err, c.want) {
			t.Errorf("%s %+v: %v, want %v", c.key, c.cond, err, c.want)
		}
	}
}

func TestOneOfConcurrentCreationsWins(t *testing.T) {
	s := newStand(t, false)
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		wins int
	)
	for range 8 {
		all.Go(func() {
			w := s.write("key")
			w.Conditions.NoneMatch = []string{"*"}
			_, err := s.Put(t.Context(), s.who, w, bytes.NewReader([]byte("x")))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				wins++
			} else if !errors.Is(err, objects.ErrPrecondition) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if wins != 1 {
		t.Errorf("%d have won", wins)
	}
}

func TestConditionsOfReads(t *testing.T) {
	s := newStand(t, false)
	o := s.put(t, "key", []byte("1"))
	earlier, later := o.Modified.Add(-time.Hour), o.Modified.Add(time.Hour)
	for _, c := range []struct {
		cond objects.Conditions
		want error
	}{
		{objects.Conditions{Match: []string{o.ETag}, UnmodifiedSince: earlier}, nil},
		{objects.Conditions{Match: []string{"other"}, UnmodifiedSince: later}, objects.ErrPrecondition},
		{objects.Conditions{UnmodifiedSince: earlier}, objects.ErrPrecondition},
		{objects.Conditions{NoneMatch: []string{o.ETag}, ModifiedSince: earlier}, objects.ErrNotModified},
		{objects.Conditions{NoneMatch: []string{"other"}, ModifiedSince: later}, nil},
		{objects.Conditions{ModifiedSince: o.Modified}, objects.ErrNotModified},
		{objects.Conditions{ModifiedSince: earlier}, nil},
	} {
		_, found, err := s.get(t, objects.Read{Key: "key", Conditions: c.cond})
		if !errors.Is(err, c.want) || errors.Is(err, objects.ErrNotModified) && found.ETag != o.ETag {
			t.Errorf("%+v: %v, want %v", c.cond, err, c.want)
		}
	}
}

func TestCustomerKeys(t *testing.T) {
	s := newStand(t, false)
	w := s.write("key")
	key := &objects.CustomerKey{Key: custody.RandomSecret(32), MD5: "first"}
	w.Encryption.Customer = key
	if _, err := s.Put(t.Context(), s.who, w, bytes.NewReader([]byte("x"))); !errors.Is(err, objects.ErrCustomerRoot) {
		t.Errorf("in a bucket with a root key: %v", err)
	}
	s.bucket = s.NewBucket(t, s.who, s.instance, "without-root", "")
	w.Bucket = s.bucket.Name
	o, err := s.Put(t.Context(), s.who, w, bytes.NewReader([]byte("123456789")))
	if err != nil || len(o.ETag) != 32 || o.ETag == "25f9e794323b453885f5181f1b624d0b" || o.CustomerKeyMD5 != "first" {
		t.Fatalf("%+v, %v", o, err)
	}
	s.put(t, "plain", []byte("x"))
	for name, c := range map[string]struct {
		key  string
		own  *objects.CustomerKey
		want error
	}{
		"the key":               {"key", key, nil},
		"none":                  {"key", nil, objects.ErrCustomerKey},
		"another":               {"key", &objects.CustomerKey{Key: custody.RandomSecret(32), MD5: "second"}, objects.ErrWrongKey},
		"another with its name": {"key", &objects.CustomerKey{Key: custody.RandomSecret(32), MD5: "first"}, objects.ErrDamaged},
		"one too many":          {"plain", key, objects.ErrRequest},
	} {
		if _, _, err := s.get(t, objects.Read{Key: c.key, Customer: c.own}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestVersionsAreKept(t *testing.T) {
	s := newStand(t, false)
	if _, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutVersioning, s.bucket.Name, objects.SetVersioning(objects.VersioningEnabled)); err != nil {
		t.Fatal(err)
	}
	first, second := s.put(t, "key", []byte("1")), s.put(t, "key", []byte("2"))
	if first.Version == second.Version || first.Version == objects.NullVersion {
		t.Errorf("versions %s and %s", first.Version, second.Version)
	}
	for version, want := range map[objects.VersionID]string{"": "2", first.Version: "1", second.Version: "2"} {
		if got, _, err := s.get(t, objects.Read{Key: "key", Version: version}); err != nil || string(got) != want {
			t.Errorf("version %q: %q, %v", version, got, err)
		}
	}
	marker, err := s.Remove(t.Context(), s.who, objects.Remove{Bucket: s.bucket.Name, Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	if _, c, err := s.get(t, objects.Read{Key: "key"}); !errors.Is(err, objects.ErrNoObject) || c == nil || c.Version != marker.Version || !c.Marker {
		t.Errorf("behind a marker: %v", err)
	}
	if _, _, err := s.get(t, objects.Read{Key: "key", Version: marker.Version}); !errors.Is(err, objects.ErrDeleteMarker) {
		t.Errorf("the marker: %v", err)
	}
	if _, _, err := s.get(t, objects.Read{Key: "key", Version: "00000000000000000000000000000000"}); !errors.Is(err, objects.ErrNoVersion) {
		t.Errorf("no such version: %v", err)
	}
}

func TestCopy(t *testing.T) {
	s := newStand(t, false)
	other := s.NewBucket(t, s.who, s.instance, "other", s.RootKeys.NewRoot(account).String())
	content := contentOf(2*segment + 7)
	w := s.write("key")
	w.Headers = objects.Headers{ContentType: "text/plain", Metadata: map[string]string{"a": "b"}}
	w.Tags = map[string]string{"tag": "1"}
	made, err := s.Put(t.Context(), s.who, w, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	from := s.bucket
	copyTo := func(bucket, key string, change func(*objects.Copy)) (objects.Copied, error) {
		c := objects.Copy{Write: objects.Write{Bucket: bucket, Key: key}, From: objects.Read{Bucket: from.Name, Key: "key"}}
		if change != nil {
			change(&c)
		}
		return s.Copy(t.Context(), s.who, c)
	}
	o, err := copyTo(other.Name, "copy", nil)
	if err != nil || o.ETag != made.ETag || o.Headers.Metadata["a"] != "b" || o.Tags["tag"] != "1" || o.Checksums != made.Checksums {
		t.Fatalf("%+v, %v", o, err)
	}
	s.bucket = other
	if got, _, err := s.get(t, objects.Read{Key: "copy"}); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the copy: %d bytes, %v", len(got), err)
	}
	if _, err := copyTo(from.Name, "key", nil); !errors.Is(err, objects.ErrRequest) {
		t.Errorf("onto itself: %v", err)
	}
	o, err = copyTo(from.Name, "key", func(c *objects.Copy) { c.ReplaceHeaders = true })
	if err != nil || o.Headers.ContentType != "" || o.Tags["tag"] != "1" {
		t.Errorf("onto itself with other headers: %+v, %v", o, err)
	}
	if _, err := copyTo(other.Name, "copy", func(c *objects.Copy) { c.From.Conditions.NoneMatch = []string{made.ETag} }); !errors.Is(err, objects.ErrPrecondition) {
		t.Errorf("unless it is the same: %v", err)
	}
	s.RootKeys.Fail(s.rootOf(t, other), objects.ErrRootDisabled)
	if _, err := copyTo(other.Name, "copy", nil); !errors.Is(err, objects.ErrRootDisabled) {
		t.Errorf("to a bucket whose root key is disabled: %v", err)
	}
	s.Access.Strict()
	s.Access.Grant(objectstest.Grant{Identity: s.who.Identity, Actions: []iam.Action{objects.ActionObjectCopy}})
	if _, err := copyTo(from.Name, "third", nil); err == nil {
		t.Error("copied without a right to read")
	}
}

// rootOf is the root key of a bucket.
func (s *stand) rootOf(t *testing.T, b objects.Bucket) crn.CRN {
	t.Helper()
	keys, err := s.Store.BucketKeys(t.Context(), b.ID)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	return keys[0].Root
}

// TestVersionsAreNamedWhereThereAreSome: in a bucket that never kept versions nothing is called one.
func TestVersionsAreNamedWhereThereAreSome(t *testing.T) {
	s := newStand(t, false)
	copied := func() (whole, part objects.VersionID) {
		t.Helper()
		c, err := s.Copy(t.Context(), s.who, objects.Copy{Write: s.write("copy"), From: objects.Read{Bucket: "bucket", Key: "key"}})
		if err != nil {
			t.Fatal(err)
		}
		w := s.partWrite(s.begin(t, "upload", nil), 1)
		w.From = &objects.Read{Bucket: "bucket", Key: "key"}
		p, err := s.PutPart(t.Context(), s.who, w, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Source, p.Source
	}
	old := s.put(t, "key", []byte("x"))
	_, read, _ := s.get(t, objects.Read{Key: "key"})
	if whole, part := copied(); old.Versioned || read.Versioned || whole != "" || part != "" {
		t.Errorf("without versions: %t, %t, copied from %q and %q", old.Versioned, read.Versioned, whole, part)
	}
	s.configure(t, objects.ActionBucketPutVersioning, objects.SetVersioning(objects.VersioningEnabled))
	if whole, part := copied(); whole != objects.NullVersion || part != objects.NullVersion {
		t.Errorf("what is older than versions is copied from %q and %q", whole, part)
	}
	made := s.put(t, "key", []byte("y"))
	if whole, part := copied(); !made.Versioned || whole != made.Version || part != made.Version {
		t.Errorf("version %q is copied from %q and %q", made.Version, whole, part)
	}
	s.configure(t, objects.ActionBucketPutVersioning, objects.SetVersioning(objects.VersioningSuspended))
	if o := s.put(t, "key", []byte("z")); !o.Versioned || o.Version != objects.NullVersion {
		t.Errorf("where versions are suspended: %t, %q", o.Versioned, o.Version)
	}
}

// TestQuotaBoundsEveryWayToWrite counts what is there, and leaves nothing of what it refuses.
func TestQuotaBoundsEveryWayToWrite(t *testing.T) {
	s := newStand(t, false)
	s.put(t, "key", fill(3000, 1))
	s.configure(t, objects.ActionBucketPutQuota, objects.SetQuota(5000))
	put := func(key string, size int, expect int64) error {
		w := s.write(key)
		w.Expect.Size = expect
		_, err := s.Put(t.Context(), s.who, w, bytes.NewReader(fill(size, 2)))
		return err
	}
	up := s.begin(t, "upload", nil)
	for name, err := range map[string]error{
		"announced":     put("other", 5001, 5001),
		"not announced": put("other", 2001, -1),
		"copied": func() error {
			_, err := s.Copy(t.Context(), s.who, objects.Copy{Write: s.write("copy"), From: objects.Read{Bucket: "bucket", Key: "key"}})
			return err
		}(),
		"a part copied": func() error {
			w := s.partWrite(up, 1)
			w.From = &objects.Read{Bucket: "bucket", Key: "key"}
			_, err := s.PutPart(t.Context(), s.who, w, nil)
			return err
		}(),
	} {
		if !errors.Is(err, objects.ErrQuota) {
			t.Errorf("%s: %v, want ErrQuota", name, err)
		}
	}
	if n := s.dispersed(t); n != 1 {
		t.Errorf("%d blobs live, want 1", n)
	}
	if err := put("other", 2000, -1); err != nil {
		t.Errorf("up to the quota: %v", err)
	}
}

// TestRetainedObjectIsNotOverwritten: not by a put, a copy or a completed upload, until its time is over.
func TestRetainedObjectIsNotOverwritten(t *testing.T) {
	s := newStand(t, false)
	s.configure(t, objects.ActionBucketPutProtection, objects.SetProtection(objects.Protection{Minimum: 0, Default: 1, Maximum: 9}))
	s.put(t, "key", []byte("kept"))
	s.put(t, "source", []byte("new"))
	up := s.begin(t, "key", nil)
	part := s.part(t, up, 1, []byte("new"))
	ways := map[string]func() error{
		"put": func() error {
			_, err := s.Put(t.Context(), s.who, s.write("key"), bytes.NewReader([]byte("new")))
			return err
		},
		"copy": func() error {
			_, err := s.Copy(t.Context(), s.who, objects.Copy{Write: s.write("key"), From: objects.Read{Bucket: "bucket", Key: "source"}})
			return err
		},
		"completion": func() error {
			_, err := s.CompleteUpload(t.Context(), s.who, s.completion(up, part))
			return err
		},
	}
	for name, way := range ways {
		if err := way(); !errors.Is(err, objects.ErrProtected) {
			t.Errorf("%s: %v, want ErrProtected", name, err)
		}
	}
	if got, _, err := s.get(t, objects.Read{Key: "key"}); err != nil || string(got) != "kept" {
		t.Errorf("after that: %q, %v", got, err)
	}
	s.Clock.Advance(24 * time.Hour)
	if err := ways["put"](); err != nil {
		t.Errorf("when its time is over: %v", err)
	}
}

// TestCopyFromOneCustomerKeyToAnother needs both, and neither opens what the other has sealed.
func TestCopyFromOneCustomerKeyToAnother(t *testing.T) {
	s := newStand(t, false)
	s.bucket = s.NewBucket(t, s.who, s.instance, "plain", "")
	here, there := customerKey(1), customerKey(2)
	content := fill(2*segment+5, 1)
	w := s.write("key")
	w.Encryption.Customer = here
	if _, err := s.Put(t.Context(), s.who, w, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	from := objects.Read{Bucket: "plain", Key: "key", Customer: here}
	to := s.write("copy")
	to.Encryption.Customer = there
	if _, err := s.Copy(t.Context(), s.who, objects.Copy{Write: to, From: from}); err != nil {
		t.Fatal(err)
	}
	up := s.begin(t, "parts", func(u *objects.StartUpload) { u.Bucket, u.Encryption.Customer = "plain", there })
	part := objects.PartWrite{Bucket: "plain", Key: "parts", Upload: up.ID, Number: 1, Customer: there, From: &from}
	p, err := s.PutPart(t.Context(), s.who, part, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := objects.Complete{Bucket: "plain", Key: "parts", Upload: up.ID, Parts: []objects.Part{p}, Size: -1, Customer: there}
	if _, err := s.CompleteUpload(t.Context(), s.who, done); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"copy", "parts"} {
		if got, _, err := s.get(t, objects.Read{Key: key, Customer: there}); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v", key, len(got), err)
		}
		if _, _, err := s.get(t, objects.Read{Key: key, Customer: here}); !errors.Is(err, objects.ErrWrongKey) {
			t.Errorf("%s with the key of the source: %v, want ErrWrongKey", key, err)
		}
	}
	from.Customer = nil
	if _, err := s.Copy(t.Context(), s.who, objects.Copy{Write: to, From: from}); !errors.Is(err, objects.ErrCustomerKey) {
		t.Errorf("without the key of the source: %v, want ErrCustomerKey", err)
	}
	part.From, part.Customer = &objects.Read{Bucket: "plain", Key: "key", Customer: here}, here
	if _, err := s.PutPart(t.Context(), s.who, part, nil); err == nil {
		t.Error("a part was copied under another key than that of its upload")
	}
}

package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"strongroom/fault"
	"strongroom/objects"
)

func anUpload(b objects.Bucket, key string) objects.UploadRow {
	return objects.UploadRow{
		Upload: objects.Upload{
			Bucket: b.Name, Key: key, ID: objects.UploadID(uuid.NewString()), Initiator: "IBMid-1", Started: start(),
			Algorithm: objects.CRC32C, Composite: true, CustomerKeyMD5: "md5",
		},
		BucketID: b.ID, Write: "write", SealedBy: b.Key, DataKey: []byte("data key"), Record: []byte("record"),
	}
}

func testUploads(t *testing.T, g Ground) {
	b, k := newBucket(t, g, "a-bucket")
	u := anUpload(b, "key")
	seconds := int64(60)
	u.ACL, u.Customer = objects.ACLPublicRead, true
	u.Lock = objects.Lock{Mode: objects.Governance, Until: start()}
	u.Retain = objects.RetentionRequest{Seconds: &seconds, Hold: "hold"}
	ok(t, g.CreateUpload(t.Context(), u, event("start")))
	wantKind(t, "the same again", g.CreateUpload(t.Context(), u, event("again")), fault.Conflict)
	u.Revision = 1
	read := func() objects.UploadRow {
		t.Helper()
		return must[objects.UploadRow](t)(g.Upload(t.Context(), b.ID, "key", u.ID))
	}
	wantSame(t, "as stored", read(), u)
	for what, key := range map[string]string{"another key": "other", "no upload": ""} {
		_, err := g.Upload(t.Context(), b.ID, key, u.ID)
		wantKind(t, what, err, fault.NotFound)
	}

	first, second, again := dispersed(t, g, 1, 10), embedded(2, 20), dispersed(t, g, 1, 5)
	ok(t, g.PutPart(t.Context(), u, second, 0, event("part")))
	ok(t, g.PutPart(t.Context(), u, first, 0, event("part")))
	wantState(t, g, first.Blob.ID, objects.BlobLive)
	ok(t, g.PutPart(t.Context(), u, again, 0, nil))
	wantState(t, g, first.Blob.ID, objects.BlobDead)
	again.Blob.State, again.Blob.Server, again.Blob.Revision = objects.BlobLive, "", 2
	second.Blob.Inline = nil
	wantUploadParts(t, g, u, 0, 10, again, second)
	wantUploadParts(t, g, u, 1, 10, second)
	wantUploadParts(t, g, u, 0, 1, again)
	wantSame(t, "usage", must[objects.Usage](t)(g.Usage(t.Context(), b.ID)), objects.Usage{Uploads: 1})

	other := aKey(b)
	ok(t, g.AddBucketKey(t.Context(), other, nil))
	moved := u
	moved.SealedBy, moved.DataKey = other.ID, []byte("box")
	ok(t, g.UpdateUpload(t.Context(), moved))
	wantKind(t, "an old revision", g.UpdateUpload(t.Context(), moved), fault.Stale)
	moved.Revision++
	wantSame(t, "updated", read(), moved)
	b.Key = other.ID
	ok(t, g.UpdateBucket(t.Context(), b, nil))
	ok(t, g.RemoveBucketKey(t.Context(), k, nil))
	ok(t, g.PutPart(t.Context(), u, embedded(3, 1), 0, nil)) // the revision is not compared

	wantKind(t, "aborting an old revision", g.RemoveUpload(t.Context(), u, event("stale")), fault.Stale)
	ok(t, g.RemoveUpload(t.Context(), moved, event("abort")))
	wantState(t, g, again.Blob.ID, objects.BlobDead)
	for what, err := range map[string]error{
		"aborting again":           g.RemoveUpload(t.Context(), moved, nil),
		"a part after the end":     g.PutPart(t.Context(), moved, embedded(1, 1), 0, nil),
		"an update after the end":  g.UpdateUpload(t.Context(), moved),
		"completing after the end": complete(t, g, b, moved, nil),
	} {
		wantKind(t, what, err, fault.NotFound)
	}
	_, err := g.UploadParts(t.Context(), moved, 0, 1)
	wantKind(t, "parts after the end", err, fault.NotFound)
	wantSame(t, "usage at the end", must[objects.Usage](t)(g.Usage(t.Context(), b.ID)), objects.Usage{})
	wantEvents(t, g, "start", "part", "part", "abort")
}

func wantUploadParts(t *testing.T, g Ground, u objects.UploadRow, after, limit int, want ...objects.PartRow) {
	t.Helper()
	got := must[[]objects.PartRow](t)(g.UploadParts(t.Context(), u, after, limit))
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("parts after %d (-want +got):\n%s", after, diff)
	}
}

// complete makes an object of parts of an upload.
func complete(t *testing.T, g Ground, b objects.Bucket, u objects.UploadRow, parts []objects.PartRow) error {
	t.Helper()
	p := version(b, u.Key, versionID(7), 0)
	p.Parts, p.Row.Parts, p.Upload, p.Row.SealedBy = parts, len(parts), u.ID, u.SealedBy
	for _, part := range parts {
		p.Row.Size += part.Size
	}
	_, err := g.PutVersion(t.Context(), p)
	return err
}

func testComplete(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	u := anUpload(b, "key")
	ok(t, g.CreateUpload(t.Context(), u, nil))
	for _, p := range []objects.PartRow{dispersed(t, g, 1, 10), dispersed(t, g, 2, 20), embedded(3, 30), embedded(4, 40)} {
		ok(t, g.PutPart(t.Context(), u, p, 0, nil))
	}
	parts := must[[]objects.PartRow](t)(g.UploadParts(t.Context(), u, 0, 10))
	ok(t, g.PutPart(t.Context(), u, dispersed(t, g, 1, 11), 0, nil))
	ok(t, g.PutPart(t.Context(), u, embedded(3, 31), 0, nil))
	wantKind(t, "a part that was replaced", complete(t, g, b, u, parts[:1]), fault.Stale)
	wantKind(t, "an embedded part that was replaced", complete(t, g, b, u, parts[2:3]), fault.Stale)

	parts = must[[]objects.PartRow](t)(g.UploadParts(t.Context(), u, 0, 10))
	ok(t, complete(t, g, b, u, []objects.PartRow{parts[0], parts[2]}))
	r := must[objects.Row](t)(g.Latest(t.Context(), b.ID, "key"))
	got := must[[]objects.PartRow](t)(g.PartsOf(t.Context(), r))
	if len(got) != 2 || got[0].Blob.ID != parts[0].Blob.ID || got[1].Number != 3 || len(got[1].Blob.Inline) == 0 {
		t.Errorf("parts of the object: %+v", got)
	}
	wantState(t, g, parts[0].Blob.ID, objects.BlobLive)
	wantState(t, g, parts[1].Blob.ID, objects.BlobDead)
	wantSame(t, "usage", must[objects.Usage](t)(g.Usage(t.Context(), b.ID)), objects.Usage{Objects: 1, Bytes: 42})

	done := must[objects.UploadRow](t)(g.Upload(t.Context(), b.ID, "key", u.ID))
	if done.Completed != r.Version {
		t.Errorf("the upload became %q, want %q", done.Completed, r.Version)
	}
	wantKind(t, "completing again", complete(t, g, b, u, nil), fault.NotFound)
	wantKind(t, "aborting what is completed", g.RemoveUpload(t.Context(), done, nil), fault.NotFound)
	rows, _, err := g.ListUploads(t.Context(), b.ID, objects.ListUploads{Limit: 10})
	if err != nil || len(rows) != 0 {
		t.Errorf("open uploads: %v, %v", rows, err)
	}
	ok(t, g.ForgetUploads(t.Context(), time.Time{}.Add(time.Hour)))
	must[objects.UploadRow](t)(g.Upload(t.Context(), b.ID, "key", u.ID))
	ok(t, g.ForgetUploads(t.Context(), time.Now().AddDate(100, 0, 0)))
	_, err = g.Upload(t.Context(), b.ID, "key", u.ID)
	wantKind(t, "forgotten", err, fault.NotFound)
	ok(t, g.RemoveVersion(t.Context(), r, nil))
	ok(t, g.RemoveBucket(t.Context(), b, nil))
}

func testListUploads(t *testing.T, g Ground) {
	b, _ := newBucket(t, g, "a-bucket")
	var want []objects.UploadID
	for _, key := range []string{"a", "b/1", "b/2", "c"} {
		for i := range 3 {
			u := anUpload(b, key)
			u.ID, u.Started = objects.UploadID(fmt.Sprintf("%s-%d", key, 9-i)), start().Add(time.Duration(i)*time.Second)
			ok(t, g.CreateUpload(t.Context(), u, nil))
			want = append(want, u.ID)
		}
	}
	page := func(l objects.ListUploads) (ids []objects.UploadID, prefixes []string, last objects.UploadRow) {
		t.Helper()
		rows, prefixes, err := g.ListUploads(t.Context(), b.ID, l)
		ok(t, err)
		for _, u := range rows[:min(l.Limit, len(rows))] {
			ids, last = append(ids, u.ID), u
		}
		return ids, prefixes, last
	}
	all, _, _ := page(objects.ListUploads{Limit: 100})
	wantSame(t, "all", all, want)
	var paged []objects.UploadID
	for l := (objects.ListUploads{Limit: 2}); ; {
		ids, _, last := page(l)
		if len(ids) == 0 {
			break
		}
		paged = append(paged, ids...)
		l.After, l.AfterUpload = last.Key, last.ID
	}
	wantSame(t, "page by page", paged, want)
	ids, prefixes, _ := page(objects.ListUploads{Limit: 100, Delimiter: "/"})
	wantSame(t, "with a delimiter", ids, slices.Concat(want[:3], want[9:]))
	wantSame(t, "common prefixes", prefixes, []string{"b/"})
	ids, _, _ = page(objects.ListUploads{Limit: 100, Prefix: "b/", After: "b/1"})
	wantSame(t, "a prefix, after a key", ids, want[6:9])
	ids, _, _ = page(objects.ListUploads{Limit: 100, After: "b/1", AfterUpload: "gone"})
	wantSame(t, "after an upload that is gone", ids, want[3:])
}

package storetest

import (
	"testing"

	"strongroom/fault"
	"strongroom/objects"
)

// testForged changes every column that decides about access: a row that was changed outside is an
// internal failure, never an absence and never what it says.
func testForged(t *testing.T, g Ground) {
	b, k := newBucket(t, g, "a-bucket")
	r := put(t, g, version(b, "key", versionID(1), 10))
	u := anUpload(b, "key")
	ok(t, g.CreateUpload(t.Context(), u, nil))
	j := aJob(b, objects.JobRekey)
	ok(t, g.CreateJob(t.Context(), j, nil))
	n := objects.Node{ID: "00000001", Name: "one", State: objects.NodeActive, Created: start()}
	ok(t, g.Nodes.AddNode(t.Context(), n, nil))

	read := map[string]func() error{
		"buckets": func() error { _, err := g.BucketByID(t.Context(), b.ID); return err },
		"bucket_keys": func() error {
			_, err := g.BucketKey(t.Context(), b.ID, k.ID)
			return err
		},
		"objects":     func() error { _, err := g.Latest(t.Context(), b.ID, "key"); return err },
		"uploads":     func() error { _, err := g.Upload(t.Context(), b.ID, "key", u.ID); return err },
		"object_jobs": func() error { _, err := g.Job(t.Context(), j.ID); return err },
		"nodes":       func() error { _, err := g.Nodes.Nodes(t.Context()); return err },
	}
	text, number, truth := "'forged'", "987654321", "TRUE"
	for _, c := range []struct {
		table  string
		forged string
		as     []string
	}{
		{"buckets", text, []string{"name", "instance", "account", "location", "profile", "state", "key", "config"}},
		{"buckets", number, []string{"created_at", "updated_at", "revision"}},
		{"buckets", truth, []string{"opaque_etags"}},
		{"bucket_keys", text, []string{"root", "ciphertext", "root_version", "alias"}},
		{"bucket_keys", number, []string{"created_at", "revision"}},
		{"bucket_keys", truth, []string{"fresh", "pending"}},
		{"objects", text, []string{"version", "opaque", "write", "sealed_by", "data_key", "record", "attributes"}},
		{"objects", number, []string{"size", "modified_at", "parts", "revision"}},
		{"objects", truth, []string{"marker", "customer"}},
		{"uploads", text, []string{
			"initiator", "algorithm", "customer_md5", "write", "sealed_by", "data_key", "record", "attributes", "completed",
		}},
		{"uploads", number, []string{"started_at", "completed_at", "revision"}},
		{"uploads", "FALSE", []string{"composite"}},
		{"uploads", truth, []string{"customer"}},
		{"object_jobs", text, []string{"body"}},
		{"object_jobs", number, []string{"revision"}},
		{"nodes", text, []string{"id", "name", "site", "url", "credentials_file", "state"}},
		{"nodes", number, []string{"created_at", "revision"}},
	} {
		for _, column := range c.as {
			ok(t, read[c.table]())
			g.Forge(`CREATE TABLE saved AS SELECT * FROM ` + c.table)
			g.Forge(`UPDATE ` + c.table + ` SET ` + column + ` = ` + c.forged)
			if err := read[c.table](); err == nil || fault.KindOf(err) != fault.Internal {
				t.Errorf("%s.%s: %v", c.table, column, err)
			}
			g.Forge(`DELETE FROM ` + c.table)
			g.Forge(`INSERT INTO ` + c.table + ` SELECT * FROM saved`)
			g.Forge(`DROP TABLE saved`)
		}
	}
	// A row of one key in place of another's.
	other := put(t, g, version(b, "other", versionID(1), 10))
	g.Forge(`DELETE FROM objects WHERE seq = $1`, other.Seq)
	g.Forge(`UPDATE objects SET key = $1 WHERE seq = $2`, []byte("other"), r.Seq)
	if _, err := g.Latest(t.Context(), b.ID, "other"); err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("a row of another key: %v", err)
	}
}

package chaos_test

import (
	"bytes"
	"crypto/md5" // the ETag of an object
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ground "strongroom/custody"
	"strongroom/test/process"
)

// nodesConfig disperses over six folders in three sites, with the all-or-nothing seal, and without it for
// cold buckets.
func nodesConfig(t *testing.T, dir string) (file string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("objects:\n  profiles:\n    - {name: bare, locations: [\"*-cold\"], data: 4, total: 6, all_or_nothing: false}\n  nodes:\n")
	for i := range 6 {
		fmt.Fprintf(&text, "    - {name: node-%d, site: site-%d, url: \"file://%s/node-%d\"}\n", i, i/2, filepath.ToSlash(dir), i)
	}
	file = filepath.Join(dir, "strongroom.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestNoObjectBytesAreLeftBehind stores known content in every way there is, with known metadata, under known
// keys, changes and moves it, restores a backup, and searches all that the server has written: the folders of
// all storage nodes, database, its log of changes, audit log, output, the backup, and every answer that is an
// error. Neither content nor what follows from it is there.
func TestNoObjectBytesAreLeftBehind(t *testing.T) {
	place := process.NewPlace(t, process.Build(t))
	folder := filepath.Dir(place.Data)
	place.Args = []string{"--config", nodesConfig(t, folder)}
	server := place.Start(t)
	token := server.Token(t)
	o := &objectScan{
		scan: &scan{t: t, caller: newCaller(t, server, token), secrets: map[string][]byte{}}, store: newStore(t, server, token),
		kept: map[string]keptObject{},
	}
	o.store.authorize(t)
	o.use()
	o.wantKept()
	slices := slicesBelow(t, folder)
	if len(slices) < 6*6 {
		t.Errorf("only %d slices were written", len(slices))
	}
	o.finish(server)

	// What was backed up is all there in a new folder, with the same nodes and the same key file.
	fresh := place
	fresh.Data = filepath.Join(folder, "restored")
	if err := os.MkdirAll(fresh.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(place.Data, "masters.key"))
	if err == nil {
		err = os.WriteFile(filepath.Join(fresh.Data, "masters.key"), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(place.Binary, append([]string{"restore", filepath.Join(folder, "backup"), "--data", fresh.Data}, place.Args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	server = fresh.Start(t)
	o.store = newStore(t, server, token)
	o.caller = o.store.caller
	o.wantKept()
	for _, b := range []string{"imported", "secure", "provided", "cold"} {
		o.store.control(t, http.MethodPost, "/strongroom/v1/buckets/"+b+"/verify", map[string]any{}, nil)
		o.store.jobsDone(t, b)
	}
	server.Stop(t)
}

// objectScan is a scan with objects.
type objectScan struct {
	*scan
	store *store
	kept  map[string]keptObject // by path
}

// keptObject is what reading an object has to give, and what that takes.
type keptObject struct {
	content []byte
	header  []string
}

// known makes content of a size, whose bytes and digests are secrets.
func (o *objectScan) known(name string, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	const window = 32
	for where, at := range map[string]int{"beginning": 0, "middle": size / 2, "end": size - window} {
		o.secrets["the "+where+" of "+name] = b[at : at+window]
	}
	etag, sum := md5.Sum(b), sha256.Sum256(b)
	o.secrets["the MD5 of "+name], o.secrets["the SHA-256 of "+name] = etag[:], sum[:]
	return b
}

// text makes a secret that can stand in a header.
func (o *objectScan) text(name string) string {
	b := make([]byte, 20)
	_, _ = rand.Read(b)
	text := hex.EncodeToString(b)
	o.secrets[name] = []byte(text)
	return text
}

func (o *objectScan) use() {
	imported := o.store.rootKey(o.t, "imported", o.secret("root key that was imported", 32))
	material := ground.RandomSecret(32)
	o.secrets["root key that was imported securely"] = material.Reveal()
	secure := strings.TrimPrefix(o.importSecurely(material), "/api/v2/keys/")
	secure = imported[:strings.LastIndexByte(imported, ':')+1] + secure

	o.store.bucket(o.t, "imported", imported)
	o.store.bucket(o.t, "secure", secure)
	o.store.bucket(o.t, "provided", "")
	o.store.must(o.t, http.MethodPut, "/cold", []byte(`<CreateBucketConfiguration><LocationConstraint>us-south-cold</LocationConstraint></CreateBucketConfiguration>`))
	for _, bucket := range []string{"imported", "secure", "provided", "cold"} {
		o.putInEveryWay(bucket)
	}
	o.putWithCustomerKey("/provided/customer")
	o.putWrongly("/imported/refused")

	// Root keys are rotated with known material, and buckets move with and without their content.
	o.must(http.MethodPost, "/api/v2/keys/"+imported[strings.LastIndexByte(imported, ':')+1:]+"/actions/rotate",
		map[string]any{"payload": o.secret("second version of a root key", 32)}, nil)
	for bucket, job := range map[string]map[string]any{
		"imported": {"root_key_crn": secure, "reencrypt": true},
		"secure":   {"root_key_crn": imported},
		"provided": {"provider_key": true, "reencrypt": true},
	} {
		o.store.control(o.t, http.MethodPost, "/strongroom/v1/buckets/"+bucket+"/rekey", job, nil)
		o.store.jobsDone(o.t, bucket)
	}
	o.store.control(o.t, http.MethodPost, "/strongroom/v1/buckets/imported/rewrap", map[string]any{}, nil)
	o.store.jobsDone(o.t, "imported")
}

// putInEveryWay stores small and large content, in one and in several parts, and copies it.
func (o *objectScan) putInEveryWay(bucket string) {
	const embedded, several, part = 4 << 10, 1<<20 + 7, 5 << 20
	meta := []string{"X-Amz-Meta-Known", o.text("metadata in " + bucket), "X-Amz-Tagging", "known=" + o.text("tag in "+bucket)}
	put := func(key string, content []byte, header ...string) {
		o.store.must(o.t, http.MethodPut, "/"+bucket+"/"+key, content, append(header, meta...)...)
		o.kept["/"+bucket+"/"+key] = keptObject{content: content}
	}
	put("embedded", o.known("embedded content in "+bucket, embedded))
	dispersed := o.known("dispersed content in "+bucket, several)
	sum := sha256.Sum256(dispersed)
	put("dispersed", dispersed, "X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
	put("replaced", o.known("replaced content in "+bucket, several))
	put("replaced", o.known("the replacement in "+bucket, embedded))
	if bucket == "imported" || bucket == "cold" {
		parts := [][]byte{o.known("first part in "+bucket, part), o.known("last part in "+bucket, embedded)}
		a, err := o.store.upload(o.t.Context(), "/"+bucket+"/parts", parts, meta...)
		if err != nil || a.status != http.StatusOK {
			o.t.Fatalf("upload: %d %s (%v)", a.status, a.body, err)
		}
		o.kept["/"+bucket+"/parts"] = keptObject{content: bytes.Join(parts, nil)}
	}
	o.store.must(o.t, http.MethodPut, "/"+bucket+"/copied", nil, "X-Amz-Copy-Source", "/"+bucket+"/dispersed")
	o.kept["/"+bucket+"/copied"] = keptObject{content: dispersed}
	put("deleted", o.known("deleted content in "+bucket, several))
	o.store.must(o.t, http.MethodDelete, "/"+bucket+"/deleted", nil)
	delete(o.kept, "/"+bucket+"/deleted")
}

// putWithCustomerKey stores and reads with a key that the caller brings, and reads with others.
func (o *objectScan) putWithCustomerKey(path string) {
	header := func(name string) []string {
		text := o.secret(name, 32)
		sum := md5.Sum(o.secrets[name])
		return []string{
			"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256", "X-Amz-Server-Side-Encryption-Customer-Key", text,
			"X-Amz-Server-Side-Encryption-Customer-Key-Md5", base64.StdEncoding.EncodeToString(sum[:]),
		}
	}
	right := header("customer's key")
	for suffix, size := range map[string]int{"-embedded": 1 << 10, "-dispersed": 1<<20 + 1} {
		content := o.known("content under a customer's key"+suffix, size)
		o.store.must(o.t, http.MethodPut, path+suffix, content, right...)
		o.kept[path+suffix] = keptObject{content, right}
		o.refuse(http.MethodGet, path+suffix, nil)
		o.refuse(http.MethodGet, path+suffix, nil, header("customer's key that is wrong"+suffix)...)
	}
}

// putWrongly sends known content that is refused.
func (o *objectScan) putWrongly(path string) {
	content := o.known("content with a wrong digest", 1<<20+1)
	o.refuse(http.MethodPut, path, content, "Content-Md5", base64.StdEncoding.EncodeToString(make([]byte, 16)))
	o.refuse(http.MethodPut, path, o.known("content with a wrong checksum", 4<<10), "X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	o.refuse(http.MethodPut, path, o.known("content with an invalid header", 4<<10), "X-Amz-Acl", "everybody")
	o.refuse(http.MethodPut, path, o.known("content with a known key, refused", 4<<10),
		"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256", "X-Amz-Server-Side-Encryption-Customer-Key", o.secret("customer's key that is refused", 20))
}

// refuse sends a request that must not be carried out, and searches the answer.
func (o *objectScan) refuse(method, path string, body []byte, header ...string) {
	o.t.Helper()
	a, _, err := o.store.ask(o.t.Context(), method, path, body, header...)
	if err != nil || a.status < http.StatusBadRequest || a.status >= http.StatusInternalServerError {
		o.t.Fatalf("%s %s: %d %s (%v), want a refusal", method, path, a.status, a.body, err)
	}
	o.look(path, a)
}

// wantKept reads every object back.
func (o *objectScan) wantKept() {
	o.t.Helper()
	for path, want := range o.kept {
		a, _ := o.store.must(o.t, http.MethodGet, path, nil, want.header...)
		if !bytes.Equal(a.body, want.content) {
			o.t.Errorf("%s has %d bytes that are not what was stored", path, len(a.body))
		}
	}
}

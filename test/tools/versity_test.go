package tools

import (
	"bufio"
	"encoding/xml"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strongroom/test/process"
)

// caseLimit ends a case of the suite that hangs.
const caseLimit = 5 * time.Minute

// versitySample is how many cases there are to each that is run outside of a soak.
const versitySample = 8

// testVersity runs the suite with which versitygw tests gateways, case by case: one that panics must
// not take the others along. testdata/versitygw.txt says which cases do not apply, and why; each other
// case has to pass; outside of a soak a sample of them is run. In a soak the cases of the list are run as well, and one that passes has to leave it.
func testVersity(t *testing.T, binary string) {
	suite := find(t, "versitygw")
	cases, spared := versityCases(t, suite), readSpared(t)
	for pattern := range spared {
		if !slices.ContainsFunc(cases, func(name string) bool { return matches(pattern, name) }) {
			t.Errorf("testdata/versitygw.txt: the suite has no case %s", pattern)
		}
	}
	soak := os.Getenv("STRONGROOM_SOAK") == "1"
	g := gateway{suite: suite, binary: binary}
	g.start(t)
	passed := 0
	for i, name := range cases {
		if i%versitySample != 0 && !soak {
			continue
		}
		pattern := sparedBy(spared, name)
		if strings.HasSuffix(pattern, "*") || pattern != "" && !soak {
			continue
		}
		said, ok := g.run(t, name)
		// The suite gives each request a few seconds, which is little for a machine that is busy.
		for range 2 {
			if ok || !strings.Contains(said, "deadline exceeded") {
				break
			}
			g.sweep(t)
			said, ok = g.run(t, name)
		}
		switch {
		case ok && pattern != "":
			t.Errorf("%s passes: it has to leave testdata/versitygw.txt", name)
		case !ok && pattern == "":
			t.Errorf("%s", said)
		case ok:
			passed++
		}
		g.sweep(t)
	}
	t.Logf("%d of the suite's %d cases passed", passed, len(cases))
	if passed == 0 {
		t.Error("no case was run")
	}
}

// versityCases are the names of all cases, which are commands of the suite.
func versityCases(t *testing.T, suite string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), suite, "test", "--help")
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var names []string
	for _, m := range regexp.MustCompile(`Runs (\w+) integration test`).FindAllSubmatch(out, -1) {
		names = append(names, string(m[1]))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// readSpared reads the list: a case, or the beginning of several with a star, and the reason.
func readSpared(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "versitygw.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spared := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, reason, _ := strings.Cut(line, " ")
		if reason = strings.TrimSpace(reason); reason == "" || spared[pattern] != "" {
			t.Errorf("testdata/versitygw.txt: %s has no reason, or is there twice", pattern)
		}
		spared[pattern] = reason
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return spared
}

func matches(pattern, name string) bool {
	prefix, several := strings.CutSuffix(pattern, "*")
	return name == pattern || several && strings.HasPrefix(name, prefix)
}

// sparedBy returns the pattern of the list that holds for a case, or "".
func sparedBy(spared map[string]string, name string) string {
	if spared[name] != "" {
		return name
	}
	for pattern := range spared {
		if matches(pattern, name) {
			return pattern
		}
	}
	return ""
}

// gateway is what the suite tests: a server with no bucket, because every case makes the same ones.
type gateway struct {
	suite, binary string
	server        *process.Server
	token         string
}

func (g *gateway) start(t *testing.T) {
	t.Helper()
	g.server = process.NewPlace(t, g.binary).Start(t)
	g.token = g.server.Token(t)
}

// run runs a case and tells if it passed. What the case leaves in the bucket that it means to remove
// is no failure: that is swept.
func (g *gateway) run(t *testing.T, name string) (said string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), g.suite, "test", "--endpoint", g.server.Value(t, "STRONGROOM_S3_URL"), "--allow-insecure", name)
	cmd.Env = []string{
		"AWS_ACCESS_KEY_ID=" + g.server.Value(t, "AWS_ACCESS_KEY_ID"),
		"AWS_SECRET_ACCESS_KEY=" + g.server.Value(t, "AWS_SECRET_ACCESS_KEY"),
	}
	limit := time.AfterFunc(caseLimit, func() { _ = cmd.Process.Kill() })
	out, err := cmd.CombinedOutput()
	limit.Stop()
	said = regexp.MustCompile(`\x1b\[\d*m`).ReplaceAllString(string(out), "")
	_, left, _ := strings.Cut(said, ": failed to delete the bucket") // some cases say the name of another before it
	ok = (err == nil || left != "") && strings.Contains(said, "RUN  ") && !strings.Contains(said, "FAIL ") && !strings.Contains(said, "panic: ")
	return said, ok
}

// listing is what the answers to the lists that sweep asks for have in common.
type listing struct {
	Buckets []string `xml:"Buckets>Bucket>Name"`
	Entries []entry  `xml:",any"`
}

// entry is a version, a delete marker or an upload, or another element without a key.
type entry struct {
	Key       string
	VersionID string `xml:"VersionId"`
	UploadID  string `xml:"UploadId"`
}

// sweep removes all buckets. A server with one that is locked is replaced.
func (g *gateway) sweep(t *testing.T) {
	t.Helper()
	for _, bucket := range g.list(t, "/", "").Buckets {
		for _, kind := range []string{"versions", "uploads"} {
			for _, e := range g.list(t, "/"+bucket, kind).Entries {
				query := url.Values{}
				switch {
				case e.Key == "":
					continue
				case e.UploadID != "":
					query.Set("uploadId", e.UploadID)
				case e.VersionID != "":
					query.Set("versionId", e.VersionID)
				}
				g.ask(t, http.MethodDelete, "/"+bucket+"/"+e.Key, query.Encode()).Body.Close()
			}
		}
		resp := g.ask(t, http.MethodDelete, "/"+bucket, "")
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			g.server.Kill()
			g.start(t)
			return
		}
	}
}

func (g *gateway) list(t *testing.T, path, query string) (l listing) {
	t.Helper()
	resp := g.ask(t, http.MethodGet, path, query)
	defer resp.Body.Close()
	if err := xml.NewDecoder(resp.Body).Decode(&l); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s?%s: %s %v", path, query, resp.Status, err)
	}
	return l
}

func (g *gateway) ask(t *testing.T, method, path, query string) *http.Response {
	t.Helper()
	to, err := url.Parse(g.server.Value(t, "STRONGROOM_S3_URL"))
	if err != nil {
		t.Fatal(err)
	}
	to.Path, to.RawQuery = path, query
	r, err := http.NewRequestWithContext(t.Context(), method, to.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.token)
	r.Header.Set("Ibm-Service-Instance-Id", g.server.Value(t, "STRONGROOM_COS_INSTANCE_CRN"))
	r.Header.Set("X-Amz-Bypass-Governance-Retention", "true")
	resp, err := g.server.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

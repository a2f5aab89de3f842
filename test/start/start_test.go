package start_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strongroom/test/process"
)

// TestStartIsFast takes the best of a few tries, as other tests share the machine. How long they keep a
// server from its work says nothing of it, so only a soak, which has the machine to itself, asks for the
// time that its user waits.
func TestStartIsFast(t *testing.T) {
	binary := process.Build(t)
	tries, measure := 2, "of work"
	if os.Getenv("STRONGROOM_SOAK") != "" {
		tries, measure = 4, "of waiting"
	}
	first, later := time.Hour, time.Hour
	for range tries {
		place := process.NewPlace(t, binary)
		first = min(first, startTime(t, place))
		later = min(later, startTime(t, place))
	}
	t.Logf("ready after %v, later after %v %s", first, later, measure)
	if first > 3*time.Second {
		t.Errorf("a first start takes %v %s, want less than 3 s", first, measure)
	}
	if later > time.Second {
		t.Errorf("a later start takes %v %s, want less than 1 s", later, measure)
	}
}

// startTime starts a server and stops it again. It returns how long a soak waited for it to be ready, and
// else how long it worked altogether.
func startTime(t *testing.T, place process.Place) time.Duration {
	t.Helper()
	begin := time.Now()
	server := place.Start(t)
	took := time.Since(begin)
	server.Stop(t)
	if os.Getenv("STRONGROOM_SOAK") != "" {
		return took
	}
	return server.CPU()
}

// TestIdleServerIsSmall waits, as what a start has used is given back by and by.
func TestIdleServerIsSmall(t *testing.T) {
	const most = 100 << 10
	server := process.NewPlace(t, process.Build(t)).Start(t)
	kib := resident(t, server)
	for deadline := time.Now().Add(2 * time.Minute); kib > most && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		kib = resident(t, server)
	}
	t.Logf("resident: %d MiB", kib>>10)
	if kib > most {
		t.Errorf("an idle server has %d MiB resident, want at most %d", kib>>10, most>>10)
	}
}

// resident is how many KiB of a server are in memory.
func resident(t *testing.T, server *process.Server) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", server.PID()))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("no resident size in\n%s", status)
	}
	kib, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

func TestSecondStartFindsEverythingAsItWas(t *testing.T) {
	place := process.NewPlace(t, process.Build(t))
	server := place.Start(t)
	before := fixed(server)
	id := strings.Fields(run(t, server, 0, "key", "create", "kept", "--output", "json"))
	if len(id) == 0 {
		t.Fatal("no answer to the creation of a key")
	}
	listed := run(t, server, 0, "key", "list", "--output", "json")
	server.Stop(t)

	server = place.Start(t)
	if after := fixed(server); !maps.Equal(before, after) {
		t.Errorf("the credentials file has changed in more than addresses:\nbefore %v\nafter  %v", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
	if again := run(t, server, 0, "key", "list", "--output", "json"); again != listed {
		t.Errorf("before:\n%s\nafter:\n%s", listed, again)
	}
	server.Stop(t)
}

// fixed returns what a restart may not change: everything but addresses.
func fixed(s *process.Server) map[string]string {
	values := s.Values()
	maps.DeleteFunc(values, func(_, v string) bool { return strings.HasPrefix(v, "https://") })
	return values
}

// run runs the command line against a server, and checks its exit code.
func run(t *testing.T, s *process.Server, code int, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.Binary, args...)
	cmd.Env = s.Environ()
	cmd.Dir = t.TempDir()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("strongroom %s: exit code %d (%v), want %d\n%s", strings.Join(args, " "), got, err, code, stderr.String())
	}
	return string(out)
}

func TestCredentialsFile(t *testing.T) {
	server := process.NewPlace(t, process.Build(t)).Start(t)
	info, err := os.Stat(filepath.Join(server.Data, "credentials.env"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
	for _, name := range []string{
		"STRONGROOM_URL", "STRONGROOM_S3_URL", "STRONGROOM_REGION", "STRONGROOM_API_KEY", "STRONGROOM_ACCOUNT_ID",
		"STRONGROOM_KMS_INSTANCE_ID", "STRONGROOM_KMS_INSTANCE_CRN", "STRONGROOM_COS_INSTANCE_ID",
		"STRONGROOM_COS_INSTANCE_CRN", "STRONGROOM_RESOURCE_GROUP_ID", "STRONGROOM_CA_FILE", "NODE_EXTRA_CA_CERTS",
		"SSL_CERT_FILE", "AWS_CA_BUNDLE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3", "AWS_REGION",
		"IC_API_KEY", "IC_REGION", "IBM_KEY_PROTECT_API_URL", "IBM_KEY_PROTECT_API_AUTH_URL",
		"IBM_KEY_PROTECT_API_AUTH_TYPE", "IBM_KEY_PROTECT_API_APIKEY",
		"IBMCLOUD_IAM_API_ENDPOINT", "IBMCLOUD_IAMPAP_API_ENDPOINT", "IBMCLOUD_RESOURCE_CONTROLLER_API_ENDPOINT",
		"IBMCLOUD_RESOURCE_MANAGEMENT_API_ENDPOINT", "IBMCLOUD_RESOURCE_CATALOG_API_ENDPOINT", "IBMCLOUD_KP_API_ENDPOINT",
		"IBMCLOUD_GS_API_ENDPOINT", "IBMCLOUD_GT_API_ENDPOINT", "IBMCLOUD_COS_CONFIG_ENDPOINT", "IBMCLOUD_COS_ENDPOINT",
	} {
		server.Value(t, name)
	}
	if url := server.Value(t, "IBMCLOUD_COS_CONFIG_ENDPOINT"); !strings.HasSuffix(url, "/v1") {
		t.Errorf("IBMCLOUD_COS_CONFIG_ENDPOINT is %s, want a path of /v1", url)
	}
}

func TestSecondServerOnOneFolder(t *testing.T) {
	server := process.NewPlace(t, process.Build(t)).Start(t)
	out := refusedStart(t, server.Binary, "--data", server.Data)
	if !strings.Contains(out, "in use") || !strings.Contains(out, strconv.Itoa(server.PID())) {
		t.Errorf("the message does not say who uses the folder:\n%s", out)
	}
	if resp, err := server.Client.Get(server.Value(t, "STRONGROOM_URL") + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the first server suffered: %v", err)
	}
}

func TestUnknownConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "strongroom.yaml")
	if err := os.WriteFile(file, []byte("log:\n  level: info\n  colour: red\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	out := refusedStart(t, process.Build(t), "--data", data, "--config", file)
	if !strings.Contains(out, "colour") || !strings.Contains(out, "line 3") {
		t.Errorf("the message names neither field nor line:\n%s", out)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a refused start has made the data folder")
	}
}

// refusedStart starts a server that must end by itself, and returns what it says.
func refusedStart(t *testing.T, binary string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute) // which only a broken server reaches
	defer cancel()
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0"}, args...)
	out, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("the start was not refused (%v):\n%s", ctx.Err(), out)
	}
	return string(out)
}

func TestHealthNeedsNoToken(t *testing.T) {
	server := process.NewPlace(t, process.Build(t)).Start(t)
	for path, want := range map[string]string{
		"/livez": "live", "/readyz": "ready", "/metrics": "strongroom_requests_total", "/version": `"fips140"`,
	} {
		resp, err := server.Client.Get(server.Value(t, "STRONGROOM_URL") + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s answers %s (%v), without %q:\n%s", path, resp.Status, err, want, body)
		}
	}
}

func TestPassphraseKeepsTheKeyOutOfTheFolder(t *testing.T) {
	place := process.NewPlace(t, process.Build(t))
	dir := filepath.Dir(place.Data)
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	right := write("right.yaml", "custody:\n  passphrase_file: "+write("right", "correct horse battery staple\n")+"\n")
	wrong := write("wrong.yaml", "custody:\n  passphrase_file: "+write("wrong", "incorrect horse battery staple\n")+"\n")

	place.Args = []string{"--config", right}
	server := place.Start(t)
	listed := run(t, server, 0, "key", "list", "--output", "json")
	server.Stop(t)
	if strings.Contains(string(server.Output(t)), "unsealed") {
		t.Error("a sealed module is called unsealed")
	}
	refusedStart(t, place.Binary, "--data", place.Data, "--config", wrong)
	refusedStart(t, place.Binary, "--data", place.Data)
	server = place.Start(t)
	if again := run(t, server, 0, "key", "list", "--output", "json"); again != listed {
		t.Errorf("before:\n%s\nafter:\n%s", listed, again)
	}
	server.Stop(t)
}

package clients_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	kp "github.com/IBM/keyprotect-go-client"
)

// directURL names the variable with the server's own address. Everything else goes through the judge.
const directURL = "STRONGROOM_DIRECT_URL"

// authorities are the variables by which clients find the certificates that they trust.
func authorities() []string {
	return []string{"STRONGROOM_CA_FILE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "AWS_CA_BUNDLE"}
}

// judged runs do with an environment that leads all clients of the control APIs through a proxy, which
// holds each request that is carried out and each answer against the server's /openapi.json. What
// deviates is an error.
func judged(dir string, do func() int) (code int, err error) {
	binary, certificate := filepath.Join(dir, "judge"), filepath.Join(dir, "judge.pem")
	build := exec.Command("go", "build", "-o", binary, "./test/judge")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the judge: %w\n%s", err, out)
	}
	upstream := os.Getenv("STRONGROOM_URL")
	judge := exec.Command(binary, "-upstream", upstream, "-ca", os.Getenv("STRONGROOM_CA_FILE"), "-certificate", certificate)
	judge.Stderr = os.Stderr
	end, err := judge.StdinPipe()
	if err != nil {
		return 0, err
	}
	said, err := judge.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := judge.Start(); err != nil {
		return 0, err
	}
	lines := bufio.NewReader(said)
	address, err := lines.ReadString('\n')
	if err == nil {
		err = lead(upstream, strings.TrimSpace(address), dir, certificate)
	}
	if err == nil {
		code = do()
	}
	err = errors.Join(err, end.Close())
	text, rerr := io.ReadAll(lines)
	err = errors.Join(err, rerr)
	if werr := judge.Wait(); werr != nil {
		err = errors.Join(err, fmt.Errorf("the judge: %w\n%s", werr, text))
	} else {
		fmt.Printf("judge: %s", text)
	}
	return code, err
}

// lead changes the environment so that the judge stands in for the server.
func lead(server, judge, dir, certificate string) error {
	own, err := os.ReadFile(certificate)
	if err != nil {
		return err
	}
	for _, name := range authorities() {
		trusted, err := os.ReadFile(os.Getenv(name))
		if err != nil {
			return err
		}
		file := filepath.Join(dir, name+".pem")
		if err := os.WriteFile(file, append(append(trusted, '\n'), own...), 0o600); err != nil {
			return err
		}
		if err := os.Setenv(name, file); err != nil {
			return err
		}
	}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if path, ok := strings.CutPrefix(value, server); ok {
			if err := os.Setenv(name, judge+path); err != nil {
				return err
			}
		}
	}
	return os.Setenv(directURL, server)
}

// TestDirectly calls the server without the judge between: with the certificates that it issues
// itself, for which the judge stands in elsewhere.
func TestDirectly(t *testing.T) {
	t.Parallel()
	url := env(t, directURL)
	c := keyProtect(t, func(c *kp.ClientConfig) { c.BaseURL, c.TokenURL = url, url+"/identity/token" })
	if _, err := c.GetKeys(t.Context(), 1, 0); err != nil {
		t.Errorf("Go: %v", err)
	}
	const program = `fetch(process.argv[1] + "/readyz").then((r) => process.exit(r.status === 200 ? 0 : 1))`
	var out bytes.Buffer
	node := exec.CommandContext(t.Context(), "node", "-e", program, url)
	node.Stdout, node.Stderr = &out, &out
	if err := node.Run(); err != nil {
		t.Errorf("Node: %v\n%s", err, &out)
	}
}

// TestJudgeIsBetween shows that the judge sees what clients send: the address that they use is not
// the server's.
func TestJudgeIsBetween(t *testing.T) {
	t.Parallel()
	if env(t, "STRONGROOM_URL") == env(t, directURL) || env(t, "IBMCLOUD_KP_API_ENDPOINT") != env(t, "STRONGROOM_URL") {
		t.Error("clients are not led through the judge")
	}
}

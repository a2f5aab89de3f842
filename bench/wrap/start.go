package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// startLimit is how long a server may take to be ready on the busiest machine.
const startLimit = time.Minute

// start starts the baseline and the server, makes a key and a token, and returns
// what to put load on, the baseline first. end stops both.
func start(ctx context.Context, binary, dir string, connections int) (targets []*target, end func(), err error) {
	var running []*exec.Cmd
	end = func() {
		for _, c := range running {
			_ = c.Process.Signal(syscall.SIGTERM) // it may have ended by itself
			_ = c.Wait()
		}
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	launch := func(name string, args ...string) (int, error) {
		c := exec.Command(name, args...)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			return 0, err
		}
		running = append(running, c)
		return c.Process.Pid, nil
	}

	self, err := os.Executable()
	if err != nil {
		return nil, end, err
	}
	pid, err := launch(self, "-baseline", dir)
	if err != nil {
		return nil, end, err
	}
	address, err := await(ctx, filepath.Join(dir, baselineAddress))
	if err != nil {
		return nil, end, err
	}
	bare, err := newClient("https://"+address, filepath.Join(dir, baselineAuthority), connections)
	if err != nil {
		return nil, end, err
	}
	targets = append(targets, &target{
		name: "baseline", pid: pid, client: bare,
		request: func() (string, []byte) { return "/", plaintext },
	})

	data := filepath.Join(dir, "data")
	if pid, err = launch(binary, "serve", "--data", data, "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0"); err != nil {
		return nil, end, err
	}
	full, err := prepare(ctx, data, pid, connections)
	return append(targets, full...), end, err
}

// plaintext is the body of a wrap: 32 bytes to be protected.
var plaintext = []byte(`{"plaintext":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}`)

// prepare makes a root key and a wrapped data key in a server, as its
// administrator.
func prepare(ctx context.Context, data string, pid, connections int) ([]*target, error) {
	text, err := await(ctx, filepath.Join(data, "credentials.env"))
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), "="); ok {
			env[name] = strings.Trim(value, "'")
		}
	}
	c, err := newClient(env["STRONGROOM_URL"], env["STRONGROOM_CA_FILE"], connections)
	if err != nil {
		return nil, err
	}
	c.header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		Access string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"urn:ibm:params:oauth:grant-type:apikey"}, "apikey": {env["STRONGROOM_API_KEY"]}}
	if err := call(ctx, c, "/identity/token", []byte(form.Encode()), &token); err != nil {
		return nil, err
	}
	c.header = http.Header{
		"Authorization": {"Bearer " + token.Access}, "Content-Type": {"application/json"},
		"Bluemix-Instance": {env["STRONGROOM_KMS_INSTANCE_ID"]},
	}
	var made struct{ Resources []struct{ ID string } }
	err = call(ctx, c, "/api/v2/keys", []byte(`{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":1},
		"resources":[{"type":"application/vnd.ibm.kms.key+json","name":"bench","extractable":false}]}`), &made)
	if err != nil {
		return nil, err
	}
	if len(made.Resources) != 1 {
		return nil, errors.New("the server made no key")
	}
	actions := "/api/v2/keys/" + made.Resources[0].ID + "/actions/"
	var wrapped struct{ Ciphertext string }
	if err := call(ctx, c, actions+"wrap", plaintext, &wrapped); err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"ciphertext": wrapped.Ciphertext})
	return []*target{
		{"wrap", pid, func() (string, []byte) { return actions + "wrap", plaintext }, c},
		{"unwrap", pid, func() (string, []byte) { return actions + "unwrap", body }, c},
	}, err
}

func call(ctx context.Context, c *client, path string, body []byte, v any) error {
	answer, err := c.post(ctx, path, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, v)
}

// await returns the content of a file that a server writes when it is ready.
func await(ctx context.Context, file string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
			return string(text), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for %s: %w", file, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

//go:build cgo && pkcs11

package pkcs11_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"strongroom/custody"
)

// TestServingProcessNeverHasTheKey imports known key material securely into a process that serves,
// and looks for it in all of that process's memory while it wraps.
func TestServingProcessNeverHasTheKey(t *testing.T) {
	o := newToken(t)
	o.Log = nil
	cmd := exec.Command(os.Args[0], servingCommand)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the serving process: %v", err)
		}
	})
	in, out := json.NewEncoder(stdin), json.NewDecoder(stdout)
	if err := in.Encode(o.Options); err != nil {
		t.Fatal(err)
	}
	var public []byte
	if err := out.Decode(&public); err != nil {
		t.Fatal(err)
	}
	material, nonce := custody.RandomSecret(32), custody.RandomSecret(custody.TransportNonce)
	transported, err := custody.SealTransported(public, nonce.Reveal(), material)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Encode(imported{transported, nonce.Reveal()}); err != nil {
		t.Fatal(err)
	}
	var id custody.MaterialID
	if err := out.Decode(&id); err != nil {
		t.Fatal(err)
	}
	if want, err := custody.IdentifySecret(material); err != nil || id != want {
		t.Fatalf("the process wraps with another key than the imported: %v", err)
	}
	planted := forms(material.Reveal())
	present := map[string][]byte{"the sealed material": transported.Material, "the nonce": nonce.Reveal()}
	for range 3 {
		found, err := scan(cmd.Process.Pid, planted)
		if errors.Is(err, os.ErrPermission) && os.Geteuid() != 0 {
			t.Skipf("another process's memory cannot be read here: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		for what := range found {
			t.Errorf("the serving process has the imported key in its memory, as %s", what)
		}
	}
	found, err := scan(cmd.Process.Pid, present)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Error("the scan found nothing of what the process was sent, and so sees nothing")
	}
}

// forms are those in which key material may lie in memory: whole, in halves, and in text.
func forms(material []byte) map[string][]byte {
	half := len(material) / 2
	return map[string][]byte{
		"raw bytes":             material,
		"raw bytes, first half": material[:half],
		"raw bytes, last half":  material[half:],
		"hexadecimal":           []byte(hex.EncodeToString(material)),
		"upper hexadecimal":     []byte(strings.ToUpper(hex.EncodeToString(material))),
		"base64":                []byte(base64.RawStdEncoding.EncodeToString(material)),
		"base64 of URLs":        []byte(base64.RawURLEncoding.EncodeToString(material)),
	}
}

// scan returns which of the needles are in the memory of a process.
func scan(pid int, needles map[string][]byte) (map[string]bool, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	const chunk, overlap = 1 << 20, 1 << 10
	found, buf, seen := map[string]bool{}, make([]byte, chunk+overlap), 0
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), " rw") {
			continue // a key is written before it is read
		}
		var from, to int64
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x ", &from, &to); err != nil {
			return nil, err
		}
		for at := from; at < to; at += chunk {
			n, err := memory.ReadAt(buf[:min(int64(len(buf)), to-at)], at)
			if n == 0 && err != nil {
				continue // of the kernel's, or gone since
			}
			seen += n
			for what, needle := range needles {
				if bytes.Contains(buf[:n], needle) {
					found[what] = true
				}
			}
		}
	}
	if seen == 0 {
		return nil, fmt.Errorf("%w: not a byte of process %d", os.ErrPermission, pid)
	}
	return found, lines.Err()
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// maxSecret is the most bytes that are read of a file with key material, a wrapped key or an API key.
const maxSecret = 1 << 20

// standard is the file name that means standard input or standard output.
const standard = "-"

// readSecret reads the file name, or standard input for "-". Secrets come in no other way: arguments
// are visible to every process of the machine.
func (p *program) readSecret(name string) ([]byte, error) {
	in := p.stdin
	if name != standard {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading a secret: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("reading a secret: %w", err)
	}
	if len(data) > maxSecret {
		return nil, fmt.Errorf("%s holds more than %d bytes", name, maxSecret)
	}
	return data, nil
}

// readSecretText is readSecret for secrets that are text: white space around them is not part of
// them, and there must be something.
func (p *program) readSecretText(name string) (string, error) {
	data, err := p.readSecret(name)
	if err != nil {
		return "", err
	}
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return "", fmt.Errorf("%s is empty", name)
	}
	return string(data), nil
}

// terminal returns the file descriptor of stream when a person sits behind it.
func terminal(stream any) (fd int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}

// secretFile is where a secret goes: standard output, or a file that only its owner can read. The
// file is made before the server is asked for the secret, since some secrets are shown only once,
// and takes its name only when it is complete.
type secretFile struct {
	stdout io.Writer
	name   string   // final name; "" or "-" is standard output
	temp   *os.File // nil for standard output, and once committed or discarded
}

// createSecret prepares the file name for a secret; "" and "-" mean standard output.
func (p *program) createSecret(name string) (*secretFile, error) {
	return createSecret(p.stdout, name)
}

func createSecret(stdout io.Writer, name string) (*secretFile, error) {
	s := &secretFile{stdout: stdout, name: name}
	if !s.isFile() {
		return s, nil
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, fmt.Errorf("preparing %s: %w", name, err)
	}
	s.temp = temp
	return s, nil
}

// isFile tells whether the secret goes to a file rather than to standard output.
func (s *secretFile) isFile() bool { return s.name != "" && s.name != standard }

// Write adds to the secret.
func (s *secretFile) Write(data []byte) (int, error) {
	if s.temp == nil {
		return s.stdout.Write(data)
	}
	return s.temp.Write(data)
}

// commit makes a file durable under its name, in place of what had that name before. When that
// fails the secret stays where it was prepared: it may not be had again.
func (s *secretFile) commit() error {
	if s.temp == nil {
		return nil
	}
	temp := s.temp
	s.temp = nil
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", temp.Name(), err)
	}
	if err := os.Rename(temp.Name(), s.name); err != nil {
		return withHint(fmt.Errorf("writing %s: %w", s.name, err), "the content is in %s", temp.Name())
	}
	return nil
}

// discard removes what was prepared and not committed. It may be called after commit.
func (s *secretFile) discard() {
	if s.temp == nil {
		return
	}
	s.temp.Close()
	os.Remove(s.temp.Name())
	s.temp = nil
}

// writeSecret writes data as the whole secret.
func (s *secretFile) writeSecret(data []byte) error {
	if err := writeAll(s, data); err != nil {
		return err
	}
	return s.commit()
}

// writePrivateFile replaces the file name by data, atomically, readable by its owner alone.
func writePrivateFile(name string, data []byte) error {
	s, err := createSecret(io.Discard, name)
	if err != nil {
		return err
	}
	defer s.discard()
	return s.writeSecret(data)
}

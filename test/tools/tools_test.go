package tools

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strongroom/test/process"
)

// TestTools runs all tools against one server, but for the suite that needs one of its own.
func TestTools(t *testing.T) {
	binary := process.Build(t)
	server := process.NewPlace(t, binary).Start(t)
	for _, tool := range []struct {
		name string
		test func(*testing.T, *process.Server)
	}{
		{"aws", testAWS},
		{"rclone with HMAC", testRcloneHMAC},
		{"rclone with IAM", testRcloneIAM},
		{"s3cmd", testS3cmd},
	} {
		t.Run(tool.name, func(t *testing.T) { tool.test(t, server) })
	}
	t.Run("versitygw", func(t *testing.T) { testVersity(t, binary) })
}

// find returns the path of a program, which is in the folder of tools/setup or in PATH.
func find(t *testing.T, name string) string {
	t.Helper()
	if cache, err := os.UserCacheDir(); err == nil {
		path := filepath.Join(cache, "strongroom", "tools", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed; tools/setup installs it", name)
	default:
		t.Skipf("%s is not installed; tools/setup installs it", name)
	}
	return ""
}

// shell runs lines of a shell in a fresh folder, with what the credentials file sets and a name for a
// bucket in $bucket. The first line that fails fails the test.
func shell(t *testing.T, s *process.Server, program string, more ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-xeuo", "pipefail", "-c", program)
	cmd.Dir = t.TempDir()
	cmd.Env = append(s.Environ(), "HOME="+cmd.Dir, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		"bucket="+bucketName(t))
	cmd.Env = append(cmd.Env, more...)
	var said, trace strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &trace
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &said, &trace)
	}
	return said.String()
}

func bucketName(t *testing.T) string {
	t.Helper()
	b := make([]byte, 8)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("tools-%x", b)
}

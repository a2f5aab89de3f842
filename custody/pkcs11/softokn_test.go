//go:build cgo && pkcs11

package pkcs11_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"strongroom/custody"
	"strongroom/custody/custodytest"
	"strongroom/custody/pkcs11"
)

// The library of NSS wants to be initialized with parameters that no other takes. This one gives
// them to it, out of the environment, and is the library of NSS otherwise.
const softoknShim = `
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long rv;
typedef struct { unsigned char major, minor; void *function[68]; } function_list;
typedef struct { void *create, *destroy, *lock, *unlock; unsigned long flags; char *parameters; void *reserved; } initialize_args;

static function_list list;
static rv (*initialize)(void *);

static rv initialize_with_parameters(void *ignored) {
	initialize_args args = {.flags = 2, .parameters = getenv("SOFTOKN_PARAMETERS")};
	return initialize(&args);
}

rv C_GetFunctionList(function_list **out) {
	void *library = dlopen(getenv("SOFTOKN_LIBRARY"), RTLD_NOW);
	if (library == NULL) return 5;
	rv (*get)(function_list **) = (rv (*)(function_list **))dlsym(library, "C_GetFunctionList");
	function_list *theirs;
	rv r = get(&theirs);
	if (r != 0) return r;
	memcpy(&list, theirs, sizeof list);
	initialize = (rv (*)(void *))list.function[0];
	list.function[0] = (void *)initialize_with_parameters;
	*out = &list;
	return 0;
}
`

// lacks ends a test that needs what is not installed: make test installs it.
func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", what)
	}
	t.Skipf("%s is not installed", what)
}

// newSoftokn makes a token of NSS: another library than SoftHSM's, with other habits. It knows OAEP
// with SHA-256 and other numbers for key wrap, and does not keep keys in that must not be extracted.
func newSoftokn(t *testing.T) (o pkcs11.Options, environment map[string]string) {
	t.Helper()
	libraries, err := filepath.Glob("/usr/lib/*/libsoftokn3.so")
	if err != nil {
		t.Fatal(err)
	}
	if len(libraries) == 0 {
		lacks(t, "NSS (package libnss3)")
	}
	library := libraries[0]
	dir := t.TempDir()
	shim, database, pin := filepath.Join(dir, "shim.so"), filepath.Join(dir, "db"), filepath.Join(dir, "pin")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "shim.c"), softoknShim)
	write(pin, "pin-of-the-test\n")
	if err := os.Mkdir(database, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"gcc", "-shared", "-fPIC", "-o", shim, filepath.Join(dir, "shim.c"), "-ldl"},
		{"certutil", "-N", "-d", "sql:" + database, "-f", pin},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
			lacks(t, args[0])
		} else if err != nil {
			t.Fatalf("%s: %v: %s", args[0], err, out)
		}
	}
	return pkcs11.Options{Name: "nss", Library: shim, Token: "NSS Certificate DB", PINFile: pin}, map[string]string{
		"SOFTOKN_LIBRARY":    library,
		"SOFTOKN_PARAMETERS": "configdir='sql:" + database + "' certPrefix='' keyPrefix='' secmod='' flags=",
	}
}

// withoutAnchors is a module on a token of NSS, which keeps no data objects.
type withoutAnchors struct {
	custody.Module
	custody.Masters
	custody.Transport
	custody.Source
	custody.Destination
}

func TestModuleOnAnotherToken(t *testing.T) {
	custodytest.Run(t, func(t *testing.T) custodytest.Subject {
		o, environment := newSoftokn(t)
		reopen := func(t *testing.T) custody.Module {
			for name, value := range environment {
				t.Setenv(name, value)
			}
			m := open(t, o)
			return withoutAnchors{m, m, m, m, m}
		}
		m := reopen(t)
		makeMasters(t, m.(withoutAnchors).Masters.(*pkcs11.Module), 1)
		return custodytest.Subject{Module: m, Reopen: reopen, Other: openSoftware, Restart: func(t *testing.T) {
			kill(t, m.(withoutAnchors).Masters.(*pkcs11.Module))
		}}
	})
}

// TestWeakTokenIsFoundOut examines a token that wraps keys out which are not extractable.
func TestWeakTokenIsFoundOut(t *testing.T) {
	o, environment := newSoftokn(t)
	for name, value := range environment {
		t.Setenv(name, value)
	}
	r := examine(t, o)
	if r.Usable() || r.Status.Protection != custody.ProtectionBasic {
		t.Errorf("token that gives its keys away: usable %v, %s", r.Usable(), r.Status.Protection)
	}
}

package pkcs11

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"strongroom/custody/pkcs11/wire"
)

// Options says which token holds the masters, and how it is reached.
type Options struct {
	// Name is what the operator calls the module.
	Name string

	// Library is the absolute path of the vendor's PKCS#11 library.
	Library string

	// Token is the label of the token.
	Token string

	// PINFile is the path of a file that holds the PIN of the user, and that only its owner can
	// read. The agent reads it at each login.
	PINFile string

	// Agent is the path of the program with PKCS#11, which is run with the one argument
	// AgentCommand. Empty: this program.
	Agent string

	// Label is what the labels of our objects in the token begin with. Empty: "strongroom". Two
	// deployments on one token need two.
	Label string

	// Sessions is how many sessions are opened with the token, and so how many operations it is
	// given at a time. Zero: 8. At most 256.
	Sessions int

	// CachedKeys is how many unwrapped keys the token keeps at hand. Zero: 4096. A token without
	// that much room is noticed, and keeps fewer.
	CachedKeys int

	// WrapPad is the mechanism of AES key wrap with padding, for a token that has it under another
	// number than CKM_AES_KEY_WRAP_KWP (0x210B) or CKM_AES_KEY_WRAP_PAD (0x210A). Zero: whichever
	// of the two the token lists.
	WrapPad uint

	// Log takes what happens to the agent and the token. Nil: nothing is logged.
	Log *slog.Logger
}

// AgentCommand is the argument with which the agent is run.
const AgentCommand = "custody-agent"

const (
	defaultLabel      = "strongroom"
	defaultSessions   = 8
	defaultCachedKeys = 4096
	maxLabel          = 24 // bytes; tokens have short labels, and the rest of ours comes after it
)

// complete returns the options with the defaults filled in.
func (o Options) complete() (Options, error) {
	if o.Label == "" {
		o.Label = defaultLabel
	}
	if o.Sessions == 0 {
		o.Sessions = defaultSessions
	}
	if o.CachedKeys == 0 {
		o.CachedKeys = defaultCachedKeys
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Agent == "" {
		self, err := os.Executable()
		if err != nil {
			return o, fmt.Errorf("finding this program: %w", err)
		}
		o.Agent = self
	}
	switch {
	case o.Name == "":
		return o, errors.New("the module has no name")
	case !filepath.IsAbs(o.Library):
		return o, fmt.Errorf("path of the PKCS#11 library %q is not absolute", o.Library)
	case o.Token == "":
		return o, errors.New("no label of a token given")
	case o.PINFile == "":
		return o, errors.New("no PIN file given")
	case len(o.Label) > maxLabel:
		return o, fmt.Errorf("label %q is longer than %d bytes", o.Label, maxLabel)
	case o.Sessions < 0 || o.Sessions > 256 || o.CachedKeys < 0:
		return o, errors.New("number of sessions or keys is out of range")
	}
	return o, nil
}

func (o Options) hello() wire.Hello {
	return wire.Hello{
		Library: o.Library, Token: o.Token, PINFile: o.PINFile, Label: o.Label,
		Sessions: o.Sessions, CachedKeys: o.CachedKeys, WrapPad: o.WrapPad,
	}
}

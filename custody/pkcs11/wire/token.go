package wire

import "strongroom/custody"

// Hello says which token the agent serves, and how.
type Hello struct {
	Library string // path of the vendor's library
	Token   string // label of the token
	PINFile string // path of the file with the PIN
	Label   string // what the labels of our objects begin with

	Sessions   int  // how many are opened; more requests wait
	CachedKeys int  // how many unwrapped keys are kept in the token at most
	WrapPad    uint // mechanism of AES key wrap with padding; 0 tries those that are known
}

// TokenStatus describes the token and what it holds.
type TokenStatus struct {
	Token       Token
	Generations []custody.Generation // the oldest first
	Protection  custody.Protection   // what an attempted extraction showed
}

// Token is what a token says of itself.
type Token struct {
	Label, Manufacturer, Model, Serial string
	Library                            string // description and version
}

// Examination is what custody doctor finds out about a token.
type Examination struct {
	Status     TokenStatus
	Mechanisms []Mechanism
	Masters    []Master
	Extraction []Attempt
	Limits     Limits
	Speed      Speed
}

// Mechanism is something that a token may be able to do.
type Mechanism struct {
	Name     string // as PKCS#11 calls it
	Code     uint
	Use      string // what it is for
	Listed   bool   // the token says that it has it
	Works    bool   // it was tried
	Required bool   // without it the token cannot be used; false: a part of the service is missing
	Detail   string // why it does not work: a CKR_* code
}

// Master describes one of the keys that wrap and seal.
type Master struct {
	Generation uint32
	Role       string   // "wrap", "seal" or "recovery"
	Wrong      []string // attributes that are not as they should be
	Strength   []string // attributes beyond what is required
}

// Attempt is one way in which a key might be taken out of the token.
type Attempt struct {
	What     string
	Key      string // "a master" or "a loaded key"
	Possible bool
	Grave    bool   // a token with which it is possible protects nothing
	Detail   string // the CKR_* code that refused it
}

// Limits are those that the token states; zero means that it states none.
type Limits struct {
	MaxSessions, OpenSessions uint
	MinPIN, MaxPIN            uint // in bytes
	PrivateMemory             uint // free, in bytes
}

// Speed is what one session does in a second.
type Speed struct {
	Wraps   float64 // sealings: two CMACs each
	Unwraps float64 // keys brought into the token
	Makes   float64 // keys drawn and wrapped
}

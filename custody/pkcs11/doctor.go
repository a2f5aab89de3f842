package pkcs11

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// Report is what Examine found out about a token.
type Report struct {
	wire.Examination
}

// Examine opens the token and finds out what it can do, what limits it has, whether the masters in it
// are as they should be, what an attempted extraction gets out of it, and how fast it is. What it
// makes in the token is gone when it returns.
func Examine(ctx context.Context, o Options) (Report, error) {
	o, err := o.complete()
	if err != nil {
		return Report{}, fmt.Errorf("examining a token: %w", err)
	}
	a, err := startAgent(ctx, o)
	if err != nil {
		return Report{}, fmt.Errorf("examining a token: %w", err)
	}
	defer func() {
		a.kill()
		<-a.ended
	}()
	answer, err := a.call(ctx, &wire.Message{Kind: byte(wire.OpExamine)})
	if err != nil {
		return Report{}, fmt.Errorf("examining token %q: %w", o.Token, err)
	}
	defer answer.release()
	var r Report
	if err := json.Unmarshal(answer.message.Field(0), &r.Examination); err != nil {
		return Report{}, fmt.Errorf("%w: %w", wire.ErrMalformed, err)
	}
	return r, nil
}

// Grade says how much attention a finding needs.
type Grade string

// The grades.
const (
	Good    Grade = "good"
	Note    Grade = "note"    // a limit, or a part of the service that is missing
	Problem Grade = "problem" // the token must not be used like this
)

// Finding is one thing that a report says, in words for a person.
type Finding struct {
	Grade Grade
	About string // what was looked at
	Text  string
}

// Usable reports whether nothing was found that forbids using the token.
func (r Report) Usable() bool {
	for _, f := range r.Findings() {
		if f.Grade == Problem {
			return false
		}
	}
	return true
}

// Findings returns all that the report says, in the order in which it is read best.
func (r Report) Findings() []Finding {
	var all []Finding
	for _, m := range r.Mechanisms {
		all = append(all, mechanismFinding(m))
	}
	switch whole := r.works("CKM_RSA_PKCS_OAEP"); {
	case !r.works("CKM_RSA_PKCS_KEY_PAIR_GEN") || !whole && !r.works("CKM_RSA_X_509"):
		all = append(all, Finding{Note, "secure import", "not possible with this token: import tokens cannot be made"})
	case whole:
		all = append(all, Finding{Note, "secure import", "imported key material passes through the memory of the custody agent"})
	default:
		all = append(all, Finding{Note, "secure import", "the token does not know OAEP with SHA-256, so that the custody agent " +
			"removes the padding; imported key material passes through its memory"})
	}
	if len(r.Masters) == 0 {
		all = append(all, Finding{Note, "masters", "none yet; \"strongroom custody init\" makes them"})
	}
	for _, m := range r.Masters {
		all = append(all, masterFindings(m)...)
	}
	for _, a := range r.Extraction {
		all = append(all, attemptFinding(a))
	}
	return all
}

// works reports whether a mechanism does.
func (r Report) works(name string) bool {
	return slices.ContainsFunc(r.Mechanisms, func(m wire.Mechanism) bool { return m.Name == name && m.Works })
}

func mechanismFinding(m wire.Mechanism) Finding {
	switch {
	case m.Works:
		return Finding{Good, m.Name, m.Use}
	case m.Required:
		return Finding{Problem, m.Name, fmt.Sprintf("%s does not work, and is needed: %s", m.Use, m.Detail)}
	}
	return Finding{Note, m.Name, fmt.Sprintf("%s does not work: %s", m.Use, m.Detail)}
}

func masterFindings(m wire.Master) []Finding {
	about := fmt.Sprintf("%s master of generation %d", m.Role, m.Generation)
	if m.Generation == 0 {
		about = m.Role + " key"
	}
	var all []Finding
	for _, wrong := range m.Wrong {
		all = append(all, Finding{Problem, about, wrong + "; it was not made by this program, or was changed since"})
	}
	if len(m.Wrong) == 0 {
		all = append(all, Finding{Good, about, "private, sensitive, not extractable, and for its one purpose only"})
	}
	for _, s := range m.Strength {
		all = append(all, Finding{Good, about, s})
	}
	return all
}

func attemptFinding(a wire.Attempt) Finding {
	about := "extraction of " + a.Key
	switch {
	case a.Possible && a.Grave:
		return Finding{Problem, about, a.What + " succeeded: the token does not protect its keys"}
	case a.Possible:
		return Finding{Note, about, a.What + " succeeded"}
	}
	return Finding{Good, about, fmt.Sprintf("%s was refused: %s", a.What, a.Detail)}
}

// Verdict says what the protection is worth to those who have to rely on it, in lines of text.
func (r Report) Verdict() string {
	switch {
	case !r.Usable():
		return "NOT TO BE USED. See the problems above."
	case r.Status.Protection == custody.ProtectionStrict:
		return `STRICT. No attempt got a key out of the token. Who has the disk, the database, the backups or
the memory of the server has no key; and program code that runs on the server with the PIN can use
keys for as long as it runs, but found no way to take them along.`
	}
	return `BASIC. Who has the disk, the database, the backups or the memory of the server has no key. But
program code that runs on the server with the PIN, and has the database, can have keys wrapped out
of the token and take them along. Guard the server and the PIN file accordingly.`
}

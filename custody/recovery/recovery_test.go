package recovery_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"strongroom/custody"
	"strongroom/custody/recovery"
)

func divide(t testing.TB, threshold, count int) (custody.Recovery, []recovery.Share) {
	t.Helper()
	r, shares, err := recovery.Make(threshold, count)
	if err != nil {
		t.Fatal(err)
	}
	if len(shares) != count || r.Key.Len() != custody.RecoveryKeySize {
		t.Fatalf("%d shares of a key of %d bytes", len(shares), r.Key.Len())
	}
	return r, shares
}

func TestEnoughSharesGiveTheKey(t *testing.T) {
	for _, c := range []struct{ threshold, count int }{{1, 1}, {1, 3}, {2, 2}, {3, 5}, {5, 5}, {2, 255}} {
		r, shares := divide(t, c.threshold, c.count)
		// Every start in a turned row, so that each share takes part.
		for first := range shares {
			some := make([]recovery.Share, 0, c.threshold)
			for i := range c.threshold {
				some = append(some, shares[(first+i)%len(shares)])
			}
			slices.Reverse(some)
			got, err := recovery.Combine(some)
			if err != nil || got.Set != r.Set || !got.Key.Equal(r.Key) {
				t.Fatalf("%d of %d from share %d: set %q, %v, want %q and its key", c.threshold, c.count, first+1, got.Set, err, r.Set)
			}
		}
		if got, err := recovery.Combine(shares); err != nil || !got.Key.Equal(r.Key) {
			t.Errorf("all of %d: %v", c.count, err)
		}
		if c.threshold > 1 {
			if _, err := recovery.Combine(shares[:c.threshold-1]); !errors.Is(err, recovery.ErrTooFew) {
				t.Errorf("%d of %d with one less: %v, want ErrTooFew", c.threshold, c.count, err)
			}
		}
	}
}

func TestEveryPairOfThreeOpensAndNoOtherKeyDoes(t *testing.T) {
	r, shares := divide(t, 2, 3)
	other, _ := divide(t, 2, 3)
	if other.Key.Equal(r.Key) || other.Set == r.Set {
		t.Error("two recovery keys are the same")
	}
	for i := range shares {
		for j := range shares {
			got, err := recovery.Combine([]recovery.Share{shares[i], shares[j]})
			if i == j {
				if !errors.Is(err, recovery.ErrDuplicate) {
					t.Errorf("share %d twice: %v, want ErrDuplicate", i+1, err)
				}
			} else if err != nil || !got.Key.Equal(r.Key) {
				t.Errorf("shares %d and %d: %v", i+1, j+1, err)
			}
		}
	}
}

func TestUnfitSharesAreRefused(t *testing.T) {
	_, shares := divide(t, 2, 3)
	_, others := divide(t, 2, 3)
	changed := func(change func(*recovery.Share)) []recovery.Share {
		s := slices.Clone(shares[:2])
		s[1].Value = custody.NewSecret(slices.Clone(s[1].Value.Reveal()))
		change(&s[1])
		return s
	}
	forged := others[1]
	forged.Set = shares[1].Set
	for name, c := range map[string]struct {
		shares []recovery.Share
		want   error
	}{
		"none":              {nil, recovery.ErrTooFew},
		"two sets":          {[]recovery.Share{shares[0], others[1]}, recovery.ErrMixed},
		"another set":       {changed(func(s *recovery.Share) { s.Set = others[0].Set }), recovery.ErrMixed},
		"another threshold": {changed(func(s *recovery.Share) { s.Threshold = 1 }), recovery.ErrMixed},
		"another count":     {changed(func(s *recovery.Share) { s.Count = 4 }), recovery.ErrMixed},
		"index above count": {changed(func(s *recovery.Share) { s.Index = 4 }), recovery.ErrShare},
		"no index":          {changed(func(s *recovery.Share) { s.Index = 0 }), recovery.ErrShare},
		"another index":     {changed(func(s *recovery.Share) { s.Index = 3 }), recovery.ErrWrong},
		"changed value":     {changed(func(s *recovery.Share) { s.Value.Reveal()[0] ^= 1 }), recovery.ErrWrong},
		"short value":       {changed(func(s *recovery.Share) { s.Value = custody.RandomSecret(31) }), recovery.ErrShare},
		"no scalar":         {changed(func(s *recovery.Share) { s.Value.Reveal()[31] |= 0xe0 }), recovery.ErrShare},
		"forged":            {[]recovery.Share{shares[0], forged}, recovery.ErrWrong},
	} {
		if r, err := recovery.Combine(c.shares); !errors.Is(err, c.want) || r.Key.Len() != 0 {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for _, c := range [][2]int{{0, 3}, {4, 3}, {1, 0}, {-1, 3}, {2, 256}} {
		if _, _, err := recovery.Make(c[0], c[1]); err == nil {
			t.Errorf("made %d of %d", c[0], c[1])
		}
	}
}

func TestSharesHideTheirValue(t *testing.T) {
	r, shares := divide(t, 2, 3)
	text := fmt.Sprintf("%v %+v %#v %s %v %v", shares[0], shares[0], shares[0], shares[0], r, []any{shares[0], r})
	for _, secret := range []custody.Secret{shares[0].Value, r.Key} {
		for _, form := range []string{fmt.Sprintf("%x", secret.Reveal()), fmt.Sprint(secret.Reveal()), string(secret.Reveal())} {
			if strings.Contains(text, form) {
				t.Errorf("a share or key shows itself: %s", text)
			}
		}
	}
}

func TestPrintedShareReadsBack(t *testing.T) {
	r, shares := divide(t, 3, 5)
	var typed []recovery.Share
	for i, s := range shares {
		text := string(s.Print().Reveal())
		if !strings.Contains(text, r.Set) || !strings.Contains(text, fmt.Sprintf("%d of 5", i+1)) {
			t.Errorf("printed share does not say which it is:\n%s", text)
		}
		rows := strings.Split(strings.TrimSpace(text), "\n")
		if len(rows) != 5 {
			t.Fatalf("printed share has %d rows", len(rows))
		}
		for name, form := range map[string]string{
			"as printed":       text,
			"upper case":       strings.ToUpper(text),
			"with spaces":      strings.ReplaceAll(strings.Join(rows[1:], "\n"), "-", " "),
			"without anything": strings.ReplaceAll(strings.Join(rows[1:], "\n"), "-", ""),
			"other line ends":  "\r\n\r\n" + strings.ReplaceAll(text, "\n", "\r\n") + "\r\n",
			"other order":      strings.Join([]string{rows[4], rows[2], rows[0], rows[1], "", rows[3]}, "\n"),
			"letters for digits": strings.NewReplacer("0", "O", "1", "l").Replace(
				strings.Join(rows[1:], "\n")),
		} {
			got, err := parse(form)
			if err != nil || got.String() != s.String() || !got.Value.Equal(s.Value) {
				t.Errorf("%s: %v, %v, want %v", name, got, err, s)
			}
		}
		again, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		typed = append(typed, again)
	}
	if got, err := recovery.Combine(typed[2:]); err != nil || !got.Key.Equal(r.Key) {
		t.Errorf("typed shares: %v", err)
	}
}

func parse(text string) (recovery.Share, error) {
	return recovery.Parse(custody.NewSecret([]byte(text)))
}

// TestMistypedShareSaysWhere changes each character of each line to every other one.
func TestMistypedShareSaysWhere(t *testing.T) {
	_, shares := divide(t, 2, 3)
	rows := strings.Split(strings.TrimSpace(string(shares[0].Print().Reveal())), "\n")[1:]
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	for i, row := range rows {
		for at := len("srs1-1-"); at < len(row); at++ {
			if row[at] == '-' {
				continue
			}
			for _, c := range alphabet {
				if byte(c) == row[at] {
					continue
				}
				typed := slices.Clone(rows)
				typed[i] = row[:at] + string(c) + row[at+1:]
				_, err := parse(strings.Join(typed, "\n"))
				if !errors.Is(err, recovery.ErrShare) || !strings.Contains(err.Error(), fmt.Sprintf("line %d:", i+1)) {
					t.Fatalf("line %d, character %d: %v, want an error that names the line", i+1, at+1, err)
				}
			}
		}
	}
	_, others := divide(t, 2, 3)
	mixed := slices.Clone(rows)
	mixed[2] = strings.Split(strings.TrimSpace(string(others[0].Print().Reveal())), "\n")[3]
	if _, err := parse(strings.Join(mixed, "\n")); err == nil || !strings.Contains(err.Error(), "line 3:") {
		t.Errorf("line 3 of another share: %v", err)
	}
}

func TestWhatIsNoShareIsRefused(t *testing.T) {
	_, shares := divide(t, 2, 3)
	rows := strings.Split(strings.TrimSpace(string(shares[0].Print().Reveal())), "\n")[1:]
	all := strings.Join(rows, "\n")
	for name, text := range map[string]string{
		"nothing":            "",
		"a comment":          "# srs1",
		"a line missing":     strings.Join(rows[:3], "\n"),
		"a line twice":       all + "\n" + rows[1],
		"a character less":   all[:len(all)-1],
		"a character more":   all + "0",
		"a foreign letter":   strings.Replace(all, "srs1-1", "srs1-u", 1),
		"line number 5":      strings.Replace(all, "srs1-1", "srs1-5", 1),
		"line number 0":      strings.Replace(all, "srs1-1", "srs1-0", 1),
		"another prefix":     strings.Replace(all, "srs1-1", "srs2-1", 1),
		"lines without ends": strings.Join(rows, " "),
		"too long":           all + strings.Repeat("\n", 5000),
		"other digits":       strings.Replace(all, "1", "١", 1),
	} {
		if s, err := parse(text); !errors.Is(err, recovery.ErrShare) || s.Value.Len() != 0 {
			t.Errorf("%s: %v, want ErrShare", name, err)
		}
	}
	for _, row := range rows { // no error may quote what was typed
		if _, err := parse(row); err == nil || strings.Contains(err.Error(), row[7:11]) {
			t.Errorf("error shows a part of the share, or there is none: %v", err)
		}
	}
}

package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/lease"
	"strongroom/sqlstore"
)

// furnished is a database with one of everything that identities are made of.
func furnished(t *testing.T) (db *sqlstore.DB, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "data.db")
	db = open(t, path, lease.Always())
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	now := time.Now().UTC()
	ids := db.Identities()
	owner, err := ids.Person(t.Context(), "root@acme.example", "IBMid-OWNER")
	u := iam.User{Account: "a", Identity: owner, Email: "root@acme.example", State: iam.UserActive, Added: now, Revision: 1}
	k := iam.APIKey{ID: "ApiKey-1", Account: "a", Identity: owner, Name: "k", Digest: iam.Digest{1}, Created: now, Modified: now, Revision: 1}
	err = errors.Join(err,
		ids.CreateAccount(t.Context(), iam.Account{ID: "a", Owner: owner, State: iam.AccountActive, Created: now, Revision: 1}, &u, &k, nil),
		ids.CreateServiceID(t.Context(), iam.ServiceIdentity{ID: "ServiceId-1", Account: "a", Name: "s", Revision: 1}, nil, 10, nil),
		ids.CreateHMAC(t.Context(), iam.HMACCredential{AccessKeyID: "h", Account: "a", Identity: owner, Key: k.ID, Sealed: []byte{1}, Created: now}, nil),
		ids.AddSigningKey(t.Context(), iam.SigningKey{ID: "kid", Sealed: []byte{1}, Public: []byte{2}, Created: now}, now, nil))
	if err != nil {
		t.Fatal(err)
	}
	return db, path
}

// TestChangedRowsAreNotBelieved changes each column that decides access behind
// the back of the program.
func TestChangedRowsAreNotBelieved(t *testing.T) {
	read := map[string]func(*sqlstore.Identities, *testing.T) error{
		"accounts": func(s *sqlstore.Identities, t *testing.T) error { _, err := s.Account(t.Context(), "a"); return err },
		"users":    func(s *sqlstore.Identities, t *testing.T) error { _, err := s.Users(t.Context(), "a", all); return err },
		"service_ids": func(s *sqlstore.Identities, t *testing.T) error {
			_, err := s.ServiceID(t.Context(), "a", "ServiceId-1")
			return err
		},
		"api_keys": func(s *sqlstore.Identities, t *testing.T) error {
			_, err := s.APIKey(t.Context(), "ApiKey-1")
			return err
		},
		"hmac_credentials": func(s *sqlstore.Identities, t *testing.T) error { _, err := s.HMAC(t.Context(), "h"); return err },
		"signing_keys":     func(s *sqlstore.Identities, t *testing.T) error { _, err := s.SigningKeys(t.Context()); return err },
		"people": func(s *sqlstore.Identities, t *testing.T) error {
			_, err := s.Person(t.Context(), "root@acme.example", "IBMid-NEW")
			return err
		},
	}
	for table, columns := range map[string]string{
		"accounts":         "owner='IBMid-EVE' state='disabled' system=1 revision=9",
		"users":            "iam_id='IBMid-EVE' email='eve@acme.example' state='DISABLED' revision=9",
		"service_ids":      "made_for='ApiKey-1' locked=1 instances='[\"x\"]'",
		"api_keys":         "account='b' iam_id='IBMid-EVE' digest=x'02' disabled=1 expires_at=7 locked=1 revision=9",
		"hmac_credentials": "account='b' iam_id='IBMid-EVE' api_key='ApiKey-2' sealed=x'02'",
		"signing_keys":     "public=x'03' sealed=x'03' accepted_until=7",
		"people":           "iam_id='IBMid-EVE'",
	} {
		for _, set := range strings.Fields(columns) {
			t.Run(table+" "+set, func(t *testing.T) {
				db, path := furnished(t)
				if err := read[table](db.Identities(), t); err != nil {
					t.Fatal("before the change:", err)
				}
				raw, err := sql.Open("sqlite", path)
				if err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
				if _, err := raw.Exec(fmt.Sprintf("UPDATE %s SET %s", table, set)); err != nil {
					t.Fatal(err)
				}
				if err := read[table](db.Identities(), t); err == nil || fault.KindOf(err) != fault.Internal {
					t.Errorf("got %v, want a failure that is neither absence nor refusal", err)
				}
			})
		}
	}
}

var all = iam.IdentityRange{Limit: 10, Order: iam.ByCreation}

// TestListsOfIdentitiesUseAnIndex looks at the query plans of the lists.
func TestListsOfIdentitiesUseAnIndex(t *testing.T) {
	_, path := furnished(t)
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, where := range []string{
		"api_keys WHERE account = 'a' AND (created_at, id) > (1, 'x') ORDER BY created_at, id",
		"api_keys WHERE account = 'a' AND iam_id = 'i' AND (name, id) < ('n', 'x') ORDER BY name DESC, id DESC",
		"api_keys WHERE account = 'a' AND kind = 'user' AND (name, id) > ('n', 'x') ORDER BY name, id",
		"service_ids WHERE account = 'a' AND (created_at, id) > (1, 'x') ORDER BY created_at, id",
		"service_ids WHERE account = 'a' AND name = 'n' ORDER BY created_at DESC, id DESC",
		"users WHERE account = 'a' AND (email, iam_id) > ('e', 'x') ORDER BY email, iam_id",
	} {
		rows, err := raw.Query("EXPLAIN QUERY PLAN SELECT * FROM " + where + " LIMIT 10")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(detail, "USING INDEX") {
				t.Errorf("%s: %s", where, detail)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

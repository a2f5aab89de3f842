package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"strongroom/audit"
	"strongroom/kms"
)

// Keys keeps what the key service needs; it is a kms.Store.
type Keys struct {
	db  *DB
	few int // how many keys are sorted rather than walked to; fewKeys, but in tests
}

var _ kms.Store = (*Keys)(nil)

// Keys returns the store of the key service.
func (db *DB) Keys() *Keys { return &Keys{db: db, few: fewKeys} }

// keyColumns are the columns of a key in the order in which scanKey reads them.
const keyColumns = `k.instance, k.id, k.account, k.ring, k.name, k.description, k.aliases, k.tags,
	k.extractable, k.imported, k.state, k.created_at, k.created_by, k.updated_at, k.rotated_at,
	k.expires_at, k.deleted_at, k.deleted_by, k.version, k.version_number, k.version_at,
	k.version_size, k.revision, k.mac, k.suspended_at, k.notified_at, k.policies`

// Key implements kms.Store.
func (s *Keys) Key(ctx context.Context, in kms.InstanceID, id kms.KeyID) (kms.Key, error) {
	k, err := s.scanKey(s.db.queryRow(ctx, `SELECT `+keyColumns+` FROM keys k WHERE k.instance = $1 AND k.id = $2`,
		string(in), string(id)))
	return k, absent(err)
}

var errVersions = errors.New("versions are missing or do not belong together")

// Record implements kms.Store. A key whose versions are not all there is an error: who can write
// the database must not be able to make a key forget one. A key that is rotated between the two
// readings is read again.
func (s *Keys) Record(ctx context.Context, in kms.InstanceID, id kms.KeyID) (kms.Record, error) {
	const tries = 5
	for range tries {
		k, err := s.Key(ctx, in, id)
		if err != nil {
			return kms.Record{}, err
		}
		versions, err := s.versions(ctx, k)
		if err != nil {
			return kms.Record{}, fmt.Errorf("reading versions of key %s: %w", id, err)
		}
		if len(versions) == k.Newest.Number && versions[0].Stamp == k.Newest {
			return kms.Record{Key: k, Versions: versions}, nil
		}
	}
	return kms.Record{}, fmt.Errorf("key %s: %w", id, errVersions)
}

// Resolve implements kms.Store.
func (s *Keys) Resolve(ctx context.Context, in kms.InstanceID, alias string) (kms.KeyID, error) {
	var id kms.KeyID
	err := s.db.queryRow(ctx, `
		SELECT key FROM key_aliases WHERE instance = $1 AND alias = $2
		ORDER BY live DESC, changed_at DESC, key LIMIT 1`, string(in), alias).Scan(&id)
	return id, absent(err)
}

// InsertKey implements kms.Store.
func (s *Keys) InsertKey(ctx context.Context, k kms.Key, v kms.Version, instanceRevision int64, ev *audit.Event) error {
	return s.InsertKeys(ctx, instanceRevision, Insertion{Key: k, Version: v, Event: ev})
}

// Insertion is what [Keys.InsertKeys] adds: a key, its first version and the event of that.
type Insertion struct {
	Key     kms.Key
	Version kms.Version
	Event   *audit.Event
}

// InsertKeys is InsertKey for several keys of an instance, of which all are added or none. Those
// whose IDs follow each other are added fastest.
func (s *Keys) InsertKeys(ctx context.Context, instanceRevision int64, all ...Insertion) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		keys := make([]kms.Key, 0, len(all))
		for i, one := range all {
			if i == 0 || one.Key.Instance != all[i-1].Key.Instance {
				if err := t.instanceActive(ctx, one.Key.Instance, instanceRevision); err != nil {
					return err
				}
			}
			if err := s.addKey(ctx, t, one.Key, one.Version); err != nil {
				return err
			}
			if err := t.record(ctx, one.Event); err != nil {
				return err
			}
			keys = append(keys, one.Key)
		}
		return t.putNames(ctx, keys)
	})
}

// addKey adds a key with its first version, and all that is kept elsewhere to find or count it by
// but its names.
func (s *Keys) addKey(ctx context.Context, t *tx, k kms.Key, v kms.Version) error {
	if err := t.needRing(ctx, k.Instance, k.Ring); err != nil {
		return err
	}
	for _, alias := range k.Aliases {
		if err := t.takeAlias(ctx, k, alias); err != nil {
			return err
		}
	}
	if err := s.insertKey(ctx, t, k); err != nil {
		return err
	}
	if err := s.insertVersion(ctx, t, k, v); err != nil {
		return err
	}
	if err := t.count(ctx, k, 1); err != nil {
		return err
	}
	t.changed(kms.ChangeKey, string(k.Instance), string(k.ID))
	return nil
}

// instanceActive returns ErrStale unless the instance is active and at the revision.
func (t *tx) instanceActive(ctx context.Context, in kms.InstanceID, revision int64) error {
	var one int
	err := t.queryRow(ctx, `SELECT 1 FROM instances WHERE guid = $1 AND state = 'active' AND revision = $2`,
		string(in), revision).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrStale
	}
	return err
}

func (s *Keys) insertKey(ctx context.Context, t *tx, k kms.Key) error {
	row, err := s.keyRow(k)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `
		INSERT INTO keys (instance, id, account, ring, name, description, aliases, tags, extractable,
			imported, state, created_at, created_by, updated_at, rotated_at, expires_at, deleted_at,
			deleted_by, version, version_number, version_at, version_size, revision, mac,
			suspended_at, notified_at, policies, rotates_at)
		VALUES (`+placeholders(1, len(row))+`)`, row...)
	return err
}

// UpdateKey implements kms.Store.
func (s *Keys) UpdateKey(ctx context.Context, k kms.Key, v *kms.Version, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := s.writeKey(ctx, t, k); err != nil {
			return err
		}
		if v != nil {
			if err := s.insertVersion(ctx, t, k, *v); err != nil {
				return err
			}
		}
		return t.record(ctx, ev)
	})
}

// writeKey writes a key at the revision after the one that it has, if that is the stored one, and
// all that is kept elsewhere to find or count it by.
func (s *Keys) writeKey(ctx context.Context, t *tx, k kms.Key) error {
	was, err := s.scanKey(t.queryRow(ctx, `SELECT `+keyColumns+` FROM keys k WHERE k.instance = $1 AND k.id = $2`,
		string(k.Instance), string(k.ID)))
	if err != nil {
		return absent(err)
	}
	k.Revision++
	row, err := s.keyRow(k)
	if err != nil {
		return err
	}
	err = t.swap(ctx, `
		UPDATE keys SET account = $3, ring = $4, name = $5, description = $6, aliases = $7, tags = $8,
			extractable = $9, imported = $10, state = $11, created_at = $12, created_by = $13,
			updated_at = $14, rotated_at = $15, expires_at = $16, deleted_at = $17, deleted_by = $18,
			version = $19, version_number = $20, version_at = $21, version_size = $22, revision = $23,
			mac = $24, suspended_at = $25, notified_at = $26, policies = $27, rotates_at = $28
		WHERE instance = $1 AND id = $2 AND revision = $29`, append(row, k.Revision-1)...)
	if err != nil {
		return err
	}
	for _, follow := range []func(ctx context.Context, was, k kms.Key) error{t.recount, t.moveAliases, t.moveName} {
		if err := follow(ctx, was, k); err != nil {
			return err
		}
	}
	if was.Ring != k.Ring {
		if err := t.needRing(ctx, k.Instance, k.Ring); err != nil {
			return err
		}
	}
	t.changed(kms.ChangeKey, string(k.Instance), string(k.ID))
	return nil
}

// keyRow returns the values of all columns of a key.
func (s *Keys) keyRow(k kms.Key) ([]any, error) {
	aliases, tags, err := encodeLists(k)
	if err != nil {
		return nil, err
	}
	policies, err := encodePolicies(k)
	if err != nil {
		return nil, err
	}
	return []any{
		string(k.Instance), string(k.ID), string(k.Account), string(k.Ring), k.Name, k.Description,
		aliases, tags, k.Extractable, k.Imported, int(k.State), micros(k.Created), string(k.CreatedBy),
		micros(k.Updated), optional(k.Rotated), optional(k.Expires), optional(k.Deleted),
		string(k.DeletedBy), string(k.Newest.ID), k.Newest.Number, micros(k.Newest.Created),
		k.Newest.Size, k.Revision, s.db.sum("keys", keyMACed(k, aliases, tags, policies)...),
		optional(k.Suspended), optional(k.Notified), policies, optional(k.NextRotation()),
	}, nil
}

// keyMACed are the columns that a key's MAC covers: all that cannot be told from the others. Those
// of the lifecycle take part only if one of them is set, as keys have been stored without them.
func keyMACed(k kms.Key, aliases, tags, policies string) []any {
	columns := []any{
		string(k.Instance), string(k.ID), string(k.Account), string(k.Ring), k.Name, k.Description,
		aliases, tags, k.Extractable, k.Imported, int(k.State), k.Created, string(k.CreatedBy),
		k.Updated, k.Rotated, k.Expires, k.Deleted, string(k.DeletedBy),
		string(k.Newest.ID), k.Newest.Number, k.Newest.Created, k.Newest.Size, k.Revision,
	}
	if policies == "" && k.Suspended.IsZero() && k.Notified.IsZero() {
		return columns
	}
	return append(columns, k.Suspended, k.Notified, policies)
}

func (s *Keys) scanKey(row scanner) (kms.Key, error) {
	var (
		k                           kms.Key
		aliases, tags, policies     string
		created, updated, versionAt int64
		rotated, expires, deleted   sql.NullInt64
		suspended, notified         sql.NullInt64
		mac                         []byte
	)
	err := row.Scan(&k.Instance, &k.ID, &k.Account, &k.Ring, &k.Name, &k.Description, &aliases, &tags,
		&k.Extractable, &k.Imported, &k.State, &created, &k.CreatedBy, &updated, &rotated,
		&expires, &deleted, &k.DeletedBy, &k.Newest.ID, &k.Newest.Number, &versionAt,
		&k.Newest.Size, &k.Revision, &mac, &suspended, &notified, &policies)
	if err != nil {
		return kms.Key{}, err
	}
	k.Created, k.Updated, k.Newest.Created = fromMicros(created), fromMicros(updated), fromMicros(versionAt)
	k.Rotated, k.Expires, k.Deleted = fromMicros(rotated.Int64), fromMicros(expires.Int64), fromMicros(deleted.Int64)
	k.Suspended, k.Notified = fromMicros(suspended.Int64), fromMicros(notified.Int64)
	if err := s.db.check(mac, "keys", string(k.ID), keyMACed(k, aliases, tags, policies)...); err != nil {
		return kms.Key{}, err
	}
	if err := errors.Join(decodeList(aliases, &k.Aliases), decodeList(tags, &k.Tags), decodePolicies(policies, &k)); err != nil {
		return kms.Key{}, fmt.Errorf("key %s: %w", k.ID, err)
	}
	return k, nil
}

// optional is the stored form of a time that may be missing.
func optional(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: micros(t), Valid: !t.IsZero()}
}

func encodeLists(k kms.Key) (aliases, tags string, err error) {
	a, aerr := json.Marshal(k.Aliases)
	b, berr := json.Marshal(k.Tags)
	if err := errors.Join(aerr, berr); err != nil {
		return "", "", fmt.Errorf("encoding lists of key %s: %w", k.ID, err)
	}
	return string(a), string(b), nil
}

func decodeList(text string, list *[]string) error { return json.Unmarshal([]byte(text), list) }

package sqlstore

import (
	"context"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/resource"
)

// resourceKeySelect reads resource keys with what decisions need of their instances.
const resourceKeySelect = `SELECT resource_keys.guid, resource_keys.account, resource_keys.instance, resource_keys.name, resource_keys.state,
	resource_keys.role, resource_keys.service_id, resource_keys.owns_service, resource_keys.api_key, resource_keys.policy,
	resource_keys.access_key, resource_keys.onetime, resource_keys.sealed, resource_keys.created_at, resource_keys.created_by,
	resource_keys.updated_at, resource_keys.updated_by, resource_keys.deleted_at, resource_keys.deleted_by, resource_keys.revision, resource_keys.mac,
	instances.service, instances.region, instances.resource_group
	FROM resource_keys JOIN instances ON instances.guid = resource_keys.instance`

// resourceKeyMAC covers what decides who may see the secrets of a key, and what
// its removal takes away. Service, region and resource group are the instance's,
// which never change.
func resourceKeyMAC(k resource.Key) []any {
	return []any{
		string(k.ID), string(k.Account), string(k.Instance), string(k.State), k.Role, string(k.ServiceID), k.OwnsService,
		string(k.APIKey), string(k.Policy), k.AccessKey, k.Onetime, k.Sealed, k.Revision,
		k.Service, k.Region, string(k.ResourceGroup),
	}
}

func (r *Resources) scanResourceKey(s scanner) (resource.Key, error) {
	var (
		k                         resource.Key
		created, updated, deleted int64
		mac                       []byte
	)
	err := s.Scan(&k.ID, &k.Account, &k.Instance, &k.Name, &k.State, &k.Role, &k.ServiceID, &k.OwnsService, &k.APIKey, &k.Policy,
		&k.AccessKey, &k.Onetime, &k.Sealed, &created, &k.Created.By, &updated, &k.Updated.By, &deleted, &k.Deleted.By, &k.Revision, &mac,
		&k.Service, &k.Region, &k.ResourceGroup)
	if err != nil {
		return resource.Key{}, absent(err)
	}
	k.Created.At, k.Updated.At, k.Deleted.At = fromMicros(created), fromMicros(updated), fromMicros(deleted)
	return k, r.db.check(mac, "resource_keys", string(k.ID), resourceKeyMAC(k)...)
}

// Key returns one resource key, in whatever state it is.
func (r *Resources) Key(ctx context.Context, id resource.KeyID) (resource.Key, error) {
	return r.scanResourceKey(r.db.queryRow(ctx, resourceKeySelect+` WHERE resource_keys.guid = $1`, string(id)))
}

// Keys returns a page of an account's active resource keys, oldest first.
func (r *Resources) Keys(ctx context.Context, account iam.AccountID, f resource.KeyFilter, p resource.Page) ([]resource.Key, error) {
	var w where
	w.and(`resource_keys.account = ?`, string(account))
	w.and(`resource_keys.state = ?`, string(resource.KeyActive))
	given(&w, `resource_keys.guid = ?`, f.ID, string(f.ID))
	given(&w, `resource_keys.instance = ?`, f.Instance, string(f.Instance))
	given(&w, `resource_keys.name = ?`, f.Name, f.Name)
	given(&w, `instances.resource_group = ?`, f.ResourceGroup, string(f.ResourceGroup))
	given(&w, `instances.service = ?`, f.Service, f.Service)
	given(&w, `resource_keys.api_key = ?`, f.APIKey, string(f.APIKey))
	w.between(`resource_keys.updated_at`, f.UpdatedFrom, f.UpdatedTo)
	rows, err := r.db.query(ctx, resourceKeySelect+w.page("resource_keys", "guid", p), w.args...)
	return collect(rows, err, r.scanResourceKey)
}

// admits refuses to make something in an instance that is not active.
func admits(ctx context.Context, t *tx, id resource.InstanceID) error {
	var one int
	err := t.queryRow(ctx, `SELECT 1 FROM instances WHERE guid = $1 AND state = $2`, string(id), string(resource.StateActive)).Scan(&one)
	if absent(err) == ErrNotFound {
		return resource.ErrBusy
	}
	return err
}

// CreateKey stores a resource key that nobody sees yet, with the act that makes it.
func (r *Resources) CreateKey(ctx context.Context, k resource.Key, act resource.Act) error {
	return r.beginWith(ctx, act, nil, func(ctx context.Context, t *tx) error {
		if err := admits(ctx, t, k.Instance); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO resource_keys (guid, account, instance, name, state, role, service_id, owns_service, api_key,
			policy, access_key, onetime, sealed, created_at, created_by, updated_at, updated_by, deleted_at, deleted_by, revision, mac)
			VALUES (`+placeholders(1, 21)+`)`,
			string(k.ID), string(k.Account), string(k.Instance), k.Name, string(k.State), k.Role, string(k.ServiceID), k.OwnsService,
			string(k.APIKey), string(k.Policy), k.AccessKey, k.Onetime, nonNil(k.Sealed), micros(k.Created.At), string(k.Created.By),
			micros(k.Updated.At), string(k.Updated.By), micros(k.Deleted.At), string(k.Deleted.By), k.Revision,
			r.db.sum("resource_keys", resourceKeyMAC(k)...))
		return err
	})
}

// saveResourceKey writes what can change of a key over the revision that was read, under the next one.
func (r *Resources) saveResourceKey(ctx context.Context, t *tx, k resource.Key) error {
	was := k.Revision
	k.Revision++
	return t.swap(ctx, `UPDATE resource_keys SET name = $1, state = $2, sealed = $3, updated_at = $4, updated_by = $5,
		deleted_at = $6, deleted_by = $7, revision = $8, mac = $9 WHERE guid = $10 AND revision = $11`,
		k.Name, string(k.State), nonNil(k.Sealed), micros(k.Updated.At), string(k.Updated.By),
		micros(k.Deleted.At), string(k.Deleted.By), k.Revision, r.db.sum("resource_keys", resourceKeyMAC(k)...), string(k.ID), was)
}

// FinishKey makes a created key visible and removes its act.
func (r *Resources) FinishKey(ctx context.Context, k resource.Key, act resource.Act, ev *audit.Event) error {
	return r.endWith(ctx, act, ev, func(ctx context.Context, t *tx) error {
		if err := admits(ctx, t, k.Instance); err != nil {
			return err
		}
		return r.saveResourceKey(ctx, t, k)
	})
}

// AbandonKey removes a key that was never visible, and its act.
func (r *Resources) AbandonKey(ctx context.Context, k resource.Key, act resource.Act, ev *audit.Event) error {
	return r.endWith(ctx, act, ev, func(ctx context.Context, t *tx) error {
		return t.swap(ctx, `DELETE FROM resource_keys WHERE guid = $1 AND state = $2`, string(k.ID), string(resource.KeyPending))
	})
}

// UpdateKey stores another version of a key.
func (r *Resources) UpdateKey(ctx context.Context, k resource.Key, ev *audit.Event) error {
	return r.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := r.saveResourceKey(ctx, t, k); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// BeginRemoveKey stores the key as removing, with the act that withdraws it.
func (r *Resources) BeginRemoveKey(ctx context.Context, k resource.Key, act resource.Act, ev *audit.Event) error {
	return r.beginWith(ctx, act, ev, func(ctx context.Context, t *tx) error { return r.saveResourceKey(ctx, t, k) })
}

// FinishRemoveKey stores the key as removed and removes the act.
func (r *Resources) FinishRemoveKey(ctx context.Context, k resource.Key, act resource.Act) error {
	return r.endWith(ctx, act, nil, func(ctx context.Context, t *tx) error { return r.saveResourceKey(ctx, t, k) })
}

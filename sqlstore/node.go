package sqlstore

import (
	"context"

	"strongroom/audit"
	"strongroom/objects"
)

// Nodes keeps the list of storage nodes; it is an objects.NodeStore.
type Nodes struct{ db *DB }

var _ objects.NodeStore = (*Nodes)(nil)

// Nodes returns the store of the storage nodes.
func (db *DB) Nodes() *Nodes { return &Nodes{db} }

const nodeColumns = `id, name, site, url, credentials_file, state, created_at, revision, mac`

// Nodes implements objects.NodeStore.
func (s *Nodes) Nodes(ctx context.Context) ([]objects.Node, error) {
	rows, err := s.db.query(ctx, `SELECT `+nodeColumns+` FROM nodes ORDER BY name`)
	return collect(rows, err, func(row scanner) (objects.Node, error) {
		var (
			n       objects.Node
			created int64
			mac     []byte
		)
		err := row.Scan(&n.ID, &n.Name, &n.Site, &n.URL, &n.CredentialsFile, &n.State, &created, &n.Revision, &mac)
		if err != nil {
			return objects.Node{}, err
		}
		n.Created = fromMicros(created)
		return n, s.db.check(mac, "nodes", string(n.ID), nodeMACed(n)...)
	})
}

// AddNode implements objects.NodeStore.
func (s *Nodes) AddNode(ctx context.Context, n objects.Node, ev *audit.Event) error {
	n.Revision = 1
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.freeNodeName(ctx, n); err != nil {
			return err
		}
		added, err := t.exec(ctx, `INSERT INTO nodes (`+nodeColumns+`) VALUES (`+placeholders(1, 9)+`)
			ON CONFLICT (id) DO NOTHING`, s.nodeRow(n)...)
		if err != nil {
			return err
		}
		if added == 0 {
			return ErrExists
		}
		return t.record(ctx, ev)
	})
}

// UpdateNode implements objects.NodeStore.
func (s *Nodes) UpdateNode(ctx context.Context, n objects.Node, ev *audit.Event) error {
	n.Revision++
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.freeNodeName(ctx, n); err != nil {
			return err
		}
		err := t.swap(ctx, `
			UPDATE nodes SET name = $2, site = $3, url = $4, credentials_file = $5, state = $6, created_at = $7,
				revision = $8, mac = $9
			WHERE id = $1 AND revision = $8 - 1`, s.nodeRow(n)...)
		if err != nil {
			return t.gone(ctx, err, `SELECT 1 FROM nodes WHERE id = $1`, string(n.ID))
		}
		return t.record(ctx, ev)
	})
}

// freeNodeName returns ErrExists if another node that is in use has the name of a node.
func (t *tx) freeNodeName(ctx context.Context, n objects.Node) error {
	if n.State == objects.NodeRemoved || n.State == objects.NodeLost {
		return nil
	}
	var taken bool
	err := t.queryRow(ctx, `SELECT EXISTS (SELECT 1 FROM nodes
		WHERE name = $1 AND id <> $2 AND state <> 'removed' AND state <> 'lost')`, n.Name, string(n.ID)).Scan(&taken)
	if err == nil && taken {
		err = ErrExists
	}
	return err
}

func (s *Nodes) nodeRow(n objects.Node) []any {
	return []any{
		string(n.ID), n.Name, n.Site, n.URL, n.CredentialsFile, string(n.State), micros(n.Created), n.Revision,
		s.db.sum("nodes", nodeMACed(n)...),
	}
}

// nodeMACed are the columns that the MAC of a node covers: all.
func nodeMACed(n objects.Node) []any {
	return []any{string(n.ID), n.Name, n.Site, n.URL, n.CredentialsFile, string(n.State), n.Created, n.Revision}
}

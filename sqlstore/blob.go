package sqlstore

import (
	"context"
	"math/bits"
	"strings"

	"strongroom/objects"
)

// blobColumns are the columns of a dispersed blob in the order in which scanBlob reads them.
const blobColumns = `id, state, profile, data, total, all_or_nothing, segment, size, nodes, missing, spare, server,
	created_at, revision`

// ReserveBlob implements objects.BlobCatalog.
func (s *Objects) ReserveBlob(ctx context.Context, b objects.Blob) error {
	b.State, b.Revision = objects.BlobWriting, 1
	row := blobRow(b)
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO blobs (`+blobColumns+`) VALUES (`+placeholders(1, len(row))+`)
			ON CONFLICT (id) DO NOTHING`, row...)
		if err == nil && n == 0 {
			err = ErrExists
		}
		return err
	})
}

// AbandonBlob implements objects.BlobCatalog.
func (s *Objects) AbandonBlob(ctx context.Context, id objects.BlobID) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE blobs SET state = $1, server = '', revision = revision + 1 WHERE id = $2 AND state = $3`,
			int(objects.BlobDead), id[:], int(objects.BlobWriting))
		return err
	})
}

// AbandonWritten implements objects.BlobCatalog.
func (s *Objects) AbandonWritten(ctx context.Context, server string) (n int64, err error) {
	err = s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		n, err = t.exec(ctx, `UPDATE blobs SET state = $1, server = '', revision = revision + 1 WHERE server = $2 AND state = 0`,
			int(objects.BlobDead), server)
		return err
	})
	return n, err
}

// Blob implements objects.BlobCatalog.
func (s *Objects) Blob(ctx context.Context, id objects.BlobID) (objects.Blob, error) {
	b, err := scanBlob(s.read.queryRow(ctx, `SELECT `+blobColumns+` FROM blobs WHERE id = $1`, id[:]))
	return b, absent(err)
}

// BlobsAfter implements objects.BlobCatalog.
func (s *Objects) BlobsAfter(ctx context.Context, state objects.BlobState, after objects.BlobID, limit int) ([]objects.Blob, error) {
	// The planner sees no arguments: see newest.
	rows, err := s.read.query(ctx, `SELECT `+blobColumns+` FROM blobs WHERE state = +$1 AND id > +$2 ORDER BY id LIMIT +$3`,
		int(state), after[:], limit)
	return collect(rows, err, scanBlob)
}

// Incomplete implements objects.BlobCatalog.
func (s *Objects) Incomplete(ctx context.Context, limit int) ([]objects.Blob, error) {
	rows, err := s.read.query(ctx, `SELECT `+blobColumns+` FROM blobs
		WHERE state = 1 AND missing <> 0 ORDER BY spare, id LIMIT $1`, limit)
	return collect(rows, err, scanBlob)
}

// MarkMissing implements objects.BlobCatalog.
func (s *Objects) MarkMissing(ctx context.Context, id objects.BlobID, slices map[int]objects.NodeID) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		b, err := scanBlob(t.queryRow(ctx, `SELECT `+blobColumns+` FROM blobs WHERE id = $1`, id[:]))
		if err != nil {
			return absent(err)
		}
		was := b.Missing
		for i, node := range slices {
			if i >= 0 && i < len(b.Nodes) && b.Nodes[i] == node {
				b.Missing |= 1 << i
			}
		}
		if b.Missing == was {
			return nil
		}
		return t.writeBlob(ctx, b, b.State)
	})
}

// MoveBlob implements objects.BlobCatalog.
func (s *Objects) MoveBlob(ctx context.Context, b objects.Blob) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `UPDATE blobs SET nodes = $2, missing = $3, spare = $4, revision = $5 + 1
			WHERE id = $1 AND revision = $5 AND state = $6`, b.ID[:], joinNodes(b.Nodes), int64(b.Missing), spare(b),
			b.Revision, int(objects.BlobLive))
		return t.gone(ctx, err, `SELECT 1 FROM blobs WHERE id = $1`, b.ID[:])
	})
}

// DropBlob implements objects.BlobCatalog.
func (s *Objects) DropBlob(ctx context.Context, id objects.BlobID) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM blobs WHERE id = $1 AND state = $2`, id[:], int(objects.BlobDead))
		return err
	})
}

// CountBlobs implements objects.BlobCatalog.
func (s *Objects) CountBlobs(ctx context.Context) (blobs, bytes int64, err error) {
	err = s.read.queryRow(ctx, `SELECT count(*), COALESCE(sum(size), 0) FROM blobs WHERE state = $1`,
		int(objects.BlobLive)).Scan(&blobs, &bytes)
	return blobs, bytes, err
}

// exchangeBlobs makes the blobs of new parts live, and those dead which only old parts had.
func (t *tx) exchangeBlobs(ctx context.Context, old []objects.BlobID, parts []objects.PartRow) error {
	die := make(map[objects.BlobID]bool, len(old))
	for _, id := range old {
		die[id] = true
	}
	for _, p := range parts {
		if die[p.Blob.ID] {
			delete(die, p.Blob.ID)
			continue
		}
		if err := t.addBlob(ctx, p.Blob); err != nil {
			return err
		}
	}
	for id := range die {
		if err := t.killBlob(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// addBlob makes a blob live: one that was reserved and written, or one that is to be embedded. It
// returns ErrStale if the reservation was given up in the meantime, or if the blob was the content of
// a part that has been replaced.
func (t *tx) addBlob(ctx context.Context, b objects.Blob) error {
	if len(b.Nodes) > 0 {
		b.State, b.Server = objects.BlobLive, ""
		return t.writeBlob(ctx, b, objects.BlobWriting)
	}
	if b.Inline == nil {
		return ErrStale
	}
	_, err := t.exec(ctx, `
		INSERT INTO blob_content (id, profile, data, total, all_or_nothing, segment, created_at, content)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		b.ID[:], b.Profile, b.Data, b.Total, b.AllOrNothing, b.Segment, micros(b.Created), b.Inline)
	return err
}

// killBlob makes a blob dead that nothing refers to any more; an embedded one is gone.
func (t *tx) killBlob(ctx context.Context, id objects.BlobID) error {
	n, err := t.exec(ctx, `DELETE FROM blob_content WHERE id = $1`, id[:])
	if err != nil || n > 0 {
		return err
	}
	_, err = t.exec(ctx, `UPDATE blobs SET state = $1, revision = revision + 1 WHERE id = $2`, int(objects.BlobDead), id[:])
	return err
}

// writeBlob writes a dispersed blob at the revision after the one that it has, if that is the
// stored one and it is in a state.
func (t *tx) writeBlob(ctx context.Context, b objects.Blob, was objects.BlobState) error {
	b.Revision++
	return t.swap(ctx, `
		UPDATE blobs SET state = $2, profile = $3, data = $4, total = $5, all_or_nothing = $6, segment = $7, size = $8,
			nodes = $9, missing = $10, spare = $11, server = $12, created_at = $13, revision = $14
		WHERE id = $1 AND revision = $14 - 1 AND state = $15`, append(blobRow(b), int(was))...)
}

// blobRow returns the values of all columns of a dispersed blob.
func blobRow(b objects.Blob) []any {
	return []any{
		b.ID[:], int(b.State), b.Profile, b.Data, b.Total, b.AllOrNothing, b.Segment, b.Size, joinNodes(b.Nodes),
		int64(b.Missing), spare(b), b.Server, micros(b.Created), b.Revision,
	}
}

// spare is how many more slices of a blob may be lost before it is.
func spare(b objects.Blob) int { return b.Total - bits.OnesCount64(b.Missing) - b.Data }

func scanBlob(row scanner) (objects.Blob, error) {
	var (
		b                objects.Blob
		id               []byte
		missing, created int64
		spare            int
		nodes            string
	)
	err := row.Scan(&id, &b.State, &b.Profile, &b.Data, &b.Total, &b.AllOrNothing, &b.Segment, &b.Size, &nodes,
		&missing, &spare, &b.Server, &created, &b.Revision)
	if err != nil {
		return objects.Blob{}, err
	}
	b.Missing, b.Created, b.Nodes = uint64(missing), fromMicros(created), splitNodes(nodes)
	b.ID, err = blobID(id)
	return b, err
}

func joinNodes(nodes []objects.NodeID) string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = string(n)
	}
	return strings.Join(texts, ",")
}

func splitNodes(text string) []objects.NodeID {
	if text == "" {
		return nil
	}
	texts := strings.Split(text, ",")
	nodes := make([]objects.NodeID, len(texts))
	for i, t := range texts {
		nodes[i] = objects.NodeID(t)
	}
	return nodes
}

package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"strongroom/objects"
)

// partTable is a table of parts: of objects or of uploads.
type partTable struct{ name, owner string }

var (
	objectParts = partTable{"object_parts", "object"}
	uploadParts = partTable{"upload_parts", "upload"}
)

// partsAtOnce is how many parts are written by one statement.
const partsAtOnce = 50

// putParts adds parts to a version or an upload.
func (t *tx) putParts(ctx context.Context, to partTable, owner int64, parts []objects.PartRow) error {
	const columns = 7
	for len(parts) > 0 {
		n := min(partsAtOnce, len(parts))
		var marks []string
		var values []any
		for i, p := range parts[:n] {
			marks = append(marks, `(`+placeholders(1+i*columns, columns)+`)`)
			values = append(values, owner, p.Number, p.Size, p.Write, p.Blob.ID[:], micros(p.Modified), nonNil(p.Record))
		}
		_, err := t.exec(ctx, `INSERT INTO `+to.name+` (`+to.owner+`, number, size, write, blob, modified_at, record)
			VALUES `+strings.Join(marks, ", "), values...)
		if err != nil {
			return err
		}
		parts = parts[n:]
	}
	return nil
}

// takeParts removes all parts of a version or upload, and returns their blobs and how many bytes they had.
func (t *tx) takeParts(ctx context.Context, from partTable, owner int64) (blobs []objects.BlobID, bytes int64, err error) {
	rows, err := t.query(ctx, `DELETE FROM `+from.name+` WHERE `+from.owner+` = $1 RETURNING blob, size`, owner)
	blobs, err = collect(rows, err, func(row scanner) (objects.BlobID, error) {
		id, size, err := scanBlobID(row)
		bytes += size
		return id, err
	})
	return blobs, bytes, err
}

// scanBlobID reads the ID of the blob of a part, and the size of the part.
func scanBlobID(row scanner) (id objects.BlobID, size int64, err error) {
	var b []byte
	if err := row.Scan(&b, &size); err != nil {
		return id, 0, err
	}
	id, err = blobID(b)
	return id, size, err
}

func blobID(b []byte) (id objects.BlobID, err error) {
	if len(b) != len(id) {
		return id, fmt.Errorf("the ID of a blob has %d bytes", len(b))
	}
	return objects.BlobID(b), nil
}

// parts reads parts of a version or upload in the order of their numbers, after a number; a limit
// of zero is none. Embedded blobs come with their content if that is wanted.
func parts(ctx context.Context, from querier, of partTable, content bool, owner int64, after, limit int) ([]objects.PartRow, error) {
	// The planner sees neither these arguments nor a limit that is none: see newest.
	args, limited := []any{owner, after}, ``
	if limit > 0 {
		args, limited = append(args, limit), ` LIMIT $3`
	}
	inline := `NULL`
	if content {
		inline = `c.content`
	}
	rows, err := from.query(ctx, `
		SELECT p.number, p.size, p.write, p.modified_at, p.record, p.blob,
			b.state, COALESCE(b.profile, c.profile), COALESCE(b.data, c.data), COALESCE(b.total, c.total),
			COALESCE(b.all_or_nothing, c.all_or_nothing), COALESCE(b.segment, c.segment), COALESCE(b.size, length(c.content)),
			COALESCE(b.nodes, ''), COALESCE(b.missing, 0), COALESCE(b.created_at, c.created_at), COALESCE(b.revision, 1),
			`+inline+`
		FROM `+of.name+` p LEFT JOIN blobs b ON b.id = p.blob LEFT JOIN blob_content c ON c.id = p.blob
		WHERE p.`+of.owner+` = +$1 AND p.number > +$2 ORDER BY p.number`+limited, args...)
	return collect(rows, err, scanPart)
}

func scanPart(row scanner) (objects.PartRow, error) {
	var (
		p                 objects.PartRow
		modified, created int64
		missing           int64
		state             *int
		id                []byte
		nodes             string
	)
	b := &p.Blob
	err := row.Scan(&p.Number, &p.Size, &p.Write, &modified, &p.Record, &id,
		&state, &b.Profile, &b.Data, &b.Total, &b.AllOrNothing, &b.Segment, &b.Size,
		&nodes, &missing, &created, &b.Revision, &b.Inline)
	if err != nil {
		return p, err
	}
	p.Modified, b.Created, b.Missing, b.Nodes = fromMicros(modified), fromMicros(created), uint64(missing), splitNodes(nodes)
	b.State = objects.BlobLive
	if state != nil {
		b.State = objects.BlobState(*state)
	}
	b.ID, err = blobID(id)
	return p, err
}

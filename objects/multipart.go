package objects

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"strongroom/custody"
	"strongroom/iam"
)

// StartUpload begins an upload in parts.
func (s *Service) StartUpload(ctx context.Context, who iam.Caller, u StartUpload) (Upload, error) {
	var begun Upload
	err := s.visit(ctx, who, u.Bucket, operation{
		action: ActionObjectPostInitiateUpload, key: u.Key, change: true,
		act: func(v *visit) (err error) {
			begun, err = s.startUpload(ctx, v, u)
			return err
		},
	})
	return begun, err
}

func (s *Service) startUpload(ctx context.Context, v *visit, asked StartUpload) (Upload, error) {
	if err := s.checkWrite(ctx, v, &asked.Write); err != nil {
		return Upload{}, err
	}
	composite, err := asked.composite()
	if err != nil {
		return Upload{}, err
	}
	key, err := s.sealer(ctx, v, asked.Encryption)
	if err != nil {
		return Upload{}, err
	}
	row := UploadRow{
		Upload: Upload{
			Bucket: v.bucket.Name, Key: asked.Key, ID: UploadID(uuid.NewString()), Initiator: string(v.who.Identity),
			Started: v.now, Algorithm: asked.Algorithm, Composite: composite,
		},
		BucketID: v.bucket.ID, Write: newHex32(), SealedBy: key.ID,
		ACL: asked.ACL, Lock: asked.Lock, Retain: asked.Retention, Customer: asked.Encryption.Customer != nil,
	}
	if row.Customer {
		row.CustomerKeyMD5 = asked.Encryption.Customer.MD5
	}
	object := record{
		Headers: asked.Headers, Tags: asked.Tags, Redirect: asked.Redirect, CustomerKeyMD5: row.CustomerKeyMD5,
	}
	err = s.withKey(ctx, v, key.ID, func(k *custody.Opened) error {
		return sealUpload(k, &row, object, asked.Encryption.Customer)
	})
	if err != nil {
		return Upload{}, err
	}
	v.respond("uploadId", string(row.ID))
	if err := s.Store.CreateUpload(ctx, row, v.event); err != nil {
		return Upload{}, fmt.Errorf("storing an upload: %w", err)
	}
	return row.Upload, nil
}

// composite says whether the checksum of the object will be one of the checksums of its parts. Which
// algorithms leave a choice, and what they do without one, is in cos-api.md, section 12.
func (u *StartUpload) composite() (bool, error) {
	switch {
	case u.Algorithm == "":
		if u.FullObject {
			return false, ErrRequest.On("x-amz-checksum-type", "it needs an algorithm")
		}
		return false, nil
	case u.Algorithm.Size() == 0:
		return false, ErrArgument.On("x-amz-checksum-algorithm", "it is not known")
	case !u.Algorithm.Combines() && u.FullObject:
		return false, ErrRequest.On("x-amz-checksum-type", "the algorithm is for composite checksums only")
	}
	return !u.FullObject && u.Algorithm != CRC64NVME, nil
}

// AbortUpload gives an upload up and removes its parts.
func (s *Service) AbortUpload(ctx context.Context, who iam.Caller, bucket, key string, id UploadID) error {
	return s.visit(ctx, who, bucket, operation{
		action: ActionObjectDeleteUpload, key: key, change: true,
		act: func(v *visit) error {
			return decidedAnew(func() error {
				u, err := s.uncompleted(ctx, v, key, id)
				if err != nil {
					return err
				}
				if err := s.Store.RemoveUpload(ctx, u, v.event); err != nil {
					return raced(fmt.Errorf("aborting upload %s: %w", id, err))
				}
				s.Blobs.Wake()
				return nil
			})
		},
	})
}

// Uploads lists the open uploads of a bucket.
func (s *Service) Uploads(ctx context.Context, who iam.Caller, l ListUploads) (UploadListing, error) {
	var page UploadListing
	err := s.visit(ctx, who, l.Bucket, operation{
		action: ActionBucketGetUploads, data: &iam.Data{Prefix: &l.Prefix, Delimiter: &l.Delimiter},
		act: func(v *visit) error {
			if l.Limit < 0 {
				return ErrArgument.On("max-uploads", "less than 0")
			}
			l.Limit = min(l.Limit, MaxPage)
			page = UploadListing{Bucket: v.bucket}
			if l.Limit == 0 {
				return nil
			}
			rows, prefixes, err := s.Store.ListUploads(ctx, v.bucket.ID, l)
			if err != nil {
				return fmt.Errorf("listing uploads: %w", err)
			}
			page.fill(rows, prefixes, l.Limit)
			return nil
		},
	})
	return page, err
}

// fill puts the first rows and prefixes into the page, in the order of their keys; there is at most one more.
func (p *UploadListing) fill(rows []UploadRow, prefixes []string, limit int) {
	p.Truncated = len(rows)+len(prefixes) > limit
	for range min(limit, len(rows)+len(prefixes)) {
		if len(prefixes) == 0 || len(rows) > 0 && rows[0].Key < prefixes[0] {
			p.Uploads = append(p.Uploads, rows[0].Upload)
			p.Next, p.NextUpload = rows[0].Key, rows[0].ID
			rows = rows[1:]
			continue
		}
		p.Prefixes = append(p.Prefixes, prefixes[0])
		p.Next, p.NextUpload = prefixes[0], ""
		prefixes = prefixes[1:]
	}
	if !p.Truncated {
		p.Next, p.NextUpload = "", ""
	}
}

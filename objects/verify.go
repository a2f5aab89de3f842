package objects

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"

	"strongroom/fault"
	"strongroom/iam"
)

// verifyCursor says how far a verification has come.
type verifyCursor struct {
	After    string // in the versions of the bucket
	Seen     int64  // versions that were looked at, chosen or not
	Customer int64  // verified as far as is possible without their customers' keys
}

// StartVerify verifies a sample of the versions in a bucket, drawn at random, or all if sample is 0.
func (s *Service) StartVerify(ctx context.Context, who iam.Caller, bucket string, sample int) (Job, error) {
	return s.startJob(ctx, who, bucket, ActionBucketVerify, func(v *visit) (Job, error) {
		v.request("sample", sample)
		if sample < 0 {
			return Job{}, ErrArgument.On("sample", "must be 0 or more")
		}
		u, err := s.Store.Usage(ctx, v.bucket.ID)
		if err != nil {
			return Job{}, fmt.Errorf("counting what is in bucket %q: %w", v.bucket.Name, err)
		}
		j := Job{Kind: JobVerify, Sample: sample, Total: u.Objects}
		if sample > 0 {
			j.Total = min(j.Total, int64(sample))
		}
		return j, nil
	})
}

// verify reads versions as they are stored and proves that they are ciphertext: their record opens
// under the key that the bucket names and has the digest of their parts, the object key opens under it
// too, and each stored segment is what that key has sealed, which no plaintext can be.
func (s *Service) verify(ctx context.Context, j *Job) error {
	var at verifyCursor
	if err := j.resume(&at); err != nil {
		return err
	}
	u, err := s.Store.Usage(ctx, j.Bucket)
	if err != nil {
		return fmt.Errorf("counting what is in bucket %q: %w", j.Name, err)
	}
	for {
		rows, next, err := s.Store.VersionsAfter(ctx, j.Bucket, "", at.After, rowsAtOnce)
		if err != nil {
			return fmt.Errorf("reading versions in bucket %q: %w", j.Name, err)
		}
		m, err := s.mover(ctx, j, "")
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].Marker {
				continue
			}
			chosen, err := j.chooses(u.Objects - at.Seen)
			if err != nil {
				return err
			}
			at.Seen++
			if !chosen {
				continue
			}
			if err := s.verifyVersion(ctx, m, &rows[i], &at); err != nil {
				return err
			}
		}
		at.After = next
		if next == "" {
			break
		}
		if err := s.advance(ctx, j, at); err != nil {
			return err
		}
	}
	return s.concludeVerify(ctx, j, &at)
}

// chooses draws whether the next version is in the sample, of which the rest is to be found among as
// many as are left.
func (j *Job) chooses(left int64) (bool, error) {
	if j.Sample == 0 {
		return true, nil
	}
	want := int64(j.Sample) - j.Done
	if want <= 0 || left <= want {
		return want > 0, nil
	}
	n, err := rand.Int(rand.Reader, big.NewInt(left))
	if err != nil {
		return false, fmt.Errorf("drawing a sample: %w", err)
	}
	return n.Int64() < want, nil
}

// verifyVersion verifies one version. What is wrong with it becomes a finding; an error says that it
// could not be read.
func (s *Service) verifyVersion(ctx context.Context, m *mover, r *Row, at *verifyCursor) error {
	err := s.proveSealed(ctx, m, r)
	if err != nil && (errors.Is(err, ErrDamaged) || fault.KindOf(err) == fault.NotFound) {
		gone, gerr := s.gone(ctx, r)
		if gerr != nil {
			return gerr
		}
		if gone {
			return nil
		}
		s.Logger.ErrorContext(ctx, "a stored version does not verify", "job", m.job.ID, "bucket", m.job.Name, "key", r.Key, "version", r.Version, "error", err)
		m.job.Done++
		m.job.Bad++
		m.job.find(fmt.Sprintf("%q version %s does not verify", clip(r.Key), r.Version))
		return nil
	}
	if err != nil {
		return err
	}
	m.job.Done++
	if r.Customer {
		at.Customer++
	}
	return nil
}

// proveSealed fails with ErrDamaged unless what is stored of a version is sealed by its bucket's key.
func (s *Service) proveSealed(ctx context.Context, m *mover, r *Row) error {
	parts, dataKey, _, err := s.unsealed(ctx, m.v, r.SealedBy, r)
	if err != nil {
		return err
	}
	defer dataKey.Wipe()
	for i := range parts {
		p := &parts[i]
		var seals *segments // nil if only the customer can open it
		if !r.Customer {
			seals = newSegments(r.Bucket, p, dataKey)
		}
		if err := s.provePart(ctx, m, p, seals); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) provePart(ctx context.Context, m *mover, p *PartRow, seals *segments) error {
	sealed, err := s.openPart(ctx, p)
	if err != nil {
		return err
	}
	defer sealed.Close()
	var plain []byte
	for {
		stored, index, err := sealed.segment(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m.job.Bytes += int64(len(stored))
		if seals == nil {
			continue
		}
		if plain, err = seals.open(plain[:0], stored, index, sealed.final(index)); err != nil {
			return fmt.Errorf("%w: segment %d of blob %s: %w", ErrDamaged, index, p.Blob.ID, err)
		}
		if len(plain) > tagSize && bytes.Contains(stored, plain) {
			return fmt.Errorf("%w: segment %d of blob %s holds its own plaintext", ErrDamaged, index, p.Blob.ID)
		}
	}
}

// concludeVerify adds what was found of the bucket as a whole.
func (s *Service) concludeVerify(ctx context.Context, j *Job, at *verifyCursor) error {
	keys, err := s.Store.BucketKeys(ctx, j.Bucket)
	if err != nil {
		return fmt.Errorf("reading the keys of bucket %q: %w", j.Name, err)
	}
	level := LevelReencrypted
	for _, k := range keys {
		n, _, err := s.Store.KeyUsage(ctx, j.Bucket, k.ID)
		if err != nil {
			return fmt.Errorf("counting what a key of bucket %q seals: %w", j.Name, err)
		}
		if n > 0 && !k.Fresh {
			level = LevelRekeyed
		}
	}
	findings := []string{"protection level: " + level}
	if at.Customer > 0 {
		findings = append(findings, fmt.Sprintf("%d versions have keys of their customers, without which their content was read and not opened", at.Customer))
	}
	j.Findings = append(findings, j.Findings...)
	j.Findings = j.Findings[:min(len(j.Findings), maxFindings)]
	return nil
}

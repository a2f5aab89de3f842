package objects

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"strongroom/crn"
	"strongroom/custody"
)

// partWrite is a part that is to be stored: all of an object that is written at once, or one of several.
type partWrite struct {
	number  int // from 1
	dataKey custody.Secret
	root    crn.CRN // by which the data key is protected, asked before each segment; zero for the provider's
	expect  Expect
}

// digests are what was computed of a content while it was read.
type digests struct {
	MD5    []byte
	CRC64  []byte    // CRC64NVME, of every content
	Wanted Algorithm // that was asked for beside it; empty for none
	Sum    []byte    // of Wanted
}

// checksums is what is shown of them: what was asked for, or else CRC64NVME.
func (d *digests) checksums() Checksums {
	if d.Wanted != "" {
		return Checksums{Algorithm: d.Wanted, Value: encode(d.Sum)}
	}
	return Checksums{Algorithm: CRC64NVME, Value: encode(d.CRC64)}
}

// storePart reads a content to its end, in the memory of a few segments, and stores it sealed: in the row
// if it is small enough, else as a blob, which is durable when storePart returns and is then to be
// committed or given up. A content that is not as expected is not stored.
func (s *Service) storePart(ctx context.Context, v *visit, w partWrite, body io.Reader) (PartRow, *digests, error) {
	in, err := newIntake(body, w.expect)
	if err != nil {
		return PartRow{}, nil, err
	}
	part := PartRow{Number: w.number, Write: newHex32(), Blob: Blob{ID: NewBlobID()}}
	plain, final, err := in.next(nil)
	if err != nil {
		return PartRow{}, nil, err
	}
	var found *digests
	if final && s.Embed > 0 && int64(len(plain)) <= s.Embed {
		found, err = s.embed(ctx, v, w, &part, in, plain)
	} else {
		found, err = s.disperse(ctx, v, w, &part, in, plain, final)
	}
	if err != nil {
		return PartRow{}, nil, err
	}
	part.Size, part.Modified = in.size, s.Now()
	return part, found, nil
}

// embed seals a content of one segment into the part itself.
func (s *Service) embed(ctx context.Context, v *visit, w partWrite, part *PartRow, in *intake, plain []byte) (*digests, error) {
	in.sumMD5(plain)
	in.sumOthers(plain)
	found, err := in.verify()
	if err != nil {
		return nil, err
	}
	if err := s.standing(ctx, &v.bucket, w.root); err != nil {
		return nil, err
	}
	b := &part.Blob
	b.Segment, b.State, b.Created = sealedSegment(false), BlobLive, s.Now()
	b.Inline = newSegments(v.bucket.ID, part, w.dataKey).seal(nil, plain, 0, true)
	b.Size = int64(len(b.Inline))
	return found, nil
}

// disperse seals what is read, segment by segment, into a blob. The next segment is read while the last
// one is hashed, and sealed and written.
func (s *Service) disperse(ctx context.Context, v *visit, w partWrite, part *PartRow, in *intake, plain []byte, final bool) (*digests, error) {
	profile, err := s.profile(v.bucket.Profile)
	if err != nil {
		return nil, err
	}
	part.Blob.AllOrNothing = profile.AllOrNothing
	writer, err := s.Blobs.Write(ctx, part.Blob.ID, profile, sealedSegment(profile.AllOrNothing))
	if err != nil {
		return nil, err
	}
	err = s.writeSegments(ctx, v, w, writer, newSegments(v.bucket.ID, part, w.dataKey), in, plain, final)
	var found *digests
	if err == nil {
		found, err = in.verify()
	}
	if err == nil {
		part.Blob, err = writer.Finish(ctx)
	}
	if err != nil {
		writer.Abort()
		return nil, err
	}
	return found, nil
}

// writeSegments writes a segment that was read, and all that follow.
func (s *Service) writeSegments(ctx context.Context, v *visit, w partWrite, to BlobWriter, seals *segments, in *intake, plain []byte, final bool) (err error) {
	var sealed, spare []byte
	for index := int64(0); err == nil; index++ {
		this, last := plain, final
		var work errgroup.Group
		work.Go(func() error { in.sumMD5(this); return nil })
		work.Go(func() error { in.sumOthers(this); return nil })
		work.Go(func() error {
			if err := s.standing(ctx, &v.bucket, w.root); err != nil {
				return err
			}
			sealed = seals.seal(sealed[:0], this, index, last)
			return to.Segment(ctx, sealed)
		})
		if !last {
			plain, final, err = in.next(spare)
		}
		if werr := work.Wait(); werr != nil {
			return werr
		}
		if spare = this; last {
			break
		}
	}
	return err
}

// profile returns the profile of a name.
func (s *Service) profile(name string) (Profile, error) {
	i := slices.IndexFunc(s.Profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, fmt.Errorf("the dispersal profile %q is not configured", name)
	}
	return s.Profiles[i], nil
}

// giveUp gives a part up that was stored and cannot be committed. A blob that was committed after all
// stays.
func (s *Service) giveUp(ctx context.Context, part *PartRow) {
	if part.Blob.Inline != nil || part.Blob.Size == 0 {
		return
	}
	if err := s.Store.AbandonBlob(context.WithoutCancel(ctx), part.Blob.ID); err != nil {
		s.Logger.WarnContext(ctx, "a blob that was not committed stays until the next start", "blob", part.Blob.ID.String(), "error", err)
		return
	}
	s.Blobs.Wake()
}

// intake reads a content segment by segment and compares it with what was expected of it.
type intake struct {
	body   io.Reader
	expect Expect
	size   int64 // read so far
	ahead  []byte
	md5    hash.Hash
	crc64  hash.Hash
	wanted hash.Hash // nil for none beside CRC64NVME
	sha256 hash.Hash // nil unless it is expected
}

func newIntake(body io.Reader, e Expect) (*intake, error) {
	in := &intake{body: body, expect: e, md5: NewMD5(), crc64: CRC64NVME.New()}
	if e.Size > MaxPut {
		return nil, ErrTooLarge
	}
	if e.Want != "" && e.Want != CRC64NVME {
		if in.wanted = e.Want.New(); in.wanted == nil {
			return nil, ErrArgument.On("checksum", "the algorithm is not known")
		}
	}
	if e.SHA256 != nil {
		in.sha256 = sha256.New()
	}
	return in, nil
}

// next returns the next segment, in buf if that is large enough, and whether it is the last one. It is
// called until then, and not again after an error.
func (in *intake) next(buf []byte) (plain []byte, final bool, err error) {
	// One byte more is read than fits, so that the last segment is known before it is sealed.
	want := segmentSize + 1
	if in.expect.Size >= 0 {
		want = int(min(segmentSize, in.expect.Size-in.size)) + 1
	}
	want = max(want, len(in.ahead))
	if buf = buf[:0]; cap(buf) < want {
		buf = make([]byte, 0, want)
	}
	n := copy(buf[:want], in.ahead)
	more, end, err := readFull(in.body, buf[n:want])
	if err != nil {
		return nil, false, fmt.Errorf("reading the content: %w", err)
	}
	if n += more; !end {
		n-- // the last byte begins the next segment
		in.ahead = append(in.ahead[:0], buf[n:n+1]...)
	}
	in.size += int64(n)
	return buf[:n], end, in.checkSize(end)
}

// readFull fills p, or says that the content has ended before. Unlike with io.ReadFull, a body that
// breaks off with io.ErrUnexpectedEOF has not ended.
func readFull(r io.Reader, p []byte) (n int, end bool, err error) {
	const patience = 100 // reads without a byte
	for idle := 0; n < len(p); {
		m, err := r.Read(p[n:])
		if n += m; m > 0 {
			idle = 0
		}
		switch {
		case errors.Is(err, io.EOF):
			return n, n < len(p), nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return n, false, fmt.Errorf("%w: %w", ErrIncomplete, err)
		case err != nil:
			return n, false, err
		case m == 0:
			if idle++; idle > patience {
				return n, false, io.ErrNoProgress
			}
		}
	}
	return n, false, nil
}

// checkSize compares what was read so far with what was announced and is possible.
func (in *intake) checkSize(end bool) error {
	announced := in.expect.Size
	switch {
	case in.size > MaxPut || in.size == MaxPut && !end:
		return ErrTooLarge
	case announced >= 0 && end && in.size != announced, announced >= 0 && !end && in.size >= announced:
		return ErrIncomplete
	}
	return nil
}

func (in *intake) sumMD5(plain []byte) { _, _ = in.md5.Write(plain) } // hashes never fail

// sumOthers computes what beside the MD5 is wanted of the next segment.
func (in *intake) sumOthers(plain []byte) {
	for _, h := range []hash.Hash{in.crc64, in.wanted, in.sha256} {
		if h != nil {
			_, _ = h.Write(plain) // hashes never fail
		}
	}
}

// verify compares the whole content with what was expected of it, and returns what was computed.
func (in *intake) verify() (*digests, error) {
	e := &in.expect
	d := &digests{MD5: in.md5.Sum(nil), CRC64: in.crc64.Sum(nil), Wanted: e.Want}
	switch {
	case in.wanted != nil:
		d.Sum = in.wanted.Sum(nil)
	case e.Want != "":
		d.Sum = d.CRC64
	}
	if e.MD5 != nil && !bytes.Equal(e.MD5, d.MD5) {
		return nil, ErrDigest.On("Content-MD5", "the content has another")
	}
	if in.sha256 != nil && !bytes.Equal(e.SHA256, in.sha256.Sum(nil)) {
		return nil, ErrDigest.On("x-amz-content-sha256", "the content has another")
	}
	if e.Value != "" && e.Value != encode(d.Sum) {
		return nil, ErrDigest.On(string(e.Want), "the content has another")
	}
	if e.Trailer == nil {
		return d, nil
	}
	value, err := e.Trailer()
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the trailer: %w", err)
	case value != encode(d.Sum):
		return nil, ErrDigest.On(string(e.Want), "the content has another")
	}
	return d, nil
}

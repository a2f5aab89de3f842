package objects

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// rowsAtOnce is how many versions a job reads at a time; after them it writes down how far it is.
const rowsAtOnce = 100

// rekeyCursor says how far a rekey has come.
type rekeyCursor struct {
	Alias string `json:",omitempty"` // what the new root key was called by
	// Chosen says that Leaving is complete: the keys whose content is moved, one after the other.
	Chosen  bool          `json:",omitempty"`
	Leaving []BucketKeyID `json:",omitempty"`
	Was     []wrapVersion `json:",omitempty"` // root keys of those that were left
	After   string        `json:",omitempty"` // in the versions that the first of Leaving seals
	Kept    int64         `json:",omitempty"` // versions and uploads that were moved with their object keys
	Bad     int64         `json:",omitempty"` // versions that keys before the first of Leaving still seal
}

// StartRekey moves a bucket to the root key that root names, or to the provider's if it is empty: it
// gets a new key, which seals new objects at once and to which a job brings those that are there. With
// reencrypt their content is encrypted anew under new object keys as well.
//
// What was written with a root key of its own keeps it. If the bucket's new objects are under the root
// key already, because its configuration was changed before, the keys that are older than theirs are
// left too, as one of them was the bucket's.
func (s *Service) StartRekey(ctx context.Context, who iam.Caller, bucket, root string, reencrypt bool) (Job, error) {
	return s.startJob(ctx, who, bucket, ActionBucketRekey, func(v *visit) (Job, error) {
		v.request("reencrypt", reencrypt)
		named, alias, err := s.rootNamed(ctx, who, &v.bucket, nil, root)
		if err != nil {
			return Job{}, err
		}
		v.request("rootKey", rootName(named))
		j := Job{Kind: JobRekey, Root: named, Reencrypt: reencrypt, From: v.bucket.Key, To: BucketKeyID(uuid.NewString())}
		return j, j.note(rekeyCursor{Alias: alias})
	})
}

// rekey makes the new key of a bucket, moves what older ones seal, and removes those. Each step can be
// repeated, so that a crash costs no more than the step.
func (s *Service) rekey(ctx context.Context, j *Job) error {
	var at rekeyCursor
	if err := j.resume(&at); err != nil {
		return err
	}
	b, err := s.bucketOf(ctx, j)
	if err != nil {
		return err
	}
	to, err := s.rekeyTarget(ctx, j, &b, at.Alias)
	if err != nil {
		return err
	}
	if !at.Chosen {
		if err := s.chooseLeaving(ctx, j, &b, &at); err != nil {
			return err
		}
	}
	if err := s.makeCurrent(ctx, j, to); err != nil {
		return err
	}
	for len(at.Leaving) > 0 {
		if err := s.leaveKey(ctx, j, &at); err != nil {
			return err
		}
	}
	if at.Kept > 0 && j.Reencrypt {
		j.find(fmt.Sprintf("%d versions and uploads keep their object keys, for which a key of their owner's is needed, or their completion", at.Kept))
	}
	for _, was := range append(at.Was, wrapVersion{to.Root, to.Wrapped.Version}) {
		if err := s.tellRoot(ctx, &b, was.Root, was.Version); err != nil && passes(err) {
			return err
		}
	}
	if j.Bad > 0 {
		return ErrState.On("", fmt.Sprintf("%d versions are damaged and keep the old key of the bucket", j.Bad))
	}
	return nil
}

// rekeyTarget returns the new key of a bucket, which is made and registered first if it is not there.
func (s *Service) rekeyTarget(ctx context.Context, j *Job, b *Bucket, alias string) (BucketKey, error) {
	leave, err := s.acts.enter(ctx, string(b.ID))
	if err != nil {
		return BucketKey{}, err
	}
	defer leave()
	k, err := s.Store.BucketKey(ctx, b.ID, j.To)
	if fault.KindOf(err) == fault.NotFound {
		if k, err = s.newKey(ctx, j.requester(b), b, j.Root); err != nil {
			return BucketKey{}, err
		}
		k.ID, k.Alias, k.Pending = j.To, alias, true
		if err = s.Store.AddBucketKey(ctx, k, nil); err == nil {
			k, err = s.Store.BucketKey(ctx, b.ID, j.To)
		}
	}
	if err != nil {
		return BucketKey{}, fmt.Errorf("making a key of bucket %q: %w", b.Name, err)
	}
	if !k.Pending {
		return k, nil
	}
	return s.settleKey(ctx, j.requester(b), b, k)
}

// chooseLeaving decides which keys of the bucket are left, and counts what they seal.
func (s *Service) chooseLeaving(ctx context.Context, j *Job, b *Bucket, at *rekeyCursor) error {
	keys, err := s.Store.BucketKeys(ctx, b.ID)
	if err != nil {
		return fmt.Errorf("reading the keys of bucket %q: %w", b.Name, err)
	}
	i := slices.IndexFunc(keys, func(k BucketKey) bool { return k.ID == j.From })
	left := func(k BucketKey) bool {
		return k.ID == j.From || k.Root == j.Root || i >= 0 && keys[i].Root == j.Root && k.Created.Before(keys[i].Created)
	}
	j.Total = 0
	for _, k := range keys {
		if k.ID == j.To || k.Pending || !left(k) {
			continue
		}
		n, _, err := s.Store.KeyUsage(ctx, b.ID, k.ID)
		if err != nil {
			return fmt.Errorf("counting what a key of bucket %q seals: %w", b.Name, err)
		}
		j.Total += n
		at.Leaving = append(at.Leaving, k.ID)
		at.Was = append(at.Was, wrapVersion{k.Root, k.Wrapped.Version})
	}
	at.Chosen = true
	return s.advance(ctx, j, *at)
}

// makeCurrent has the new objects of a bucket sealed by a key.
func (s *Service) makeCurrent(ctx context.Context, j *Job, k BucketKey) error {
	return decidedAnew(func() error {
		b, err := s.bucketOf(ctx, j)
		if err != nil || b.Key == k.ID {
			return err
		}
		b.Key, b.Updated = k.ID, s.Now()
		return raced(s.Store.UpdateBucket(ctx, b, s.keyEvent(j, &b, k)))
	})
}

// leaveKey moves everything that the first of the keys to be left seals, and removes that key. What is
// written under it meanwhile, by who has read the bucket before, is found by another look.
func (s *Service) leaveKey(ctx context.Context, j *Job, at *rekeyCursor) error {
	from := at.Leaving[0]
	for {
		if at.After == "" {
			j.Bad = at.Bad
		}
		moved, err := s.moveVersions(ctx, j, from, at)
		if err != nil {
			return err
		}
		uploads, err := s.moveUploads(ctx, j, from, at)
		if err != nil {
			return err
		}
		if moved+uploads == 0 {
			break
		}
	}
	if j.Bad == at.Bad {
		if err := s.dropKey(ctx, j, from); err != nil {
			return err
		}
	}
	at.Leaving, at.Bad = at.Leaving[1:], j.Bad
	return s.advance(ctx, j, *at)
}

// dropKey removes a key of a bucket that seals nothing any more, with the registration of its root key
// if no other key of the bucket is under that. It fails with ErrBusy if something is sealed by it.
func (s *Service) dropKey(ctx context.Context, j *Job, id BucketKeyID) error {
	b, err := s.bucketOf(ctx, j)
	if err != nil {
		return err
	}
	leave, err := s.acts.enter(ctx, string(b.ID))
	if err != nil {
		return err
	}
	defer leave()
	keys, err := s.Store.BucketKeys(ctx, b.ID)
	if err != nil {
		return fmt.Errorf("reading the keys of bucket %q: %w", b.Name, err)
	}
	i := slices.IndexFunc(keys, func(k BucketKey) bool { return k.ID == id })
	if i < 0 {
		return nil
	}
	k := keys[i]
	shared := slices.ContainsFunc(keys, func(other BucketKey) bool { return other.ID != id && other.Root == k.Root })
	if !shared { // before the row, by which it would be found if the job ended here
		if err := s.unregister(ctx, j.requester(&b), &b, k.Root); err != nil {
			return err
		}
	}
	err = s.Store.RemoveBucketKey(ctx, k, s.keyEvent(j, &b, k))
	switch {
	case err == nil || fault.KindOf(err) == fault.NotFound:
		return nil
	case errors.Is(err, ErrBusy) && !shared:
		return errors.Join(err, s.register(ctx, j.requester(&b), &b, k))
	}
	return fmt.Errorf("removing a key of bucket %q: %w", b.Name, err)
}

// moveVersions goes once through the versions that a key seals, and returns how many it has moved.
func (s *Service) moveVersions(ctx context.Context, j *Job, from BucketKeyID, at *rekeyCursor) (moved int64, err error) {
	for {
		rows, next, err := s.Store.VersionsAfter(ctx, j.Bucket, from, at.After, rowsAtOnce)
		if err != nil {
			return moved, fmt.Errorf("reading versions in bucket %q: %w", j.Name, err)
		}
		m, err := s.mover(ctx, j, from)
		if err != nil {
			return moved, err
		}
		for _, r := range rows {
			ok, err := s.moveVersion(ctx, j, m, r, at)
			if err != nil {
				return moved, err
			}
			if ok {
				moved++
				j.Done++
			}
		}
		at.After = next
		if len(rows) > 0 {
			if err := s.advance(ctx, j, *at); err != nil {
				return moved, err
			}
		}
		if next == "" {
			return moved, nil
		}
	}
}

// mover has the two keys of a move at hand.
type mover struct {
	job      *Job
	v        *visit
	from, to BucketKeyID
	aged     bool // the new key is known not to be fresh
}

// mover looks at the bucket of a job as it is now.
func (s *Service) mover(ctx context.Context, j *Job, from BucketKeyID) (*mover, error) {
	m := &mover{job: j, from: from, to: j.To}
	return m, s.look(ctx, m)
}

func (s *Service) look(ctx context.Context, m *mover) error {
	v, err := s.background(ctx, m.job.Name)
	if err != nil {
		return err
	}
	if v.bucket.ID != m.job.Bucket {
		return ErrNoBucket // another one that was given its name
	}
	v.who, m.v = m.job.requester(&v.bucket), v
	return nil
}

// withKeys calls use with both keys, opened. It is repeated when one of them is wiped meanwhile.
func (s *Service) withKeys(ctx context.Context, m *mover, use func(from, to *custody.Opened) error) error {
	for {
		from, err := s.openKey(ctx, m.v, m.from)
		if err != nil {
			return err
		}
		to, err := s.openKey(ctx, m.v, m.to)
		if err != nil {
			from.done()
			return err
		}
		err = use(from.Opened, to.Opened)
		from.done()
		to.done()
		if !errors.Is(err, custody.ErrUnloaded) {
			return err
		}
		m.v.held.drop(m.from)
		m.v.held.drop(m.to)
	}
}

// moveVersion seals a version by the new key, unless it is gone or was moved already. One that is
// damaged stays and is reported.
func (s *Service) moveVersion(ctx context.Context, j *Job, m *mover, r Row, at *rekeyCursor) (moved bool, err error) {
	err = decidedAnew(func() error {
		moved = false
		if r.SealedBy != m.from {
			return nil
		}
		err := s.moveRow(ctx, j, m, r, at)
		if moved = err == nil; !errors.Is(err, errRaced) {
			return err
		}
		again, rerr := s.Store.Version(ctx, r.Bucket, r.Key, r.Version)
		if fault.KindOf(rerr) == fault.NotFound {
			return nil
		}
		if rerr != nil {
			return fmt.Errorf("reading object %q: %w", clip(r.Key), rerr)
		}
		r = again
		return err
	})
	if errors.Is(err, ErrDamaged) {
		s.Logger.ErrorContext(ctx, "a version cannot be moved to another key", "job", j.ID, "bucket", j.Name, "key", r.Key, "version", r.Version, "error", err)
		j.Bad++
		j.find(fmt.Sprintf("%q version %s is damaged", clip(r.Key), r.Version))
		return false, nil
	}
	return moved, err
}

// moveRow moves one version as it was read, or fails with errRaced.
func (s *Service) moveRow(ctx context.Context, j *Job, m *mover, r Row, at *rekeyCursor) error {
	if j.Reencrypt && !r.Customer {
		return s.reencrypt(ctx, m, r)
	}
	if err := s.unfresh(ctx, m); err != nil {
		return err
	}
	sealed := r
	err := s.withKeys(ctx, m, func(from, to *custody.Opened) error {
		sealed = r
		return reseal(from, to, &sealed, m.to)
	})
	if err != nil {
		return err
	}
	if err := raced(s.Store.UpdateVersion(ctx, sealed, nil)); err != nil {
		return err
	}
	at.Kept++
	return nil
}

// unfresh takes back that everything under the new key has object keys of its time, before something
// older comes under it.
func (s *Service) unfresh(ctx context.Context, m *mover) error {
	if m.aged {
		return nil
	}
	k, err := s.Store.BucketKey(ctx, m.job.Bucket, m.to)
	if err != nil {
		return fmt.Errorf("reading a key of bucket %q: %w", m.job.Name, err)
	}
	if k.Fresh {
		k.Fresh = false
		if err := s.Store.UpdateBucketKey(ctx, k, nil); err != nil {
			return fmt.Errorf("storing a key of bucket %q: %w", m.job.Name, err)
		}
		if err := s.look(ctx, m); err != nil {
			return err
		}
	}
	m.aged = true
	return nil
}

// reencrypt writes the content of a version again under a new object key, which the new key of the
// bucket seals. What was not committed in the end is given up.
func (s *Service) reencrypt(ctx context.Context, m *mover, r Row) (err error) {
	parts, dataKey, rec, err := s.unsealed(ctx, m.v, m.from, &r)
	if err != nil {
		return err
	}
	defer dataKey.Wipe()
	fresh := custody.RandomSecret(dataKeySize)
	defer fresh.Wipe()
	next := r
	next.Write, next.SealedBy = newHex32(), m.to
	written := make([]PartRow, 0, len(parts))
	defer func() {
		for i := range written {
			if err != nil {
				s.giveUp(ctx, &written[i])
			}
		}
	}()
	for i := range parts {
		part, err := s.rewrite(ctx, m, &parts[i], dataKey, fresh)
		if err != nil {
			return err
		}
		written = append(written, part)
		m.job.Bytes += part.Size
	}
	rec.Parts = digestOf(written)
	err = s.withKey(ctx, m.v, m.to, func(k *custody.Opened) (err error) {
		if next.DataKey, err = sealDataKey(k, r.Bucket, r.Key, string(r.Version), next.Write, fresh, nil); err != nil {
			return err
		}
		next.Record, err = sealRecord(k, &next, rec)
		return err
	})
	if err != nil {
		return err
	}
	return raced(s.Store.ReplaceContent(ctx, next, written))
}

// rewrite stores a part again under another object key.
func (s *Service) rewrite(ctx context.Context, m *mover, p *PartRow, from, to custody.Secret) (PartRow, error) {
	sealed, err := s.openPart(ctx, p)
	if err != nil {
		return PartRow{}, err
	}
	defer sealed.Close()
	root, err := s.rootUnder(ctx, m.v, m.to)
	if err != nil {
		return PartRow{}, err
	}
	w := partWrite{number: p.Number, dataKey: to, root: root, expect: Expect{Size: p.Size}}
	next, _, err := s.storePart(ctx, m.v, w, sealed.plain(ctx, newSegments(m.v.bucket.ID, p, from)))
	if err != nil {
		return PartRow{}, err
	}
	next.Modified = p.Modified
	return next, nil
}

// moveUploads seals the open uploads that a key seals by the new one, and returns how many.
func (s *Service) moveUploads(ctx context.Context, j *Job, from BucketKeyID, at *rekeyCursor) (moved int64, err error) {
	list := ListUploads{Limit: rowsAtOnce}
	for {
		rows, _, err := s.Store.ListUploads(ctx, j.Bucket, list)
		if err != nil {
			return moved, fmt.Errorf("reading uploads in bucket %q: %w", j.Name, err)
		}
		m, err := s.mover(ctx, j, from)
		if err != nil {
			return moved, err
		}
		for _, u := range rows {
			ok, err := s.moveUpload(ctx, m, u)
			if err != nil {
				return moved, err
			}
			if ok {
				moved++
				at.Kept++
			}
			list.After, list.AfterUpload = u.Key, u.ID
		}
		if len(rows) < list.Limit {
			return moved, nil
		}
	}
}

// moveUpload seals an upload by the new key, unless it ended or was moved already.
func (s *Service) moveUpload(ctx context.Context, m *mover, u UploadRow) (moved bool, err error) {
	err = decidedAnew(func() error {
		if moved = false; u.SealedBy != m.from {
			return nil
		}
		if err := s.unfresh(ctx, m); err != nil {
			return err
		}
		sealed := u
		err := s.withKeys(ctx, m, func(from, to *custody.Opened) error {
			sealed = u
			return resealUpload(from, to, &sealed, m.to)
		})
		if err != nil {
			return err
		}
		err = raced(s.Store.UpdateUpload(ctx, sealed))
		if moved = err == nil; !errors.Is(err, errRaced) {
			return err
		}
		again, rerr := s.Store.Upload(ctx, u.BucketID, u.Key, u.ID)
		switch {
		case fault.KindOf(rerr) == fault.NotFound || rerr == nil && again.Completed != "":
			return nil
		case rerr != nil:
			return fmt.Errorf("reading an upload in bucket %q: %w", m.job.Name, rerr)
		}
		u = again
		return err
	})
	return moved, err
}
